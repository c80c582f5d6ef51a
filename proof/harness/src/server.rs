//! The server as a process of its own, for tests: what does not work panics.

use std::fmt::Display;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::child::OwnedChild;
use crate::command::{program, without_settings};
use crate::log_lines::{Log, LogLines};
use crate::wait::PATIENCE;
use crate::{proc, sockets};

/// How the server is to be started.
pub struct Setup {
    /// The program and what comes before it.
    words: Vec<String>,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// The server of this build, on a port that the kernel chooses.
    pub fn new() -> Setup {
        Setup::of(&program("echo-reactor"))
    }

    /// The defaults, but for the address, and without the deadlines that a slow machine could let
    /// pass in the middle of a test.
    pub fn of(program: &Path) -> Setup {
        let words = vec![program.to_str().expect("a plain path").to_owned()];
        let setup = Setup { words, settings: Vec::new() };
        let setup = setup.set("ip", "127.0.0.1").set("port", 0);
        setup.set("idle_timeout", "0s").set("message_timeout", "0s")
    }

    /// Sets a setting of the section `server`.
    pub fn set(self, key: &str, value: impl Display) -> Setup {
        self.variable(&format!("SERVER_{}", key.to_uppercase()), value.to_string())
    }

    /// Sets the level of the log.
    pub fn log_level(self, level: &str) -> Setup {
        self.variable("RUST_LOG", level.to_owned())
    }

    fn variable(mut self, name: &str, value: String) -> Setup {
        self.settings.push((name.to_owned(), value));
        self
    }

    /// Has another program start the server, with these words before the server's own.
    pub fn under(mut self, words: &[&str]) -> Setup {
        self.words.splice(0..0, words.iter().map(|&word| word.to_owned()));
        self
    }

    /// The command, with an empty configuration file and none of the settings that this process
    /// happens to have in its own environment.
    pub fn command(&self) -> Command {
        let mut command = without_settings(&self.words[0]);
        command.args(&self.words[1..]).args(["--config", "/dev/null"]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the server, and waits until it listens. The log has to be at level info or finer.
    pub fn start(self) -> Server {
        let mut child = spawn(self.command().stderr(Stdio::piped()));
        let log = LogLines::gather(child.stderr().expect("a pipe"));
        let port = port_in(&log.wait_for("Listening on "));
        Server { child, log: Some(log), port }
    }

    /// Starts the server with a log that the caller reads, or does not.
    pub fn start_with_log(self, log: impl Into<Stdio>) -> Server {
        let mut command = self.command();
        let child = spawn(command.stderr(log));
        // A command keeps its end of a pipe open, so that the pipe's reader would never see an end.
        drop(command);
        let port = sockets::wait_for_listener(child.pid());
        Server { child, log: None, port }
    }

    /// Starts the server without a log.
    pub fn start_silent(self) -> Server {
        self.log_level("off").start_with_log(Stdio::null())
    }
}

fn spawn(command: &mut Command) -> OwnedChild {
    OwnedChild::spawn(command).expect("the server can start")
}

/// The port in `… ('127.0.0.1', 12345)`.
pub fn port_in(line: &str) -> u16 {
    let digits = line.rsplit(' ').next().and_then(|word| word.strip_suffix(')'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: OwnedChild,
    /// `None` where it is not gathered here.
    log: Option<LogLines>,
    pub port: u16,
}

/// What is left of a server that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub log: Log,
}

impl Ended {
    /// Panics unless the server has left with `code`, and closed every connection that it accepted.
    pub fn assert_left_with(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "signal {:?}", self.status.signal());
        self.log.assert_every_connection_closed_once();
    }
}

impl Server {
    /// The process that was started.
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// The log so far.
    pub fn log(&self) -> &LogLines {
        self.log.as_ref().expect("a log that is gathered here")
    }

    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal).expect("the server runs");
    }

    /// Stops the process where it is; dropping the result lets it go on.
    pub fn freeze(&self) -> Frozen {
        self.child.stop(PATIENCE).expect("the server runs");
        Frozen { pid: self.pid() }
    }

    /// Waits until a tracer holds the process in a system call.
    pub fn wait_until_held(&self) {
        proc::wait_until_held(self.pid(), PATIENCE).expect("the server runs");
    }

    pub fn descriptors(&self) -> usize {
        proc::descriptors(self.pid()).expect("the server runs")
    }

    pub fn resident_bytes(&self) -> u64 {
        proc::resident_bytes(self.pid()).expect("the server runs")
    }

    /// Panics if the memory has grown by so many bytes.
    pub fn assert_grown_by_less_than(&self, bytes: u64, since: u64) {
        let grown = self.resident_bytes().saturating_sub(since);
        assert!(grown < bytes, "{grown} bytes more");
    }

    pub fn processor_time(&self) -> Duration {
        proc::processor_time(self.pid()).expect("the server runs")
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

/// A stopped process, which goes on when this is dropped.
pub struct Frozen {
    pid: Pid,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        kill_process(self.pid, Signal::CONT).expect("the server runs");
    }
}
