//! The run as its user starts it, in its shortest form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use echo_harness::{command, proc};
use rustix::process::{Pid, Signal, kill_process};

fn program(name: &str, arguments: &[&str]) -> (Command, PathBuf) {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&out);
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-soak"));
    command.arg("--server").arg(command::build("echo-reactor")).arg("--out").arg(&out);
    command.args(arguments);
    (command, out)
}

#[test]
fn ten_seconds_pass_and_leave_a_picture() {
    let (mut command, out) = program("passes", &["--minutes", "0.17"]);
    let run = command::run(&mut command);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("passed: no reply was lost"), "{}", run.stdout);
    assert!(!run.stdout.contains(" 0 lines dropped"), "{}", run.stdout);
    let picture = fs::read_to_string(out.join("soak.svg")).unwrap();
    for words in ["resident memory [MiB]", "open descriptors", "log unread", "few descriptors"] {
        assert!(picture.contains(words), "{words} is missing in the picture");
    }
}

#[test]
fn an_interrupted_run_ends_with_its_summary_and_leaves_no_server() {
    let (mut command, _) = program("interrupted", &["--minutes", "5"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_child(&run);
    let server = proc::wait_for_child(pid, "echo-reactor");
    kill_process(pid, Signal::INT).unwrap();
    let output = run.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("FAILED: interrupted"), "{stdout}");
    assert!(!Path::new(&format!("/proc/{server}")).exists(), "{server} is still there");
}

#[test]
fn a_server_that_ends_by_itself_fails_the_run() {
    let (mut command, _) = program("fails", &["--minutes", "5", "--server", "/bin/false"]);
    let run = command::run(&mut command);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("FAILED: the server died"), "{}", run.stdout);
}

#[test]
fn wrong_usage_is_exit_2() {
    let (mut command, _) = program("usage", &["--minutes", "ten"]);
    let run = command::run(&mut command);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("\"ten\""), "{}", run.stderr);
}
