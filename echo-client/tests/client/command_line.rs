//! Options, configuration and exit codes.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use echo_harness::scratch;

use crate::support::{Client, listen, program, receive};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("the client starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("a code"), text(stdout), text(stderr))
}

/// A configuration file of this process; removed in the end.
struct ConfigFile(PathBuf);

impl ConfigFile {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let name = format!("echo-client-{}-{name}.yaml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).expect("a file in the temporary directory");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn version_and_help() {
    for option in ["--version", "-V"] {
        let version = format!("echo-client {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(run(&[option], &[]), (0, version, String::new()));
    }
    for option in ["--help", "-h"] {
        let (code, help, errors) = run(&[option], &[]);
        assert_eq!((code, errors.as_str()), (0, ""));
        for part in [
            "--config",
            "--check",
            "--version",
            "--help",
            "--id VALUE, CLI_ID",
            "CLI_SERVER_ADDRESS",
            "CLI_LOOP_LAPSE",
            "CLI_LOOP_PERIOD",
            "CLI_LOOP_AMOUNT",
            "CLI_RETRY_TIMEOUT",
            "RUST_LOG",
            "SIGTERM",
            "Exit codes",
        ] {
            assert!(help.contains(part), "{part} is missing in\n{help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_2() {
    let wrong = ConfigFile::new("wrong", "client:\n  id: 1\n  loop_period: 1M\n");
    for (arguments, variables, expected) in [
        (&["--cofnig"][..], &[][..], "unknown option --cofnig; known: --config, --check"),
        (&["config.yaml"], &[], "unexpected argument \"config.yaml\" (see --help)"),
        (&["--config", wrong.path()], &[], ":3: client.loop_period: \"1M\" is not a duration"),
        (&["--check", "--config", wrong.path()], &[], ":3: client.loop_period: \"1M\" is not"),
        (&["-c/dev/null"], &[("CLI_ID", "a b")], "CLI_ID: \"a b\" is not 1 to 64 of"),
        (&["-c/dev/null"], &[("CLI_LOOP_LAPSE", "0s")], "CLI_LOOP_LAPSE: \"0s\" is not"),
        (&["-c/dev/null"], &[("CLI_SERVER_ADDRESS", "x")], "is not host:port"),
        (&["-c/dev/null"], &[("RUST_LOG", "inof")], "RUST_LOG: \"inof\" is not a level"),
        (&["--loop-period", "1M"], &[], "--loop-period: \"1M\" is not a duration"),
        (&["-c", "/"], &[], "/: cannot be read: it is a directory"),
    ] {
        let (code, output, errors) = run(arguments, variables);
        assert!(errors.contains(expected), "{expected} is not in {errors}");
        assert!(errors.starts_with("echo-client: "), "{errors}");
        assert_eq!((code, output.as_str(), errors.lines().count()), (2, "", 1), "{errors}");
    }
}

#[test]
fn a_file_of_any_kind_is_valid_or_one_line_of_error() {
    for (content, is_valid) in [
        (&b"\xef\xbb\xbfclient:\r\n  id: 7\r\n"[..], true),
        (b"server: &a [lol]\nclient: &b\n  id: &c 7\n  loop_amount: *c\n", true),
        (b"\0", false),
        (b"\xff\xfe", false),
        (b"client: \x1b[2J\n", false),
        (b"client: &a {id: *a}\n", false),
        (b"client:\n---\nclient:\n", false),
        (("client:\n  id: ".to_owned() + &"\u{2028}".repeat(9999)).as_bytes(), false),
        ("{a: ".repeat(16_384).as_bytes(), false),
        ("#".repeat(1_000_000).as_bytes(), false),
    ] {
        let file = ConfigFile::new("any", content);
        let (code, _, errors) = run(&["--check", "--config", file.path()], &[]);
        let expected = if is_valid { (0, 0) } else { (2, 1) };
        assert_eq!((code, errors.lines().count()), expected, "{errors}");
    }
}

#[test]
fn check_prints_a_file_that_says_the_same() {
    let file = ConfigFile::new("check", "client: {id: 7, loop_period: 90s}\nlog: {level: debug}\n");
    let expected = "\
client:
  id: 7
  server_address: '[::1]:80'
  loop_lapse: 1m2s
  loop_period: 1m30s
  loop_amount: 5
  retry_timeout: 30s
log:
  level: debug
  message_lines_per_second: 10000
";
    let variables = [("CLI_LOOP_AMOUNT", "5"), ("CLI_SERVER_ADDRESS", "[::1]:80")];
    let (code, checked, errors) = run(&["--check", "--config", file.path()], &variables);
    let values: String = checked.split_inclusive('\n').filter(|line| !is_comment(line)).collect();
    assert_eq!((code, values.as_str(), errors.as_str()), (0, expected, ""));

    let again = ConfigFile::new("check-again", &checked);
    assert_eq!(run(&["--check", "--config", again.path()], &[]), (0, checked, String::new()));
}

/// The file that comes with the programs shows the defaults, every one of them.
#[test]
fn the_file_in_the_repository_holds_the_defaults() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.yaml");
    let (code, from_file, errors) = run(&["--check", "--config", repository], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let (_, defaults, _) = run(&["--check", "--config", "/dev/null"], &[]);
    assert_eq!(from_file, defaults);
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

#[test]
fn a_flag_wins_over_the_environment_and_the_file() {
    let file = ConfigFile::new("flags", "client: {id: 1, loop_amount: 1, loop_period: 1s}\n");
    let variables = [("CLI_ID", "2"), ("CLI_LOOP_AMOUNT", "2"), ("RUST_LOG", "warn")];
    let flags = ["--id", "3", "--log-level=debug"];
    let arguments = [&["--check", "--config", file.path()], &flags[..]].concat();
    let (code, checked, errors) = run(&arguments, &variables);
    assert_eq!((code, errors.as_str()), (0, ""));
    for line in ["  id: 3\n", "  loop_amount: 2\n", "  loop_period: 1s\n", "  level: debug\n"] {
        assert!(checked.contains(line), "{line:?} is not in {checked}");
    }
}

/// Opening a FIFO waits for its writer, and reading from a terminal waits for its user.
#[test]
fn a_configuration_that_is_no_regular_file_is_refused() {
    let fifo = scratch::fifo("client-config");
    let (code, output, errors) = run(&["--config", fifo.to_str().expect("a plain path")], &[]);
    fs::remove_file(&fifo).expect("the FIFO");
    assert!(errors.ends_with("config: cannot be read: it is not a regular file\n"), "{errors}");
    assert_eq!((code, output.as_str()), (2, ""));
}

#[test]
fn a_missing_file_and_a_mistyped_variable_are_said() {
    let missing = "/nonexistent/config.yaml";
    let (code, _, errors) = run(&["--check", "--config", missing], &[("CLI_DI", "1")]);
    let expected = "\
echo-client: /nonexistent/config.yaml not found, using defaults
echo-client: CLI_DI has no effect; known: CLI_ID, CLI_SERVER_ADDRESS, CLI_LOOP_LAPSE, \
CLI_LOOP_PERIOD, CLI_LOOP_AMOUNT, CLI_RETRY_TIMEOUT
";
    assert_eq!((code, errors.as_str()), (0, expected));

    let (listener, address) = listen();
    let mut command = program();
    command.args(["--config", missing]).env("CLI_SERVER_ADDRESS", address.to_string());
    let mut client = Client::spawn(command.env("CLI_LOOP_AMOUNT", "1"));
    let line = client.wait_for("not found, using defaults");
    assert!(line.contains(" WARN     /nonexistent/config.yaml"), "{line}");
    receive(&listener).echo();
    assert_eq!(client.wait().0, 0);
}
