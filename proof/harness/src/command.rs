//! Programs that run to their end, and tools that a machine may lack.

use std::io::{Read, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, thread};

use crate::log_lines::LogLines;
use crate::server::wait_for_exit;

/// A program of this workspace, as cargo has built it: it lies beside the directory of the tests.
///
/// # Panics
/// When it is not there: `cargo test -p PACKAGE` builds the programs of that package only.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("this process has a program");
    let directory = test.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    let program = directory.join(name);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// What a program has left behind.
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program that ends by itself.
pub fn run(command: &mut Command) -> Finished {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().expect("the program can start"));
    let stdout = child.0.stdout.take().expect("a pipe");
    let stderr = child.0.stderr.take().expect("a pipe");
    let stdout = thread::spawn(|| read(stdout));
    let stderr = thread::spawn(|| read(stderr));
    let code = wait_for_exit(&mut child.0).code();
    Finished {
        code,
        stdout: stdout.join().expect("output can be read"),
        stderr: stderr.join().expect("output can be read"),
    }
}

fn read(mut source: impl Read) -> String {
    let mut text = String::new();
    source.read_to_string(&mut text).expect("output is text");
    text
}

/// A process that is killed when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether `command` works on this machine; if not, says so where a captured test can't hide it.
pub fn is_available(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { panic!("a program") };
    let mut trial = Command::new(program);
    let trial = trial.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let works = trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !works {
        // Not eprintln!, which the test harness shows only for failed tests.
        let command = command.join(" ");
        let _ = writeln!(stderr(), "skipped: no {program} ({command} does not work)");
    }
    works
}

/// With a filter in the kernel no other calls than those that are traced stop the process.
pub const STRACE: [&str; 3] = ["strace", "-f", "--seccomp-bpf"];

/// Whether `strace` can make system calls fail here.
pub fn can_inject_faults() -> bool {
    let getpid = ["-e", "trace=getpid", "-e", "inject=getpid:error=EPERM"];
    is_available(&[&STRACE[..], &getpid, &["-o", "/dev/null", "true"]].concat())
}

/// Has `strace` tamper with system calls of the running process from here on.
pub fn inject(pid: u32, fault: &str) -> Running {
    let mut strace = Command::new("strace");
    strace.args(["-o", "/dev/null", "-e", &format!("inject={fault}"), "-p"]);
    let strace = strace.arg(pid.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut strace = Running(strace.spawn().expect("strace can start"));
    let messages = LogLines::gather(strace.0.stderr.take().expect("a pipe"));
    messages.wait_for("attached");
    strace
}
