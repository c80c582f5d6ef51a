//! What befalls the server's process while it works.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, getrlimit};

use crate::board::Board;
use crate::server::Server;

/// A fault that lasts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGSTOP, and SIGCONT at its end.
    Stopped,
    /// SIGWINCH, over and over.
    Signals,
    /// Nobody reads the log, for so long that the server has to drop lines.
    LogUnread,
    /// So few descriptors that it can't accept all who come.
    FewDescriptors,
}

impl Fault {
    /// All, in the order of picture and summary.
    pub const ALL: [Self; 4] =
        [Self::Stopped, Self::Signals, Self::LogUnread, Self::FewDescriptors];

    /// What picture and summary call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Signals => "signals",
            Self::LogUnread => "log unread",
            Self::FewDescriptors => "few descriptors",
        }
    }
}

/// A fault in the plan of a round; begin and end as parts of the round.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// From 0 to 1.
    pub from: f64,
    /// From 0 to 1.
    pub to: f64,
}

const fn planned(fault: Fault, from: f64, to: f64) -> Planned {
    Planned { fault, from, to }
}

/// The rounds of a life, over and over. The log is unread in the first one already: the buffer that
/// it waits in stays as large as it was, and later quiet points are to be compared with the first.
pub const ROUNDS: [&[Planned]; 3] = [
    &[planned(Fault::LogUnread, 0.10, 0.70), planned(Fault::Signals, 0.30, 0.50)],
    &[
        planned(Fault::FewDescriptors, 0.10, 0.45),
        planned(Fault::Stopped, 0.60, 0.70),
        planned(Fault::Signals, 0.65, 0.85),
    ],
    &[
        planned(Fault::LogUnread, 0.10, 0.70),
        planned(Fault::FewDescriptors, 0.20, 0.50),
        planned(Fault::Stopped, 0.30, 0.38),
        planned(Fault::Signals, 0.30, 0.60),
    ],
];

/// What a fault has to put right when it ends.
#[derive(Debug)]
pub enum Active {
    /// SIGCONT.
    Stopped,
    /// Nothing.
    Signals,
    /// The reader, once so much was logged.
    LogUnread {
        /// By the load's account.
        until_logged_bytes: u64,
    },
    /// The limit that there was before.
    FewDescriptors(Rlimit),
}

/// More than pipe and server keep of a log that nobody reads, in bytes.
const LOG_KEPT_BYTES: u64 = 1_200_000;
/// Connections that find room in a shortage.
const ROOM_IN_A_SHORTAGE: u64 = 12;

impl Fault {
    /// Begins.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn begin(
        self,
        server: &Server,
        descriptors_at_start: usize,
        board: &Board,
    ) -> io::Result<Active> {
        Ok(match self {
            Self::Stopped => {
                server.signal(Signal::STOP)?;
                Active::Stopped
            }
            Self::Signals => Active::Signals,
            Self::LogUnread => {
                server.log.stall(true);
                let until_logged_bytes = board.notes().logged_bytes + LOG_KEPT_BYTES;
                Active::LogUnread { until_logged_bytes }
            }
            Self::FewDescriptors => {
                let few = descriptors_at_start as u64 + ROOM_IN_A_SHORTAGE;
                // The hard limit is inherited; to raise it again would need a privilege.
                let maximum = getrlimit(Resource::Nofile).maximum;
                let limit = Rlimit { current: Some(few), maximum };
                Active::FewDescriptors(server.limit_descriptors(limit)?)
            }
        })
    }
}

impl Active {
    /// Goes on, every few milliseconds.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn go_on(&self, server: &Server) -> io::Result<()> {
        match self {
            Self::Signals => server.signal(Signal::WINCH),
            Self::Stopped | Self::LogUnread { .. } | Self::FewDescriptors(_) => Ok(()),
        }
    }

    /// Whether it has done its work.
    #[must_use]
    pub fn may_end(&self, board: &Board) -> bool {
        match self {
            Self::LogUnread { until_logged_bytes } => {
                board.notes().logged_bytes >= *until_logged_bytes
            }
            Self::Stopped | Self::Signals | Self::FewDescriptors(_) => true,
        }
    }

    /// Ends.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn end(self, server: &Server) -> io::Result<()> {
        match self {
            Self::Stopped => server.signal(Signal::CONT)?,
            Self::Signals => {}
            Self::LogUnread { .. } => server.log.stall(false),
            Self::FewDescriptors(before) => {
                server.limit_descriptors(before)?;
            }
        }
        Ok(())
    }
}
