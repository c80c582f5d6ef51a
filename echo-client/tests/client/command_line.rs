//! Options, configuration and exit codes.

use echo_harness::command::{self, Finished};
use echo_harness::process::Process;
use echo_harness::scratch::ScratchFile;

use crate::client::{client, echo, listen};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut client = client(arguments);
    let finished = command::run(client.envs(variables.iter().copied()));
    let Finished { code, stdout, stderr } = finished;
    (code.expect("a code"), stdout, stderr)
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
    let wrong = ScratchFile::new("wrong", "client:\n  id: 1\n  loop_period: 1M\n");
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
fn check_prints_a_file_that_says_the_same() {
    let file =
        ScratchFile::new("check", "client: {id: 7, loop_period: 90s}\nlog: {level: debug}\n");
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
  format: text
  message_lines_per_second: 10000
";
    let variables = [("CLI_LOOP_AMOUNT", "5"), ("CLI_SERVER_ADDRESS", "[::1]:80")];
    let (code, checked, errors) = run(&["--check", "--config", file.path()], &variables);
    let values: String = checked.split_inclusive('\n').filter(|line| !is_comment(line)).collect();
    assert_eq!((code, values.as_str(), errors.as_str()), (0, expected, ""));

    let again = ScratchFile::new("check-again", &checked);
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
    let file = ScratchFile::new("flags", "client: {id: 1, loop_amount: 1, loop_period: 1s}\n");
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
    let fifo = ScratchFile::fifo("config");
    let (code, output, errors) = run(&["--config", fifo.path()], &[]);
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
    let mut command = client(&["--config", missing]);
    command.env("CLI_SERVER_ADDRESS", address.to_string()).env("CLI_LOOP_AMOUNT", "1");
    let client = Process::start(&mut command);
    client.log().wait_for(&format!(" WARN     {missing} not found, using defaults"));
    echo(&listener);
    client.wait().assert_left_with(0);
}
