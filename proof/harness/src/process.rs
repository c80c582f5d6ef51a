//! A program that a test runs, with its log. What does not work panics.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::child::OwnedChild;
use crate::log_lines::{Log, LogLines};
use crate::proc;
use crate::wait::PATIENCE;

/// A running process. Dropping it kills it.
pub struct Process {
    child: OwnedChild,
    /// `None` where it is not gathered here.
    log: Option<LogLines>,
}

impl Process {
    /// Starts a program and gathers its log.
    pub fn start(command: &mut Command) -> Process {
        let mut child = spawn(command.stderr(Stdio::piped()));
        let log = LogLines::gather(child.stderr().expect("a pipe"));
        Process { child, log: Some(log) }
    }

    /// Starts a program with a log that the caller reads, or does not. Takes the command as a whole: it
    /// keeps its end of a pipe open, so that the pipe's reader would never see an end.
    pub fn start_with_log(mut command: Command, log: impl Into<Stdio>) -> Process {
        Process { child: spawn(command.stderr(log)), log: None }
    }

    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// The log so far.
    pub fn log(&self) -> &LogLines {
        self.log.as_ref().expect("a log that is gathered here")
    }

    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal).expect("the process runs");
    }

    /// Stops the process where it is; dropping the result lets it go on.
    pub fn freeze(&self) -> Frozen {
        self.child.stop(PATIENCE).expect("the process runs");
        Frozen { pid: self.pid() }
    }

    /// Waits until a tracer holds the process in a system call.
    pub fn wait_until_held(&self) {
        proc::wait_until_held(self.pid(), PATIENCE).expect("the process runs");
    }

    pub fn descriptors(&self) -> usize {
        proc::descriptors(self.pid()).expect("the process runs")
    }

    pub fn resident_bytes(&self) -> u64 {
        proc::resident_bytes(self.pid()).expect("the process runs")
    }

    /// Panics if the memory has grown by so many bytes, `since` it was measured.
    pub fn assert_grown_by_less_than(&self, bytes: usize, since: u64) {
        let grown = self.resident_bytes().saturating_sub(since);
        assert!(grown < bytes as u64, "{grown} bytes more");
    }

    pub fn processor_time(&self) -> Duration {
        proc::processor_time(self.pid()).expect("the process runs")
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits until the process has ended by itself.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait(PATIENCE).unwrap_or_else(|error| panic!("{error}"));
        let log = self.log.take().map_or(Log(Vec::new()), LogLines::whole);
        Ended { status, log }
    }

    /// Asks the process to leave, and waits until it has.
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }
}

fn spawn(command: &mut Command) -> OwnedChild {
    OwnedChild::spawn(command).unwrap_or_else(|error| panic!("{error}"))
}

/// A stopped process, which goes on when this is dropped.
pub struct Frozen {
    pid: Pid,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::CONT);
    }
}

/// What is left of a process that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub log: Log,
}

impl Ended {
    /// Panics unless the process has left with `code`, and has closed every connection that it accepted.
    pub fn assert_left_with(&self, code: i32) {
        let status = self.status;
        assert_eq!(status.code(), Some(code), "signal {:?}\n{}", status.signal(), self.log);
        self.log.assert_every_connection_closed_once();
    }
}
