//! What the server tells of itself: a frame for those who watch, and a report for the log.

use echo_status::{self as status, Accepting, Frame, Open, Server, Tally};

use super::{Exit, Identity, Phase, Reactor};
use crate::account::whole_micros;
use crate::drain::Drain;
use crate::kernel::Kernel;
use crate::log_events;
use crate::report;

impl<K: Kernel> Reactor<K> {
    /// The state of the server now.
    pub(super) fn frame(&self) -> Frame {
        let log = self.kernel.log_backlog();
        Frame {
            version: status::VERSION,
            server: self.server(),
            uptime_us: whole_micros((self.clock)()),
            phase: match self.phase {
                Phase::Running => status::Phase::Running,
                Phase::Leaving(_) => status::Phase::Leaving,
                Phase::Draining(_) => status::Phase::Draining,
                Phase::Stopped(..) => status::Phase::Stopped,
            },
            delay: match &self.phase {
                Phase::Leaving(delay) => Some(status::Delay {
                    signal: delay.signal().to_string(),
                    us: whole_micros(self.now.since(delay.began())),
                    delay_us: whole_micros(self.service.drain_delay),
                }),
                Phase::Running | Phase::Draining(_) | Phase::Stopped(..) => None,
            },
            drain: match &self.phase {
                Phase::Running | Phase::Leaving(_) => None,
                Phase::Draining(drain) => Some(self.told(drain, None)),
                Phase::Stopped(drain, exit) => Some(self.told(drain, Some(*exit))),
            },
            open: self.account.open,
            accepting: self.acceptor.accepting(),
            log_waiting_bytes: log.waiting_bytes,
            watchers: self.watchers.count(),
            frames_lost: 0,
            tally: Tally {
                log: status::Log {
                    dropped: log.dropped,
                    left_out: self.message_log.left_out_in_all(),
                },
                ..self.account.tally.clone()
            },
            last_second: self.timing.as_ref().and_then(|timing| timing.last_second()),
            turns: Vec::new(),
        }
    }

    fn server(&self) -> Server {
        let Identity { host, address, started } = self.identity.clone();
        Server {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host,
            address,
            started_unix_us: whole_micros(started),
            connections_max: self.service.connections_max as u64,
        }
    }

    fn told(&self, drain: &Drain, exit: Option<Exit>) -> status::Drain {
        let Open { idle, mid_message, flushing, .. } = self.account.open;
        status::Drain {
            signal: drain.signal().to_string(),
            us: whole_micros(self.now.since(drain.began())),
            timeout_us: whole_micros(self.service.drain_timeout),
            listener_is_closed: self.acceptor.accepting() == Accepting::Closed,
            owing: idle + mid_message + flushing,
            exit: exit.map(|exit| match exit {
                Exit::Forced(_) => status::Exit::Forced,
                Exit::Drained if drain.was_cut_short() => status::Exit::Deadline,
                Exit::Drained => status::Exit::Drained,
            }),
        }
    }

    /// Logs the same for a reader of the log.
    pub(super) fn report(&self) {
        for line in report::lines(&self.frame()) {
            log_events::report(&line);
        }
    }
}
