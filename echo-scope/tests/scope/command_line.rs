//! Options, configuration and exit codes.

use std::net::TcpListener;

use echo_harness::command::{self, Finished};
use echo_harness::scratch::ScratchFile;

use crate::scope::scope;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut scope = scope(arguments);
    let finished = command::run(scope.envs(variables.iter().copied()));
    let Finished { code, stdout, stderr } = finished;
    (code.expect("a code"), stdout, stderr)
}

#[test]
fn version_and_help() {
    let version = format!("echo-scope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"], &[]), (0, version, String::new()));
    let (code, help, errors) = run(&["--help"], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "--config",
        "--check",
        "--listen VALUE, SCOPE_LISTEN [default: 127.0.0.1:8080]",
        "--servers VALUE, SCOPE_SERVERS [default: server:12346]",
        "RUST_LOG",
        "SIGTERM",
        "Exit codes",
    ] {
        assert!(help.contains(part), "{part} is missing in\n{help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_2() {
    let wrong = ScratchFile::new("wrong", "scope:\n  listen: 8080\n");
    for (arguments, variables, expected) in [
        (&["--prot"][..], &[][..], "unknown option --prot; known: --config, --check"),
        (&["--config", wrong.path()], &[], ":2: scope.listen: \"8080\" is not an IP address and"),
        (&["--check", "--config", wrong.path()], &[], ":2: scope.listen: \"8080\" is not"),
        (&["-c/dev/null"], &[("SCOPE_LISTEN", "localhost:80")], "SCOPE_LISTEN: \"localhost:80\""),
        (&["-c/dev/null"], &[("SCOPE_SERVERS", "a:1,,b:1")], "is not 1 to 16 of host:port"),
        (&["-c/dev/null", "--servers", ""], &[], "--servers: \"\" is not 1 to 16 of host:port"),
    ] {
        let (code, output, errors) = run(arguments, variables);
        assert!(errors.contains(expected), "{expected} is not in {errors}");
        assert!(errors.starts_with("echo-scope: "), "{errors}");
        assert_eq!((code, output.as_str(), errors.lines().count()), (2, "", 1), "{errors}");
    }
}

#[test]
fn check_prints_a_file_that_says_the_same() {
    let file = ScratchFile::new("check", "scope: {servers: 'a:1, b:2'}\nserver: {no: matter}\n");
    let (code, checked, errors) =
        run(&["--check", "--config", file.path()], &[("SCOPE_LISTEN", "[::1]:9090")]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for line in ["scope:", "  listen: '[::1]:9090'", "  servers: a:1,b:2"] {
        assert!(checked.lines().any(|checked| checked == line), "{line} is not in {checked}");
    }
    let again = ScratchFile::new("check-again", &checked);
    assert_eq!(run(&["--check", "--config", again.path()], &[]), (0, checked, String::new()));
}

#[test]
fn the_file_in_the_repository_holds_the_defaults() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.yaml");
    let (code, from_file, errors) = run(&["--check", "--config", repository], &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(run(&["--check", "--config", "/dev/null"], &[]).1, from_file);
}

#[test]
fn a_port_in_use_and_an_address_of_others_are_one_line_and_exit_code_1() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("an address").to_string();
    for (address, cause, remedy) in [
        (taken.as_str(), "Address already in use", "stop what listens there"),
        ("192.0.2.1:80", "Cannot assign requested address", "no interface has this address"),
    ] {
        let (code, _, errors) = run(&["-c/dev/null", "--listen", address], &[]);
        let last = errors.lines().last().expect("a line");
        assert_eq!(code, 1, "{errors}");
        for part in ["ERROR    Cannot listen on ", address, cause, remedy, "SCOPE_LISTEN"] {
            assert!(last.contains(part), "{part} is not in {last}");
        }
        let (code, _, errors) = run(&["-c/dev/null", "--log-level=off", "--listen", address], &[]);
        assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
        assert!(errors.starts_with("echo-scope: Cannot listen on "), "{errors}");
    }
}
