//! A server under test as a process: started, stopped, continued, watched, and always ended.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::process::{ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::child::OwnedChild;
use crate::cpu::{self, Activity, CpuTime};
use crate::interrupt::wait_until;
use crate::peers::{Behaviour, Limits, Peer};
use crate::processors::Processors;

/// Patience with a server that should be doing something, before the run fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a process. Short, so that rounds are; each look costs some microseconds.
const LOOK_EVERY: Duration = Duration::from_micros(20);

/// A running server. Dropping it kills the process and waits for its end.
pub struct ServerProcess {
    /// Where it listens.
    pub address: SocketAddrV4,
    child: OwnedChild,
    log_lines: Option<JoinHandle<u64>>,
    started_in: Duration,
}

impl ServerProcess {
    /// Starts `peer` on a free port of 127.0.0.1 and waits until it takes connections.
    ///
    /// # Errors
    /// When it can't be started, ends at once, or does not listen within ten seconds.
    pub fn start(
        peer: &Peer,
        behaviour: Behaviour,
        limits: Limits,
        processors: Processors,
    ) -> io::Result<Self> {
        let address = free_address()?;
        let mut command = peer.command(address.port(), behaviour, limits);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(if peer.logs { Stdio::piped() } else { Stdio::inherit() });
        let begin = Instant::now();
        let spawn = || OwnedChild::spawn(&mut command);
        let child = processors.start_on_server(spawn).map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::other(format!("{program} can't be started: {error}"))
        })?;
        let mut server = Self { address, child, log_lines: None, started_in: Duration::ZERO };
        if let Some(log) = server.child.stderr() {
            server.log_lines = Some(std::thread::spawn(move || count_lines(log)));
        }
        server.wait_for_listening(peer.name)?;
        server.started_in = begin.elapsed();
        server.wait_until_quiet()?;
        Ok(server)
    }

    fn wait_for_listening(&mut self, name: &str) -> io::Result<()> {
        let address = self.address;
        let child = &mut self.child;
        wait_until("the server listens", PATIENCE, Duration::from_micros(100), || {
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("{name} ended at once: {status}")));
            }
            Ok(TcpStream::connect(address).is_ok())
        })
    }

    /// From the start of the process to the first connection that it took.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Stops it with SIGSTOP and waits until every thread stands still.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self) -> io::Result<()> {
        kill_process(self.pid(), Signal::STOP)?;
        wait_until("the server is stopped", PATIENCE, LOOK_EVERY, || {
            Ok(cpu::activity(self.pid())? == Activity::Stopped)
        })
    }

    /// Continues it after [`Self::stop`].
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill_process(self.pid(), Signal::CONT)?)
    }

    /// Waits until no thread runs, twice in a row: then all queued work is done, and the processor
    /// time that the kernel shows is exact.
    ///
    /// # Errors
    /// When it is still busy after ten seconds.
    pub fn wait_until_quiet(&self) -> io::Result<()> {
        let mut quiet_looks = 0;
        wait_until("the server is at rest", PATIENCE, LOOK_EVERY, || {
            let waiting = cpu::activity(self.pid())? == Activity::Waiting;
            quiet_looks = if waiting { quiet_looks + 1 } else { 0 };
            Ok(quiet_looks == 2)
        })
    }

    /// Processor time so far; exact when the server is quiet.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> io::Result<CpuTime> {
        cpu::cpu_time(self.pid())
    }

    /// Open descriptors.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn descriptors(&self) -> io::Result<usize> {
        cpu::descriptors(self.pid())
    }

    /// Waits until it has taken so many connections: one may rest before it has emptied its queue.
    ///
    /// # Errors
    /// When it has fewer descriptors after ten seconds.
    pub fn wait_for_descriptors(&self, count: usize) -> io::Result<()> {
        let what = format!("the server holds a descriptor for each of {count} connections");
        wait_until(&what, PATIENCE, LOOK_EVERY, || Ok(self.descriptors()? >= count))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        cpu::resident_bytes(self.pid())
    }

    /// Sends SIGTERM; how long the end took, and the exit status.
    ///
    /// # Errors
    /// When it is still there after ten seconds.
    pub fn terminate(mut self) -> io::Result<(Duration, ExitStatus)> {
        let begin = Instant::now();
        kill_process(self.pid(), Signal::TERM)?;
        let mut status = None;
        wait_until("the server ends", PATIENCE, Duration::from_micros(100), || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        let took = begin.elapsed();
        status.map(|status| (took, status)).ok_or_else(|| io::Error::other("no exit status"))
    }

    /// Kills it; the number of log lines that it wrote, if it logs.
    #[must_use]
    pub fn kill(mut self) -> Option<u64> {
        self.child.end();
        self.log_lines.take().and_then(|lines| lines.join().ok())
    }
}

/// A port that nobody has now. Another process could take it before the server does; the server
/// then ends at once, which is reported.
fn free_address() -> io::Result<SocketAddrV4> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr()?.port()))
}

/// Reads a log as fast as it comes: a reader that stalls would stall the server.
fn count_lines(mut log: impl Read) -> u64 {
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    while let Ok(count @ 1..) = log.read(&mut buffer) {
        lines += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
    }
    lines
}
