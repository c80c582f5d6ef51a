//! The file: reads YAML, puts the values into their places, and names the line of a mistake.
//!
//! Every value is taken as text, whatever type it has in YAML, and goes to its [`Setting`]. So
//! `port: 12345`, `port: "12345"` and a variable of the environment are read by the same code.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Log, SECTIONS, Section, SettingsError};
use crate::repr::printable;
use crate::setting::Setting;

/// The largest file that is read, in bytes. This also bounds two costs: of reading a device by
/// mistake, and of braces within braces, for which the parser's time grows with the square. 64 KiB
/// of braces take it a second, 1 MiB would take minutes.
pub(super) const FILE_MAX_BYTES: u64 = 64 * 1024;

/// A message repeats what stands in the file. Of a long one this much of the begin and of the end
/// is shown, in characters.
const COMPLAINT_PART_MAX_CHARS: usize = 250;

/// The path as it is shown.
pub(super) fn name(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

/// Reads the file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, SettingsError> {
    match read_bytes(path) {
        Ok(bytes) => decode(path, bytes).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError(format!("{}: cannot be read: {error}", name(path)))),
    }
}

/// Opens without blocking: a FIFO would wait for a writer, and a terminal for its user, while the
/// program would be deaf to signals.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        // Docker makes a directory where the source of a bind mount does not exist.
        let why = "it is a directory; was the file missing when a container mounted it?";
        return Err(io::Error::other(why));
    }
    // /dev/null is a device, and is an empty file to all programs.
    if !kind.is_file() && !kind.is_char_device() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {FILE_MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, SettingsError> {
    let mistake = |before: &[u8], what: &str| {
        let line = before.split(|byte| *byte == b'\n').count();
        SettingsError(format!("{}:{line}: {what}", name(path)))
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        mistake(valid, "not UTF-8 text")
    })?;
    // The parser would refuse such a character too, and name line 1 wherever it stands.
    match text.char_indices().find(|(_, character)| is_forbidden(*character)) {
        Some((place, character)) => {
            let what = format!("the character U+{:04X} is not allowed", u32::from(character));
            Err(mistake(&text.as_bytes()[..place], &what))
        }
        None => Ok(text),
    }
}

/// Whether YAML forbids a character wherever it stands: the control characters but for tab, line
/// feed, carriage return and next line (U+0085), and the two that are no characters.
fn is_forbidden(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    }
}

/// Puts the values of `text` into their places. Other sections than these two are skipped.
pub(super) fn apply(
    path: &Path,
    text: &str,
    own: &mut impl Section,
    log: &mut Log,
) -> Result<(), SettingsError> {
    check_syntax(path, text)?;
    let file = FileReader { own, log };
    let document = serde_yaml::Deserializer::from_str(text);
    document.deserialize_map(file).map_err(|error| value_error(path, text, &error))
}

/// Reads the text for its syntax alone, so that an error of syntax is known as one.
fn check_syntax(path: &Path, text: &str) -> Result<(), SettingsError> {
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let first = documents.next().map_or(Ok(IgnoredAny), IgnoredAny::deserialize);
    first.map_err(|error| syntax_error(path, text, &error))?;
    let second = documents.next().map_or(Ok(()), |second| second.deserialize_any(Refusal));
    second.map_err(|error| {
        let line = line_of(text, &error).map(|value| beginning_of_document(text, value));
        at(path, line, "a second document begins here; only one is allowed")
    })
}

/// The line with the `---` of the document that has a value on this line. The value may be empty and behind the last
/// line, and the document may begin without a `---`, behind a `...`.
fn beginning_of_document(text: &str, value: usize) -> usize {
    let lines: Vec<&str> = text.lines().take(value).collect();
    let is_marker =
        |line: &&str| matches!(line.split(char::is_whitespace).next(), Some("---" | "..."));
    let last = lines.iter().rposition(is_marker);
    match last {
        Some(place) if lines[place].starts_with("---") => place + 1,
        _ => value.min(text.lines().count()),
    }
}

/// Refuses any value: the error then knows the line on which the value begins.
struct Refusal;

impl Visitor<'_> for Refusal {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value")
    }
}

fn syntax_error(path: &Path, text: &str, error: &serde_yaml::Error) -> SettingsError {
    let number = line_of(text, error);
    let line = number.and_then(|number| text.lines().nth(number - 1));
    let indentation = line.map(|line| &line[..line.len() - line.trim_start().len()]);
    if indentation.is_some_and(|blanks| blanks.contains('\t')) {
        return at(path, number, "not valid YAML: indent with spaces, not with tabs");
    }
    at(path, number, &format!("not valid YAML: {}", without_place(error)))
}

fn value_error(path: &Path, text: &str, error: &serde_yaml::Error) -> SettingsError {
    let message = without_place(error);
    let message = message.replace("invalid type: ", "").replace(", expected ", " is not ");
    at(path, line_of(text, error), &message)
}

/// The line of an error, from 1 on, as editors count: to the parser U+0085, U+2028 and U+2029 end a line too.
fn line_of(text: &str, error: &serde_yaml::Error) -> Option<usize> {
    let before = text.chars().take(error.location()?.index());
    Some(before.filter(|character| *character == '\n').count() + 1)
}

fn at(path: &Path, line: Option<usize>, message: &str) -> SettingsError {
    let place = line.map(|line| format!("{line}:"));
    let message = without_middle(&printable(message.as_bytes()));
    SettingsError(format!("{}:{} {message}", name(path), place.unwrap_or_default()))
}

/// Cuts a message that is too long: its begin says what was found, its end what is allowed.
fn without_middle(message: &str) -> String {
    let chars: Vec<char> = message.chars().collect();
    if chars.len() <= 2 * COMPLAINT_PART_MAX_CHARS {
        return message.to_owned();
    }
    let begin = chars[..COMPLAINT_PART_MAX_CHARS].iter();
    let end = chars[chars.len() - COMPLAINT_PART_MAX_CHARS..].iter();
    begin.chain(&['.'; 3]).chain(end).collect()
}

/// The message without the place, which stands in front of it anyway.
fn without_place(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    let Some(place) = error.location() else {
        return message;
    };
    let place = format!(" at line {} column {}", place.line(), place.column());
    message.replacen(&place, "", 1)
}

/// Reads the top level: the sections.
struct FileReader<'a, S> {
    own: &'a mut S,
    log: &'a mut Log,
}

impl<'de, S: Section> Visitor<'de> for FileReader<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mapping of the sections {}", SECTIONS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Names::new("section", SECTIONS.to_vec());
        while let Some(section) = map.next_key_seed(&mut names)? {
            if section == S::NAME {
                map.next_value_seed(SectionReader(&mut *self.own))?;
            } else if section == Log::NAME {
                map.next_value_seed(SectionReader(&mut *self.log))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads a section: keys and their values.
struct SectionReader<'a, S>(&'a mut S);

impl<'de, S: Section> DeserializeSeed<'de> for SectionReader<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_map(self)
    }
}

impl<'de, S: Section> Visitor<'de> for SectionReader<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of keys to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let keys = self.0.settings().iter().map(Setting::key).collect();
        let mut names = Names::new("key", keys);
        while let Some(key) = map.next_key_seed(&mut names)? {
            for setting in self.0.settings() {
                if setting.key() == key {
                    map.next_value_seed(ValueReader(setting))?;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Reads the text of one value.
struct ValueReader<'a>(Setting<'a>);

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_str(self)
    }
}

impl Visitor<'_> for ValueReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.allowed())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.set(text).map_err(E::custom)
    }
}

/// Reads names. Each must be known, and may come once.
struct Names {
    what: &'static str,
    known: Vec<&'static str>,
    seen: Vec<&'static str>,
}

impl Names {
    fn new(what: &'static str, known: Vec<&'static str>) -> Self {
        let seen = Vec::new();
        Self { what, known, seen }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Names {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Names {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}; allowed: {}", self.what, self.known.join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let (what, known) = (self.what, self.known.join(", "));
        let Some(name) = self.known.iter().find(|name| **name == text) else {
            return Err(E::custom(format!("unknown {what} {text}; allowed: {known}")));
        };
        if self.seen.contains(name) {
            return Err(E::custom(format!("{what} {name} is there twice")));
        }
        self.seen.push(name);
        Ok(name)
    }
}
