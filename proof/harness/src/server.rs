//! The server that a test starts.

use std::fmt::Display;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{program, without_settings};
use crate::process::{Ended, Process};
use crate::sockets;

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

    /// As many messages on a connection as its peer sends.
    pub fn unlimited(self) -> Setup {
        self.set("messages_per_connection", 0)
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
        let process = Process::start(&mut self.command());
        let port = port_in(&process.log().wait_for("Listening on "));
        Server { process, port }
    }

    /// Starts the server with a log that the caller reads, or does not.
    pub fn start_with_log(self, log: impl Into<Stdio>) -> Server {
        let process = Process::start_with_log(self.command(), log);
        let port = sockets::wait_for_listener(process.pid());
        Server { process, port }
    }

    /// Starts the server without a log.
    pub fn start_silent(self) -> Server {
        self.log_level("off").start_with_log(Stdio::null())
    }
}

/// The port in `… ('127.0.0.1', 12345)`.
fn port_in(line: &str) -> u16 {
    let digits = line.rsplit(' ').next().and_then(|word| word.strip_suffix(')'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// A running server: a process with a port. Dropping it kills it.
pub struct Server {
    process: Process,
    pub port: u16,
}

impl Server {
    /// Waits until the server has ended by itself.
    pub fn wait(self) -> Ended {
        self.process.wait()
    }

    /// Asks the server to leave, and waits until it has.
    pub fn terminate(self) -> Ended {
        self.process.terminate()
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
