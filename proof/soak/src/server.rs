//! The server as a process: started, watched, bothered, and always ended.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use echo_bench::child::OwnedChild;
use echo_bench::cpu;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::server_log::{Account, ServerLog};

/// Fewer than there are peers, so that now and then some have to wait.
const CONNECTIONS_MAX: usize = 72;
/// More than a deaf peer's buffers hold.
pub const MESSAGES_PER_CONNECTION: usize = 400;
/// The default.
pub const MESSAGE_MAX_BYTES: usize = 16_384;
/// Short, so that many a connection meets it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Shorter than the slowest drippers take.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3);
/// The default.
pub const DRAIN_TIMEOUT: Duration = Duration::from_millis(700);

/// A running server. Dropping it kills it.
pub struct Server {
    child: OwnedChild,
    /// What it tells.
    pub log: ServerLog,
}

impl Server {
    /// Starts the program.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(program: &Path, port: u16) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["--config", "/dev/null"]).env_clear().env("RUST_LOG", "info");
        command.envs(settings(port));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C is for the soak alone, which ends the server in its own way.
        command.process_group(0);
        let mut child = OwnedChild::spawn(&mut command).map_err(|error| {
            io::Error::other(format!("{} can't be started: {error}", program.display()))
        })?;
        let log = child.stderr().ok_or_else(|| io::Error::other("the server has no log"))?;
        Ok(Self { child, log: ServerLog::read(log) })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid(), signal)?)
    }

    /// Open descriptors.
    ///
    /// # Errors
    /// When it is gone.
    pub fn descriptors(&self) -> io::Result<usize> {
        cpu::descriptors(self.pid())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        cpu::resident_bytes(self.pid())
    }

    /// Sets how many descriptors it may have; the limit before.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn limit_descriptors(&self, limit: Rlimit) -> io::Result<Rlimit> {
        Ok(prlimit(Some(self.pid()), Resource::Nofile, limit)?)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Whatever `waitpid(2)` says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// What its log tells of its life, once it has ended.
    #[must_use]
    pub fn account(self) -> Account {
        // The log's end comes with the end of the process.
        let Self { child, log } = self;
        drop(child);
        log.account()
    }
}

fn settings(port: u16) -> [(&'static str, String); 7] {
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    [
        ("SERVER_IP", "127.0.0.1".into()),
        ("SERVER_PORT", port.to_string()),
        ("SERVER_CONNECTIONS_MAX", CONNECTIONS_MAX.to_string()),
        ("SERVER_MESSAGES_PER_CONNECTION", MESSAGES_PER_CONNECTION.to_string()),
        ("SERVER_IDLE_TIMEOUT", milliseconds(IDLE_TIMEOUT)),
        ("SERVER_MESSAGE_TIMEOUT", milliseconds(MESSAGE_TIMEOUT)),
        ("SERVER_DRAIN_TIMEOUT", milliseconds(DRAIN_TIMEOUT)),
    ]
}

/// An address that nobody uses, with a port that the kernel gives to nobody: it is below those that
/// outgoing connections get, so that it is still free at the next restart.
///
/// # Errors
/// When there is none.
pub fn free_address() -> io::Result<SocketAddrV4> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or(0);
    let mut addresses = (first..32_768).map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    addresses
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or_else(|| io::Error::other("no port is free"))
}
