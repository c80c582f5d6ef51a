//! Options, configuration and exit codes.

use std::fs;

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
            "CLI_ID",
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
    }
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_2() {
    let wrong = ScratchFile::new("wrong", "client:\n  id: 1\n  loop_period: 1M\n");
    for (arguments, variables, expected) in [
        (&["--cofnig"][..], &[][..], "invalid option '--cofnig' (see --help)"),
        (&["config.yaml"], &[], "unexpected argument \"config.yaml\" (see --help)"),
        (&["--config", wrong.path()], &[], ":3: client.loop_period: \"1M\" is not a duration"),
        (&["--check", "--config", wrong.path()], &[], ":3: client.loop_period: \"1M\" is not"),
        (&["-c/dev/null"], &[("CLI_ID", "a b")], "CLI_ID: \"a b\" is not 1 to 64 of"),
        (&["-c/dev/null"], &[("CLI_LOOP_LAPSE", "0s")], "CLI_LOOP_LAPSE: \"0s\" is not"),
        (&["-c/dev/null"], &[("CLI_SERVER_ADDRESS", "x")], "is not host:port"),
        (&["-c/dev/null"], &[("RUST_LOG", "inof")], "RUST_LOG: \"inof\" is not a level"),
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
";
    let variables = [("CLI_LOOP_AMOUNT", "5"), ("CLI_SERVER_ADDRESS", "[::1]:80")];
    let (code, checked, errors) = run(&["--check", "--config", file.path()], &variables);
    assert_eq!((code, checked.as_str(), errors.as_str()), (0, expected, ""));

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
    let text = fs::read_to_string(repository).expect("the file");
    for key in defaults.lines().filter_map(|line| line.split_once(':').map(|(key, _)| key)) {
        assert!(text.contains(&format!("{key}:")), "{key} is not in {repository}");
    }
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
