//! A fuzz of the file: whatever stands in it, reading it ends soon, in settings or in one line.
//!
//! ```text
//! cargo test -p echo-program fuzz                    some seconds
//! FUZZ_SECONDS=60 cargo test -p echo-program fuzz    longer; also: make fuzz SECONDS=60
//! ```

use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

use super::tests::Sample;
use super::{LogSection, file};

/// What the edits start from.
const VALID: &str = "\
# Settings.
server:
  port: 7 # a comment
  period: \"1m2s\"
  reply_mode: none
  name: 'a: b'
client: &client
  id: 1
  list: [1, {a: *client}]
log:
  level: warn
";

/// What YAML gives a meaning to, and what it forbids.
const WORDS: [&[u8]; 36] = [
    b"&a ",
    b"*a",
    b"<<: *client",
    b"!!int ",
    b"!tag ",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"|\n",
    b">-\n",
    b"? ",
    b": ",
    b"- ",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"#",
    b"\"",
    b"'",
    b"\\",
    b"\t",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"99999999999999999999",
    b"-0x1",
    b".nan",
    b"~",
    b"server:\n",
    b"  port: ",
];

/// The largest file, in bytes.
const FILE_MAX_BYTES: usize = 64 * 1024;

/// The worst takes a second or two; a debug build on a busy machine takes longer.
const TIME_MAX: Duration = Duration::from_secs(30);

/// A line of complaint is no longer, in bytes.
const LINE_MAX_BYTES: usize = 2500;

#[derive(Clone, Debug)]
enum Edit {
    DeleteLine(Index),
    RepeatLine(Index, usize),
    SwapLines(Index, Index),
    Indent(Index, usize),
    Insert(Index, Vec<u8>),
    /// The same word so often that it fills the file.
    Fill(Index, Vec<u8>),
    CutAt(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let word = || prop_oneof![4 => select(WORDS.to_vec()).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..9)];
    let at = any::<Index>;
    prop_oneof![
        4 => at().prop_map(Edit::DeleteLine),
        2 => (at(), 1..2000_usize).prop_map(|(line, times)| Edit::RepeatLine(line, times)),
        4 => (at(), at()).prop_map(|(one, other)| Edit::SwapLines(one, other)),
        4 => (at(), 0..9_usize).prop_map(|(line, blanks)| Edit::Indent(line, blanks)),
        12 => (at(), word()).prop_map(|(place, word)| Edit::Insert(place, word)),
        1 => (at(), word()).prop_map(|(place, word)| Edit::Fill(place, word)),
        1 => at().prop_map(Edit::CutAt),
    ]
}

impl Edit {
    fn apply(self, text: Vec<u8>) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        if lines.is_empty() {
            return text;
        }
        let (count, length) = (lines.len(), text.len());
        match self {
            Edit::DeleteLine(line) => drop(lines.remove(line.index(count))),
            Edit::RepeatLine(line, times) => {
                let line = &mut lines[line.index(count)];
                *line = line.repeat(times);
            }
            Edit::SwapLines(one, other) => lines.swap(one.index(count), other.index(count)),
            Edit::Indent(line, blanks) => {
                let line = &mut lines[line.index(count)];
                let rest = line.trim_ascii_start().to_vec();
                *line = [vec![b' '; blanks], rest].concat();
            }
            Edit::Insert(place, word) => return insert(text, place.index(length), &word),
            Edit::Fill(place, word) => {
                return insert(
                    text,
                    place.index(length),
                    &word.repeat(FILE_MAX_BYTES / word.len()),
                );
            }
            Edit::CutAt(place) => return text[..place.index(length)].to_vec(),
        }
        lines.concat()
    }
}

fn insert(mut text: Vec<u8>, place: usize, word: &[u8]) -> Vec<u8> {
    text.splice(place..place, word.iter().copied());
    text
}

fn edited() -> impl Strategy<Value = Vec<u8>> {
    vec(edit(), 1..8).prop_map(|edits| {
        let text = edits.into_iter().fold(VALID.as_bytes().to_vec(), |text, edit| edit.apply(text));
        text[..text.len().min(FILE_MAX_BYTES)].to_vec()
    })
}

/// Reads it as a program does. Panics unless that ends soon, in settings or in one line.
fn read(bytes: &[u8]) {
    let path = Path::new("config.yaml");
    let started = Instant::now();
    let result = file::decode(path, bytes.to_vec()).and_then(|text| {
        file::apply(path, &text, &mut Sample::default(), &mut LogSection::default())
    });
    let took = started.elapsed();
    assert!(took < TIME_MAX, "{took:?}");
    if let Err(error) = result {
        let line = error.to_string();
        assert!(line.starts_with("config.yaml:"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() <= LINE_MAX_BYTES, "{} bytes: {line}", line.len());
    }
}

#[test]
fn fuzz_any_file_ends_in_settings_or_in_one_line() {
    let seconds = env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| text.parse().expect("FUZZ_SECONDS is a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let files = prop_oneof![9 => edited(), 1 => vec(any::<u8>(), 0..300)];
    let mut cases = 0;
    loop {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 500,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        if let Err(failure) = runner.run(&files, |bytes| {
            read(&bytes);
            Ok(())
        }) {
            panic!("{failure}");
        }
        cases += 500;
        if Instant::now() >= end {
            break;
        }
    }
    println!("{cases} files: every one ended in settings or in one line");
}

#[test]
fn nonsense_that_fills_the_largest_file() {
    for word in [
        "[", "{a: ", "- ", "? ", ": ", "!", "'", "&a ", "*a ", "---\n", "\t", "- &a x\n", "{",
        "\"\\x41",
    ] {
        read(word.repeat(FILE_MAX_BYTES / word.len()).as_bytes());
    }
    let deeper = |depth| format!("{}a:\n", " ".repeat(depth));
    read((0..350).map(deeper).collect::<String>().as_bytes());
}

/// Each line has nine times the elements of the line before, if aliases are taken at their word.
#[test]
fn aliases_of_aliases_are_not_multiplied() {
    let mut text = "client: &a0 [x, x, x, x, x, x, x, x, x]\nserver:\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "  - &a{level} [{aliases}]");
    }
    read(text.as_bytes());
    read(text.replace("server", "other").replace("client", "first").as_bytes());
}
