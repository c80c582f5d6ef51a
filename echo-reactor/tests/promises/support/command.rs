//! Programs that run to their end, and tools that a machine may lack.

use std::io::{Read, Write, stderr};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::log_lines::LogLines;
use super::server::wait_for_exit;

/// What a program has left behind.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program that ends by itself.
pub(crate) fn run(command: &mut Command) -> Finished {
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
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether `command` works on this machine; if not, says so where a captured test can't hide it.
pub(crate) fn is_available(command: &[&str]) -> bool {
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
pub(crate) const STRACE: [&str; 3] = ["strace", "-f", "--seccomp-bpf"];

/// Whether `strace` can make system calls fail here.
pub(crate) fn can_inject_faults() -> bool {
    let getpid = ["-e", "trace=getpid", "-e", "inject=getpid:error=EPERM"];
    is_available(&[&STRACE[..], &getpid, &["-o", "/dev/null", "true"]].concat())
}

/// Has `strace` tamper with system calls of the running process from here on.
pub(crate) fn inject(pid: u32, fault: &str) -> Running {
    let mut strace = Command::new("strace");
    strace.args(["-o", "/dev/null", "-e", &format!("inject={fault}"), "-p"]);
    let strace = strace.arg(pid.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut strace = Running(strace.spawn().expect("strace can start"));
    let messages = LogLines::gather(strace.0.stderr.take().expect("a pipe"));
    messages.wait_for("attached");
    strace
}
