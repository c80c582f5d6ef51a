//! The server as a process: started, watched, disturbed, and always ended.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use echo_harness::child::OwnedChild;
use echo_harness::proc;
use echo_harness::server::Setup;

use crate::log::Log;

/// Fewer than the peers would have open, so that some have to wait.
const CONNECTIONS_MAX: usize = 46;
/// Together, these messages are longer than the buffers of a peer that does not read.
pub(crate) const MESSAGES_PER_CONNECTION: usize = 400;
/// The default.
pub(crate) const MESSAGE_MAX_BYTES: usize = 16_384;
/// Short, so that many connections meet it.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Shorter than the slowest drippers take.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3);
/// The default.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_millis(700);

/// Dropping it kills the process.
pub(crate) struct Server {
    pub(crate) process: OwnedChild,
    pub(crate) log: Log,
    /// The limit of descriptors before a shortage.
    descriptor_limit: u64,
}

impl Server {
    pub(crate) fn start(program: &Path) -> io::Result<Self> {
        let setup = Setup::of(program)
            .log_level("info")
            .set("connections_max", CONNECTIONS_MAX)
            .set("messages_per_connection", MESSAGES_PER_CONNECTION)
            .set("idle_timeout", milliseconds(IDLE_TIMEOUT))
            .set("message_timeout", milliseconds(MESSAGE_TIMEOUT))
            .set("drain_timeout", milliseconds(DRAIN_TIMEOUT));
        let mut command = setup.command();
        // Ctrl-C is for the soak alone, which ends the server itself.
        command.stderr(Stdio::piped()).process_group(0);
        let mut process = OwnedChild::spawn(&mut command)?;
        let log = Log::read(process.stderr().expect("a pipe"));
        Ok(Self { process, log, descriptor_limit: 0 })
    }

    /// Where it accepts connections, once it does.
    pub(crate) fn address(&self) -> Option<SocketAddrV4> {
        let account = self.log.account();
        account.accepts.then_some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, account.port))
    }

    pub(crate) fn descriptors(&self) -> io::Result<usize> {
        proc::descriptors(self.process.pid())
    }

    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        proc::resident_bytes(self.process.pid())
    }

    /// Limits its descriptors to this many, until [`Self::end_shortage`].
    pub(crate) fn begin_shortage(&mut self, descriptors: usize) -> io::Result<()> {
        self.descriptor_limit = proc::limit_descriptors(self.process.pid(), descriptors as u64)?;
        Ok(())
    }

    pub(crate) fn end_shortage(&self) -> io::Result<()> {
        proc::limit_descriptors(self.process.pid(), self.descriptor_limit)?;
        Ok(())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
