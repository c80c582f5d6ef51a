//! The run as its user starts it, in its shortest form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-soak"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The server's program, built where this test was: cargo builds for a test its own package only.
fn server() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "echo-reactor", "--target-dir"]);
    let built = cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.is_ok_and(|status| status.success()), "the server can't be built");
    target.join("debug/echo-reactor")
}

fn out(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn ten_seconds_pass_and_leave_a_picture() {
    let out = out("passes");
    let mut command = program(&["--minutes", "0.17"]);
    command.arg("--server").arg(server()).arg("--out").arg(&out);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("passed: no reply was lost"), "{stdout}");
    assert!(stdout.contains("2 with code 0"), "{stdout}");
    assert!(!stdout.contains("; 0 messages that came to a stopped server"), "{stdout}");
    let picture = fs::read_to_string(out.join("soak.svg")).unwrap();
    for words in ["resident memory [MiB]", "open descriptors", "log unread", "few descriptors"] {
        assert!(picture.contains(words), "{words} is missing in the picture");
    }
}

#[test]
fn an_interrupted_run_ends_with_its_summary_and_leaves_no_server() {
    let mut command = program(&["--minutes", "5"]);
    command.arg("--server").arg(server()).arg("--out").arg(out("interrupted"));
    let run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let server = wait_for(|| child(&run));
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let output = run.wait_with_output().unwrap();
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("FAILED: interrupted"), "{stdout}");
    assert!(!Path::new(&format!("/proc/{server}")).exists(), "{server} is still there");
}

#[test]
fn a_server_that_ends_by_itself_fails_the_run() {
    let mut command = program(&["--minutes", "5", "--server", "/bin/false"]);
    let output = command.arg("--out").arg(out("fails")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("FAILED: the server died"), "{}", text(&output.stdout));
}

#[test]
fn wrong_usage_is_exit_2() {
    let output = program(&["--minutes", "ten"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("\"ten\""), "{}", text(&output.stderr));
}

/// The process id of the server, once it is that program: a child that was just forked is not.
fn child(process: &Child) -> Option<u32> {
    let pid = process.id();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let children =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|list| list.split(' ').filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.into_iter().find(|child| {
        let comm = fs::read_to_string(format!("/proc/{child}/comm"));
        comm.is_ok_and(|comm| comm.trim() == "echo-reactor")
    })
}

/// Asks until there is an answer; a run that hangs fails.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
