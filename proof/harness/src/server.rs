//! The server that a test starts.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
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

    /// The defaults, except for the address, and without deadlines: on a slow machine they could pass in
    /// the middle of a test.
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

    /// Has a status port, which the kernel chooses.
    pub fn with_status(self) -> Setup {
        self.set("status", "127.0.0.1:0")
    }

    /// Sets no limit to the messages of a connection.
    pub fn unlimited(self) -> Setup {
        self.set("messages_per_connection", 0)
    }

    pub fn log_level(self, level: &str) -> Setup {
        self.variable("RUST_LOG", level.to_owned())
    }

    /// Sets the form of the log.
    pub fn log_format(self, format: &str) -> Setup {
        self.variable("LOG_FORMAT", format.to_owned())
    }

    /// Sets how many lines about messages are logged in a second; 0 is no limit.
    pub fn message_lines_per_second(self, lines: u32) -> Setup {
        self.variable("LOG_MESSAGE_LINES_PER_SECOND", lines.to_string())
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
        let is_json = self.settings.contains(&("LOG_FORMAT".to_owned(), "json".to_owned()));
        let listens = if is_json { "\"event\":\"listening\"" } else { "Listening on " };
        let port = port_in(&process.log().wait_for(listens));
        Server { process, port }
    }

    /// The same with a log at any level.
    pub fn start_terse(self) -> Server {
        let process = Process::start(&mut self.command());
        let port = sockets::wait_for_listener(process.pid());
        Server { process, port }
    }

    /// Starts the server with a log that goes elsewhere.
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

/// The port in `… ('127.0.0.1', 12345)` or in `…"address":"127.0.0.1:12345"}`.
fn port_in(line: &str) -> u16 {
    let is_no_digit = |c: char| !c.is_ascii_digit();
    let digits = line.trim_end_matches(is_no_digit).rsplit(is_no_digit).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// A running server: a process with a port. Dropping it kills it.
pub struct Server {
    process: Process,
    pub port: u16,
}

impl Server {
    /// Where the status port is. The log has to be at level info or finer.
    pub fn status(&self) -> SocketAddr {
        let port = port_in(&self.log().wait_for("Status port on "));
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

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
