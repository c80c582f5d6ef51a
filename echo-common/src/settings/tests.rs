//! From a file, an environment and flags to settings, or to one line that says what is wrong.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::logger::{Filter, Format};
use crate::setting::key;

mod fuzz;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A section with one key of every kind.
#[derive(Debug, PartialEq)]
struct Sample {
    port: u16,
    period: Duration,
    echo: bool,
    name: String,
}

impl Default for Sample {
    fn default() -> Self {
        Self { port: 12345, period: Duration::from_secs(10), echo: true, name: "a".to_owned() }
    }
}

impl Section for Sample {
    const NAME: &'static str = "server";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            key("port", "Port to listen on.").whole(&mut self.port, 0..=65_535),
            key("period", "Wait: it matters.").duration(&mut self.period, Duration::ZERO..=HOUR),
            key("reply_mode", "echo: the same. none: nothing.")
                .choice(&mut self.echo, &[("echo", true), ("none", false)]),
            key("name", "What it is called.").parsed(&mut self.name, "a name"),
        ]
    }

    fn check(&self) -> Result<(), String> {
        let is_contradiction = self.port == 13 && self.name == "lucky";
        let why = "name: lucky does not go with port: 13".to_owned();
        if is_contradiction { Err(why) } else { Ok(()) }
    }
}

/// A path for this process and test; the file is removed with it.
struct TemporaryPath(PathBuf);

impl TemporaryPath {
    fn new(test: &str) -> Self {
        let name = format!("echo-common-{}-{test}.yaml", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn with(test: &str, content: impl AsRef<[u8]>) -> Self {
        let path = Self::new(test);
        fs::write(&path.0, content).expect("a file in the temporary directory");
        path
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir(&self.0);
    }
}

fn load_from(path: &Path, environment: &[(&str, &str)]) -> Result<Settings<Sample>, String> {
    load_with_flags(path, environment, &[])
}

fn load_with_flags(
    path: &Path,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings<Sample>, String> {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    let flags = flags.iter().map(|(flag, value)| ((*flag).to_owned(), value.into()));
    load(path, "SERVER", environment, flags).map_err(|error| error.to_string())
}

/// Without a file, so that only the text and the environment count.
fn apply(text: &str) -> Result<Sample, String> {
    let mut sample = Sample::default();
    let mut log = Log::default();
    file::apply(Path::new("config.yaml"), text, &mut sample, &mut log)
        .map(|()| sample)
        .map_err(|error| error.to_string())
}

#[test]
fn an_absent_file_means_defaults_and_says_so() {
    let path = TemporaryPath::new("absent");
    let settings = load_from(&path.0, &[]).expect("defaults");
    assert_eq!(settings.section, Sample::default());
    assert_eq!(settings.log.level.to_string(), "info");
    assert_eq!(settings.log, Log::default());
    assert_eq!(settings.notes, [format!("{} not found, using defaults", path.0.display())]);
}

#[test]
fn an_empty_file_or_section_means_defaults() {
    for text in ["", "\n", "# nothing\n", "---\n", "server:\n", "server: {}\nclient:\nlog:\n"] {
        assert_eq!(apply(text), Ok(Sample::default()), "{text:?}");
    }
}

#[test]
fn every_key_can_be_set_in_any_form_of_yaml() {
    let expected = Sample { port: 7, period: HOUR, echo: false, name: "1.10".to_owned() };
    for text in [
        "server:\n  port: 7\n  period: 1h\n  reply_mode: none\n  name: 1.10\n",
        "server: {port: \"7\", period: '60m', reply_mode: none, name: 1.10}",
        "\u{feff}server:\r\n  port: 7\r\n  period: 1h\r\n  reply_mode: none\r\n  name: 1.10\r\n",
        "client: {anything: [goes, {here: 1}]}\nserver: {port: 007, period: 1h, reply_mode: none, name: 1.10}",
        "client: &a 7\nserver: {port: *a, period: 3600s, reply_mode: none, name: 1.10}",
    ] {
        assert_eq!(apply(text).as_ref(), Ok(&expected), "{text:?}");
    }
}

#[test]
fn every_mistake_in_the_file_has_its_line() {
    let keys = "port, period, reply_mode, name";
    let port = "a whole number from 0 to 65535";
    for (text, expected) in [
        ("server:\n  prt: 1", format!(":2: server: unknown key prt; allowed: {keys}")),
        (
            "\nsrver:\n  port: 1",
            ":2: unknown section srver; allowed: server, client, scope, log".to_owned(),
        ),
        ("server:\n  port: abc", format!(":2: server.port: \"abc\" is not {port}")),
        ("server:\n  port:\n  name: a", format!(":2: server.port: \"\" is not {port}")),
        ("server:\n  port: ~", format!(":2: server.port: \"~\" is not {port}")),
        ("server:\n  port: [1]", format!(":2: server.port: sequence is not {port}")),
        ("server:\n  port:\n    a: 1", format!(":3: server.port: map is not {port}")),
        ("server:\n  port: |\n    1\n", format!(r#":2: server.port: "1\n" is not {port}"#)),
        ("log:\n  level: loud", format!(":2: log.level: \"loud\" is not {}", Filter::ALLOWED)),
        (
            "log:\n  levle: info",
            ":2: log: unknown key levle; allowed: level, format, message_lines_per_second"
                .to_owned(),
        ),
        ("server:\n  port: 1\n  port: 2", ":3: server: key port is there twice".to_owned()),
        ("server:\n  port: 1\nserver:\n", ":3: section server is there twice".to_owned()),
        ("server: 5", ":1: server: integer `5` is not a mapping of keys to values".to_owned()),
        (
            "- server",
            ":1: sequence is not a mapping of the sections server, client, scope, log".to_owned(),
        ),
        ("server:\n  [a]: 1", format!(":2: server: sequence is not a key; allowed: {keys}")),
        ("server:\n  \"a\\nb\": 1", format!(r":2: server: unknown key a\nb; allowed: {keys}")),
        ("server:\n\tport: 1", ":2: not valid YAML: indent with spaces, not with tabs".to_owned()),
        (
            "server:\n  port: 1\n  \tname: a",
            ":3: not valid YAML: indent with spaces, not with tabs".to_owned(),
        ),
    ] {
        assert_eq!(apply(text), Err(format!("config.yaml{expected}")), "{text:?}");
    }
}

#[test]
fn an_error_of_syntax_is_one_line_with_its_place() {
    for (text, place) in [
        ("server: {", ":1: "),
        ("server:\n  port: \"1", ":2: "),
        ("server:\n  port: 1\n name: a", ":3: "),
        ("server:\n  port: 1: 2", ":2: "),
        ("server:\n  port: *a", ":2: "),
        ("@", ":1: "),
        ("---\n@", ":2: "),
    ] {
        let error = apply(text).expect_err(text);
        let start = format!("config.yaml{place}");
        assert!(error.starts_with(&start), "{text:?}: {error}");
        assert!(error.contains("not valid YAML: "), "{text:?}: {error}");
        assert!(!error.contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn a_second_document_is_named_with_its_line() {
    for (text, line) in [
        ("server:\n---\nserver:\n", 2),
        ("server:\n  port: 1\n---\n", 3),
        ("--- # a\n--- # b\n", 2),
        ("---\nserver:\n  port: 1\n---\n\n# empty\n", 4),
        ("server:\n---\n\n\n# c\nserver:", 2),
        ("server:\n...\nserver: {", 3),
        ("server:\n...\n---\nserver:\n", 3),
        ("server:\n---\n[1]\n---\nx", 2),
        ("server:\n---\n!tag x", 2),
        ("server:\n---\n@", 2),
        ("server:\n--- @", 2),
    ] {
        let expected = "a second document begins here; only one is allowed";
        assert_eq!(apply(text), Err(format!("config.yaml:{line}: {expected}")), "{text:?}");
    }
    assert_eq!(apply("---\nserver:\n...\n"), Ok(Sample::default()));
}

#[test]
fn what_only_yaml_takes_for_the_end_of_a_line_is_no_line() {
    for character in ["\u{85}", "\u{2028}", "\u{2029}", "é"] {
        let text = format!("server:\n  name: \"a{character}b\"\n  no_such_key: 1\n");
        let error = apply(&text).expect_err("an unknown key");
        assert!(error.starts_with("config.yaml:3: "), "{error}");
    }
}

#[test]
fn a_character_that_yaml_forbids_is_named_with_its_line() {
    for (text, expected) in [
        ("server:\n  name: \0\n", ":2: the character U+0000 is not allowed"),
        ("server:\n\n\n# \x1b[2J\n", ":4: the character U+001B is not allowed"),
        ("server:\n  name: a\u{80}\n", ":2: the character U+0080 is not allowed"),
        ("server:\r\n  name: \u{ffff}\r\n", ":2: the character U+FFFF is not allowed"),
    ] {
        let file = TemporaryPath::with("forbidden", text);
        let error = load_from(&file.0, &[]).expect_err(text);
        assert!(error.ends_with(expected), "{text:?}: {error}");
    }
    let file = TemporaryPath::with("allowed", "server:\r\n  name: \"a\tb\u{85}\u{a0}é\"\r\n");
    load_from(&file.0, &[]).expect("valid");
}

#[test]
fn a_mistake_in_the_section_of_the_other_program_does_no_harm() {
    assert_eq!(apply("client:\n  no_such_key: [1]\n"), Ok(Sample::default()));
}

#[test]
fn files_that_cannot_be_read() {
    let directory = TemporaryPath::new("directory");
    fs::create_dir(&directory.0).expect("a directory");
    let error = load_from(&directory.0, &[]).unwrap_err();
    assert!(error.contains("it is a directory"), "{error}");

    let binary = TemporaryPath::with("binary", b"server:\n  name: a\n  port: \xff\n");
    let error = load_from(&binary.0, &[]).unwrap_err();
    assert!(error.ends_with(":3: not UTF-8 text"), "{error}");

    let error = load_from(&binary.0.join("below_a_file"), &[]).unwrap_err();
    assert!(error.contains("cannot be read: "), "{error}");

    // No memory is mapped at address 0, so the file opens and cannot be read.
    let error = load_from(Path::new("/proc/self/mem"), &[]).unwrap_err();
    assert!(error.contains("cannot be read: Input/output error"), "{error}");

    let error = load_from(Path::new("/dev/zero"), &[]).unwrap_err();
    assert!(error.contains("it is larger than 65536 bytes"), "{error}");

    // Opening a FIFO that has no writer, or reading from one that has, would never end.
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let pipe = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let error = load_from(Path::new(&pipe), &[]).unwrap_err();
    assert!(error.ends_with("cannot be read: it is not a regular file"), "{error}");

    let socket = TemporaryPath::new("socket");
    let _listener = UnixListener::bind(&socket.0).expect("a socket");
    let error = load_from(&socket.0, &[]).unwrap_err();
    assert!(error.contains("cannot be read: "), "{error}");
}

#[test]
fn the_environment_wins() {
    let path =
        TemporaryPath::with("environment", "server: {port: 1, name: file}\nlog: {level: warn}");
    let variables = [
        ("SERVER_PORT", "2"),
        ("SERVER_REPLY_MODE", "none"),
        ("RUST_LOG", "info,echo_reactor=debug"),
        ("SERVERPORT", "x"),
        ("CLI_PORT", "x"),
        ("PORT", "x"),
    ];
    let settings = load_from(&path.0, &variables).expect("valid");
    let expected = Sample { port: 2, echo: false, name: "file".to_owned(), ..Sample::default() };
    assert_eq!(settings.section, expected);
    assert_eq!(settings.log.level.to_string(), "info,echo_reactor=debug");
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
}

#[test]
fn an_empty_rust_log_counts_as_not_set() {
    let settings = load_from(Path::new("/dev/null"), &[("RUST_LOG", "")]).expect("valid");
    assert_eq!(settings.log.level.to_string(), "info");
}

#[test]
fn the_section_log_is_set_in_every_way() {
    let path =
        TemporaryPath::with("log", "log: {level: WARN, format: json, message_lines_per_second: 1}");
    let from_file = load_from(&path.0, &[]).expect("valid");
    assert_eq!(from_file.log.level.to_string(), "warn");
    assert_eq!(from_file.log.format, Format::Json);
    assert_eq!(from_file.log.message_lines_per_second, 1);

    // LOG_LEVEL belongs to other programs.
    let variables = [
        ("LOG_MESSAGE_LINES_PER_SECOND", "2"),
        ("RUST_LOG", "debug"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "text"),
    ];
    let from_environment = load_from(&path.0, &variables).expect("valid");
    assert_eq!(from_environment.log.level.to_string(), "debug");
    assert_eq!(from_environment.log.format, Format::Text);
    assert_eq!(from_environment.log.message_lines_per_second, 2);
    assert!(from_environment.notes.is_empty(), "{:?}", from_environment.notes);

    let flags =
        [("log-level", "trace"), ("log-message-lines-per-second", "0"), ("log-format", "json")];
    let from_flags = load_with_flags(&path.0, &variables, &flags).expect("valid");
    assert_eq!(from_flags.log.level.to_string(), "trace");
    assert_eq!(from_flags.log.format, Format::Json);
    assert_eq!(from_flags.log.message_lines_per_second, 0);
}

#[test]
fn a_flag_wins_over_all_and_the_last_one_over_the_others() {
    let path = TemporaryPath::with("flags", "server: {port: 1, period: 1s, name: file}");
    let variables = [("SERVER_PORT", "2"), ("SERVER_PERIOD", "2s")];
    let flags = [("port", "3"), ("reply-mode", "none"), ("port", "4")];
    let settings = load_with_flags(&path.0, &variables, &flags).expect("valid");
    let period = Duration::from_secs(2);
    assert_eq!(settings.section, Sample { port: 4, period, echo: false, name: "file".to_owned() });
}

#[test]
fn a_mistake_in_a_flag_names_it() {
    for (flag, value, expected) in [
        ("port", "abc", "--port: \"abc\" is not a whole number from 0 to 65535"),
        ("reply-mode", "", "--reply-mode: \"\" is not one of echo, none"),
        ("log-level", "inof", "--log-level: \"inof\" is not a level"),
        ("reply_mode", "none", "--reply_mode is not a flag"),
    ] {
        let error = load_with_flags(Path::new("/dev/null"), &[], &[(flag, value)]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let not_text = [("name".to_owned(), OsString::from_vec(vec![0xff]))];
    let error = load::<Sample>(Path::new("/dev/null"), "SERVER", [], not_text).unwrap_err();
    assert_eq!(error.to_string(), "--name: the value is not UTF-8 text");
    let known = [
        "port",
        "period",
        "reply-mode",
        "name",
        "log-level",
        "log-format",
        "log-message-lines-per-second",
    ];
    assert_eq!(flags::<Sample>(), known);
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let variables = [("SERVER_PORT", "13"), ("SERVER_NAME", "lucky")];
    let error = load_from(Path::new("/dev/null"), &variables).unwrap_err();
    assert_eq!(error, "server: name: lucky does not go with port: 13");
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let port = "a whole number from 0 to 65535";
    for (name, value, expected) in [
        ("SERVER_PORT", "abc", format!("SERVER_PORT: \"abc\" is not {port}")),
        ("SERVER_PORT", "", format!("SERVER_PORT: \"\" is not {port}")),
        (
            "RUST_LOG",
            "info/a\nserver: b",
            format!("RUST_LOG: \"info/a\\nserver: b\" is not {}", Filter::ALLOWED),
        ),
        ("RUST_LOG", "inof", format!("RUST_LOG: \"inof\" is not {}", Filter::ALLOWED)),
    ] {
        assert_eq!(load_from(Path::new("/dev/null"), &[(name, value)]).unwrap_err(), expected);
    }
    let not_text = [("SERVER_NAME".into(), OsString::from_vec(vec![0xff]))];
    let error = load::<Sample>(Path::new("/dev/null"), "SERVER", not_text, []).unwrap_err();
    assert_eq!(error.to_string(), "SERVER_NAME: the value is not UTF-8 text");
}

#[test]
fn a_variable_of_no_key_gets_a_note() {
    let variables = [("SERVER_PROT", "1"), ("SERVER_port", "1")];
    let settings = load_from(Path::new("/dev/null"), &variables).expect("valid");
    assert_eq!(settings.section, Sample::default());
    let known = "known: SERVER_PORT, SERVER_PERIOD, SERVER_REPLY_MODE, SERVER_NAME";
    let notes = ["SERVER_PROT", "SERVER_port"].map(|name| format!("{name} has no effect; {known}"));
    assert_eq!(settings.notes, notes);
}

#[test]
fn printed_as_a_line_and_as_a_file() {
    let variables = [("SERVER_NAME", "::"), ("RUST_LOG", "a=warn")];
    let settings = load_from(Path::new("/dev/null"), &variables).expect("valid");
    let line = "port: 12345 | period: 10s | reply_mode: echo | name: :: | log.level: a=warn | \
                log.format: text | log.message_lines_per_second: 10000";
    assert_eq!(settings.summary(), line);
    let yaml = "\
server:
  # Port to listen on.
  port: 12345
  # Wait: it matters.
  period: 10s
  # echo: the same. none: nothing.
  reply_mode: echo
  # What it is called.
  name: '::'
log:
  # Lines of this level and of more serious levels are logged.
  level: a=warn
  # text: lines for people. json: one JSON object a line, for programs.
  format: text
  # The server logs at most this many lines about single messages in a second, and one line that
  # counts the rest. 0 is no limit.
  message_lines_per_second: 10000
";
    assert_eq!(settings.to_yaml().expect("yaml"), yaml);
}

#[test]
fn a_long_mistake_is_shown_with_its_begin_and_its_end() {
    for (text, begin, end) in [
        (
            format!("server:\n  {}: 1\n", "k".repeat(1000)),
            ":2: server: unknown key kkk",
            "kkk; allowed: port, period, reply_mode, name",
        ),
        (
            format!("server: {}\n", "v".repeat(50_000)),
            ":1: server: string \"vvv",
            "vvv\" is not a mapping of keys to values",
        ),
    ] {
        let error = apply(&text).unwrap_err();
        assert!(error.starts_with(&format!("config.yaml{begin}")), "{error}");
        assert!(error.ends_with(end) && error.contains("kkk...kkk") | error.contains("vvv...vvv"));
        assert!(error.len() < 600, "{error}");
    }
}

proptest! {
    #[test]
    fn printed_settings_can_be_read(port: u16, ms in 0..=3_600_000_u64, echo: bool, name: String) {
        let sample = Sample { port, period: Duration::from_millis(ms), echo, name };
        let mut copy = Sample { name: sample.name.clone(), ..sample };
        let mut log = Log::default();
        let entries = named("SERVER", &mut copy, &mut log).into_iter().map(Entry::from).collect();
        let settings = Settings {
            entries,
            section: copy,
            log,
            notes: Vec::new(),
        };
        prop_assert_eq!(apply(&settings.to_yaml().expect("yaml")), Ok(sample));
    }
}
