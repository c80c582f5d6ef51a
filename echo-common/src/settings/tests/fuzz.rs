//! Files and variables that nobody would write. The outcome must be settings or one line, in time.
//!
//! `make fuzz` runs these with many more cases.

use std::time::Instant;

use proptest::sample::Index;

use super::*;

/// More than the worst file takes in a debug build on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest error, in bytes: the part that repeats the file is cut, the rest is names of keys.
const LINE_MAX_BYTES: usize = 2500;

/// Pieces of a file: some have a meaning in YAML, and some are forbidden.
const SNIPPETS: &[&str] = &[
    "server:",
    "  port: 7",
    "  name: 007",
    "  \"a\\n\\x1b\": 1",
    "log: {level: warn}",
    "&a ",
    "*a",
    "server: &a {port: *a}",
    "  <<: *a",
    "!!binary ",
    "!<tag:yaml.org,2002:int> ",
    "!",
    "? ",
    "- ",
    ": ",
    "|",
    ">-\n\n\n",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "\"\\u0000\\x1b\\U0010ffff\"",
    "\\",
    "@",
    "`",
    "%YAML 1.2",
    "%TAG ! !",
    "---",
    "...",
    "#",
    "~",
    "\0",
    "\t",
    "\r",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{1b}[2J",
    "é",
    "0x7",
    "1e999",
    ".nan",
    "-0",
    "340282366920938463463374607431768211456",
];

/// What is done to a line of a file.
#[derive(Clone, Debug)]
enum Edit {
    ToTheEnd,
    Delete,
    Duplicate,
    Indent(usize),
    Before(String),
    Behind(String),
    NewLine(String),
}

fn snippet() -> impl Strategy<Value = String> {
    let known = || prop::sample::select(SNIPPETS);
    prop_oneof![
        8 => known().prop_map(str::to_owned),
        1 => (known(), 1..300_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => (1..500_usize).prop_map(|digits| "9".repeat(digits)),
        // Long enough that an error which repeats it is cut.
        1 => (1..3000_usize).prop_map(|length| format!("\n  {}: 1\n", "é".repeat(length))),
        1 => any::<String>(),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Edit::ToTheEnd),
        Just(Edit::Delete),
        Just(Edit::Duplicate),
        (0..9_usize).prop_map(Edit::Indent),
        snippet().prop_map(Edit::Before),
        snippet().prop_map(Edit::Behind),
        snippet().prop_map(Edit::NewLine),
    ]
}

fn valid_file() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "server:\n  port: 7\n  period: 1h\n  reply_mode: none\n  name: a b\nlog:\n  level: warn\n",
            "# why\nserver: {port: 7, period: 1m2s,\n  name: \"x\"}\n\nclient:\n  id: [1, {a: b}]\n",
            "---\nclient: &c\n  port: &p 7\nserver:\n  port: *p\n  name: |\n    long\n    text\n",
            include_str!("../../../../config.yaml"),
        ][..],
    )
}

/// A valid file after some edits of lines, and then of bytes.
fn edited_file() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<Index>(), edit()), 0..8);
    let bytes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let line_end = prop::sample::select(&["\n", "\r\n", "\r"][..]);
    let cut = prop::option::of(any::<Index>());
    (valid_file(), edits, line_end, bytes, cut).prop_map(|(file, edits, line_end, bytes, cut)| {
        let mut lines = file.lines().map(str::to_owned).collect();
        for (place, edit) in edits {
            apply_edit(&mut lines, place, edit);
        }
        let mut file = lines.join(line_end).into_bytes();
        file.push(b'\n');
        for (place, byte) in bytes {
            *place.get_mut(&mut file) = byte;
        }
        file.truncate(cut.map_or(file.len(), |place| place.index(file.len())));
        file
    })
}

fn apply_edit(lines: &mut Vec<String>, place: Index, edit: Edit) {
    if lines.is_empty() {
        return;
    }
    let at = place.index(lines.len());
    match edit {
        Edit::ToTheEnd => lines[at..].rotate_left(1),
        Edit::Delete => drop(lines.remove(at)),
        Edit::Duplicate => lines.insert(at, lines[at].clone()),
        Edit::Indent(blanks) => lines[at] = " ".repeat(blanks) + lines[at].trim_start(),
        Edit::Before(text) => lines[at].insert_str(0, &text),
        Edit::Behind(text) => lines[at].push_str(&text),
        Edit::NewLine(text) => lines.insert(at, text),
    }
}

/// Whether a file with these bytes is valid. Panics unless the file gives, in time, either settings
/// that can be printed and read again, or one line that names the file.
fn check(test: &str, bytes: &[u8]) -> bool {
    let path = TemporaryPath::with(test, bytes);
    let started = Instant::now();
    let outcome = load_from(&path.0, &[]);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    match &outcome {
        Ok(settings) => {
            let yaml = settings.to_yaml().expect("yaml");
            let again = load_from(&TemporaryPath::with(test, &yaml).0, &[]).expect(&yaml);
            assert_eq!((&again.section, &again.log), (&settings.section, &settings.log));
        }
        Err(error) => {
            // An error about values that do not go together names no line.
            let place = path.0.display().to_string();
            assert!(error.starts_with(&place) || error.starts_with("server: "), "{error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
            assert!(error.len() <= LINE_MAX_BYTES, "{} bytes: {error}", error.len());
        }
    }
    outcome.is_ok()
}

/// A file that gives `key` this text.
fn file_with(key: &str, text: &str) -> String {
    let section = Mapping::from_iter([(Value::from(key), Value::from(text))]);
    serde_yaml::to_string(&Mapping::from_iter([("server".into(), section.into())])).expect("yaml")
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["port", "period", "reply_mode", "name"][..])
}

/// A text that some key may take, or none.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "0?[0-9]{1,6}", "([0-9]{1,4}(d|h|m|s|ms|M) ?){1,3}", "echo|none"]
}

fn variable_name() -> impl Strategy<Value = Vec<u8>> {
    let name = |text: String| text.into_bytes();
    prop_oneof!["SERVER_(PORT|PERIOD|NAME|.*)|RUST_LOG".prop_map(name), any::<Vec<u8>>()]
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check("any-bytes", &bytes);
    }

    #[test]
    fn any_pieces_of_yaml(pieces in prop::collection::vec(snippet(), 0..30), newlines: bool) {
        let text = pieces.join(if newlines { "\n" } else { "" });
        check("any-pieces", text.as_bytes());
    }

    #[test]
    fn any_edits_of_a_valid_file(bytes in edited_file()) {
        check("any-edits", &bytes);
    }

    #[test]
    fn any_variables(variables in prop::collection::vec((variable_name(), any::<Vec<u8>>()), 0..5)) {
        let bytes = |(name, value)| (OsString::from_vec(name), OsString::from_vec(value));
        let variables = variables.into_iter().map(bytes);
        let lines = match load::<Sample>(Path::new("/dev/null"), "SERVER", variables, []) {
            Ok(settings) => settings.notes,
            Err(error) => vec![error.to_string()],
        };
        for line in lines {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
    }

    #[test]
    fn the_file_and_the_environment_read_a_text_alike(key in key(), text in value()) {
        let from_file = apply(&file_with(key, &text));
        let variable = format!("SERVER_{}", key.to_uppercase());
        match load_from(Path::new("/dev/null"), &[(&variable, &text)]) {
            Ok(settings) => {
                prop_assert_eq!(from_file.as_ref(), Ok(&settings.section));
                prop_assert_eq!(apply(&settings.to_yaml().expect("yaml")), from_file);
            }
            Err(error) => prop_assert!(from_file.is_err(), "{}", error),
        }
    }

    #[test]
    fn the_environment_wins_whatever_it_sets(
        file in prop::option::of(any::<u16>()),
        variable in prop::option::of(any::<u16>()),
    ) {
        let text = file.map_or(String::new(), |port| file_with("port", &port.to_string()));
        let path = TemporaryPath::with("wins", text);
        let variable_text = variable.map(|port| port.to_string());
        let variables = variable_text.iter().map(|port| ("SERVER_PORT", port.as_str()));
        let settings = load_from(&path.0, &variables.collect::<Vec<_>>()).expect("valid");
        let port = variable.or(file).unwrap_or(Sample::default().port);
        prop_assert_eq!(settings.section, Sample { port, ..Sample::default() });
    }
}

#[test]
fn aliases_of_aliases_cost_nothing() {
    let line = |n: u32| format!("  l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 9].join(","));
    let laughs = "client:\n  l0: &l0 [lol]\n".to_owned() + &(1..40).map(line).collect::<String>();
    assert!(check("laughs", laughs.as_bytes()));
    for place in ["server:\n  port: *l39\n", "server: *l39\n", "*l39 : 1\n", "server: {*l39 : 1}\n"]
    {
        assert!(!check("laughs", format!("{laughs}{place}").as_bytes()), "{place}");
    }
}

#[test]
fn the_deepest_files_that_are_read() {
    for opening in ["{\"\":", "{? ", "[a: ", "[", "- ", "? "] {
        let deepest =
            opening.repeat(usize::try_from(file::FILE_MAX_BYTES).unwrap() / opening.len());
        assert!(!check("deepest", deepest.as_bytes()), "{opening}");
    }
}
