//! The server as a process of its own.

use std::ffi::OsStr;
use std::fmt::Display;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::{env, process};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{STRACE, program};
use crate::log_lines::{Log, LogLines};
use crate::{proc, sockets, wait};

/// How the server is to be started.
pub struct Setup {
    /// The program and what comes before it.
    words: Vec<String>,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// The defaults, but for the address, and without the deadlines that a slow machine could let
    /// pass in the middle of a test.
    pub fn new() -> Setup {
        let setup = Setup {
            words: vec![program("echo-reactor").display().to_string()],
            settings: Vec::new(),
        };
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
        let mut command = command_without_settings(&self.words[0]);
        command.args(&self.words[1..]).args(["--config", "/dev/null"]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Starts the server, and waits until it listens. The log has to be at level info or finer.
    pub fn start(self) -> Server {
        let mut server = Server::spawn(self.command().stderr(Stdio::piped()));
        let log = LogLines::gather(server.child.stderr.take().expect("a pipe"));
        server.port = port_in(&log.wait_for("Listening on "));
        server.log = Some(log);
        server
    }

    /// Starts the server with a log that the caller reads, or does not.
    pub fn start_with_log(self, log: impl Into<Stdio>) -> Server {
        let mut command = self.command();
        let mut server = Server::spawn(command.stderr(log));
        // A command keeps its end of a pipe open, so that the pipe's reader would never see an end.
        drop(command);
        server.port = sockets::wait_for_listener(server.pid());
        server
    }

    /// Starts the server without a log.
    pub fn start_silent(self) -> Server {
        self.log_level("off").start_with_log(Stdio::null())
    }
}

/// The kernel's side of `strace`: what a system call returns instead of what it would.
pub fn with_faults(fault: &str) -> Setup {
    let traced = fault.split(':').next().expect("system calls").to_owned();
    let (trace, inject) = (format!("trace={traced}"), format!("inject={fault}"));
    // With -D the server, not strace, is the process that was started.
    let strace = ["-D", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    Setup::new().under(&[&STRACE[..], &strace].concat())
}

/// A command in an environment without settings of either program.
pub fn command_without_settings(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let is_setting = |name: &str| {
            let prefixes = ["SERVER_", "CLI_", "LOG_"];
            name == "RUST_LOG" || prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
    command
}

/// The port in `… ('127.0.0.1', 12345)`.
pub fn port_in(line: &str) -> u16 {
    let digits = line.rsplit(' ').next().and_then(|word| word.strip_suffix(')'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no port in {line:?}"))
}

/// A port that nobody uses and that the kernel gives to nobody: it is below those that outgoing
/// connections get (`ip_local_port_range`, from 32768 on).
pub fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(process::id() % 10_000).expect("below 10000");
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (first..32_768).find(is_free).expect("a free port")
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
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
    /// From here on the process can't outlive the test, which may fail before all is known.
    fn spawn(command: &mut Command) -> Server {
        let child = command.stdout(Stdio::null()).spawn().expect("the program can start");
        Server { child, log: None, port: 0 }
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> &LogLines {
        self.log.as_ref().expect("a log that is gathered here")
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Stops the process where it is; dropping the result lets it go on.
    pub fn freeze(&self) -> Frozen {
        self.signal(Signal::STOP);
        proc::wait_until_stopped(self.pid());
        Frozen { pid: self.pid() }
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits until the process has ended by itself.
    pub fn wait(mut self) -> Ended {
        let status = wait_for_exit(&mut self.child);
        let log = self.log.take().map_or(Log(Vec::new()), LogLines::whole);
        Ended { status, log }
    }

    /// Asks the process to leave, and waits until it has.
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stopped process, which goes on when this is dropped.
pub struct Frozen {
    pid: u32,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        send_signal(self.pid, Signal::CONT);
    }
}

/// Sends a signal to a process.
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process runs");
}

/// Waits until a process has ended by itself.
pub fn wait_for_exit(child: &mut Child) -> ExitStatus {
    wait::until_some("the process ending", || child.try_wait().expect("a child"))
}
