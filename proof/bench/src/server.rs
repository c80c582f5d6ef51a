//! A server under test as a process.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echo_harness::child::OwnedChild;
use echo_harness::ports::free_port;
use echo_harness::proc;
use echo_harness::wait::{Patience, try_until};
use rustix::process::{Pid, Signal};

use crate::peers::{Limits, Mode, Peer, Ports};
use crate::processors::Processors;

/// A look at a process takes some microseconds, and rounds are to be short.
const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(10), pause: Duration::from_micros(20) };

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    pub(crate) address: SocketAddrV4,
    child: OwnedChild,
    log: Option<JoinHandle<u64>>,
}

impl Server {
    /// Starts `peer` and waits until it takes connections.
    pub(crate) fn start(
        peer: &Peer,
        mode: Mode,
        limits: Limits,
        processors: Processors,
    ) -> io::Result<Server> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        let status = if peer.is_watched {
            Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?))
        } else {
            None
        };
        let mut command = peer.command(Ports { service: address.port(), status }, mode, limits);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(if peer.logs { Stdio::piped() } else { Stdio::inherit() });
        let mut child = processors.start_on_server(|| OwnedChild::spawn(&mut command))?;
        let log = child.stderr().map(|log| thread::spawn(move || count_lines(log)));
        try_until("the server listening", PATIENCE, || match child.try_wait()? {
            Some(status) => Err(io::Error::other(format!("it ended at once: {status}"))),
            None => Ok(TcpStream::connect(address).ok()),
        })?;
        if let Some(status) = status {
            watch(status)?;
        }
        let server = Server { address, child, log };
        server.rest()?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Waits until it has nothing left to do; then its processor time is exact.
    pub(crate) fn rest(&self) -> io::Result<()> {
        proc::wait_until_quiet(self.pid(), PATIENCE)
    }

    /// Stops it, so that work can be queued; its processor time so far.
    pub(crate) fn stop(&self) -> io::Result<Duration> {
        self.child.stop(PATIENCE)?;
        proc::processor_time(self.pid())
    }

    /// Lets it go on and waits until all that was queued is done. No client reads meanwhile, so that the
    /// server wakes nobody, and its time is for the work alone.
    pub(crate) fn do_what_is_queued(&self) -> io::Result<()> {
        self.child.signal(Signal::CONT)?;
        self.rest()
    }

    /// The processor time since [`Self::stop`], once it is at rest: a server that waits for the client's
    /// end has work again when that has come.
    pub(crate) fn time_since(&self, before: Duration) -> io::Result<Duration> {
        self.rest()?;
        Ok(proc::processor_time(self.pid())?.saturating_sub(before))
    }

    /// Waits until it has accepted this many connections: it may rest before its queue is empty.
    pub(crate) fn wait_for_connections(&self, count: usize) -> io::Result<()> {
        let what = format!("{count} connections accepted");
        try_until(&what, PATIENCE, || Ok((proc::descriptors(self.pid())? >= count).then_some(())))
    }

    /// Ends it. Returns the number of log lines that it wrote, if it logs.
    pub(crate) fn end(mut self) -> Option<u64> {
        self.child.kill();
        self.log.take().and_then(|log| log.join().ok())
    }
}

/// Reads each frame as it comes, until the server has ended.
fn watch(status: SocketAddrV4) -> io::Result<()> {
    let mut watcher = TcpStream::connect(status)?;
    watcher.write_all(b"watch\n")?;
    let mut first = [0];
    watcher.read_exact(&mut first)?;
    thread::spawn(move || io::copy(&mut watcher, &mut io::sink()));
    Ok(())
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
