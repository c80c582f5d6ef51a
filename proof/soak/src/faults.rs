//! What happens to the server's process while it works.

use std::io;

use rustix::process::Signal;

use crate::server::Server;

/// A fault that lasts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGSTOP, and SIGCONT at its end.
    Stopped,
    /// SIGWINCH, over and over.
    Signals,
    /// Nobody reads the log, until the server has to drop lines.
    LogUnread,
    /// Too few descriptors to accept every peer.
    FewDescriptors,
}

/// A fault, and when it begins and ends, as parts of a round.
pub(crate) type Planned = (Fault, f64, f64);

/// The rounds, which are repeated. In the first one already the log is unread: the buffer for the log
/// stays large from then on, and later quiet points are compared with the first ones.
pub(crate) const ROUNDS: [&[Planned]; 3] = [
    &[(Fault::LogUnread, 0.10, 0.70), (Fault::Signals, 0.30, 0.50)],
    &[
        (Fault::FewDescriptors, 0.10, 0.45),
        (Fault::Stopped, 0.60, 0.70),
        (Fault::Signals, 0.65, 0.85),
    ],
    &[
        (Fault::LogUnread, 0.10, 0.70),
        (Fault::FewDescriptors, 0.20, 0.50),
        (Fault::Stopped, 0.30, 0.38),
        (Fault::Signals, 0.30, 0.60),
    ],
];

/// More than pipe, server and reader keep of a log that nobody reads, in bytes.
const LOG_KEPT_BYTES: u64 = 1_500_000;
/// Connections that find room in a shortage of descriptors.
const ROOM_IN_A_SHORTAGE: usize = 12;

impl Fault {
    pub(crate) const ALL: [Self; 4] =
        [Self::Stopped, Self::Signals, Self::LogUnread, Self::FewDescriptors];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Signals => "signals",
            Self::LogUnread => "log unread",
            Self::FewDescriptors => "few descriptors",
        }
    }

    pub(crate) fn begin(self, server: &mut Server, descriptors_at_start: usize) -> io::Result<()> {
        match self {
            Self::Stopped => server.process.signal(Signal::STOP),
            Self::Signals => Ok(()),
            Self::LogUnread => {
                server.log.set_unread(true);
                Ok(())
            }
            Self::FewDescriptors => {
                server.begin_shortage(descriptors_at_start + ROOM_IN_A_SHORTAGE)
            }
        }
    }

    /// Called every few milliseconds while it lasts.
    pub(crate) fn go_on(self, server: &Server) -> io::Result<()> {
        if self == Self::Signals { server.process.signal(Signal::WINCH) } else { Ok(()) }
    }

    /// Whether it has done its work, if this many bytes were logged meanwhile.
    pub(crate) fn may_end(self, logged_bytes: u64) -> bool {
        self != Self::LogUnread || logged_bytes >= LOG_KEPT_BYTES
    }

    pub(crate) fn end(self, server: &Server) -> io::Result<()> {
        match self {
            Self::Stopped => server.process.signal(Signal::CONT),
            Self::Signals => Ok(()),
            Self::LogUnread => {
                server.log.set_unread(false);
                Ok(())
            }
            Self::FewDescriptors => server.end_shortage(),
        }
    }
}
