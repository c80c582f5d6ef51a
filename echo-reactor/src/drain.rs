//! The way out of the server: what a drain, and the delay before it, have to decide.
//!
//! The first signal that asks the server to leave begins a drain, or the delay before it, if the
//! settings want one. In the delay the server goes on as before, but tells that it is leaving, so that
//! whoever sends it clients can stop doing so before its listener closes.
//!
//! In a drain nothing new is let in, what has arrived is read and answered, and each connection leaves
//! as soon as nothing is left to do for it. What is still open at the deadline is aborted.

use std::time::Duration;

use crate::deadlines::Moment;
use crate::signals::Signal;

/// Signals within this time of the first count as one request: a shell that signals a whole process
/// group, and a supervisor that passes the signal on, mean one stop and not two.
pub const SAME_REQUEST: Duration = Duration::from_millis(30);

/// A connection whose reply found room at once lingers until its peer has been quiet for this long:
/// the peer usually has its reply by then, and may only be idle.
const QUIET_PEER: Duration = Duration::from_millis(100);

/// The signals that count as one request.
#[derive(Clone, Copy, Debug)]
pub struct OneRequest {
    began: Moment,
    until: Moment,
}

impl OneRequest {
    fn begin(now: Moment) -> OneRequest {
        OneRequest { began: now, until: now + SAME_REQUEST }
    }

    /// Whether a signal that is seen now belongs to it.
    #[must_use]
    pub fn includes(&self, now: Moment) -> bool {
        now < self.until
    }

    /// A turn that began at `turn_began` ends now. A long turn can hide a signal, so the time for
    /// signals of the same request also counts from the end of a turn that began within it.
    pub fn turn_ends(&mut self, turn_began: Moment, now: Moment) {
        if turn_began < self.began + SAME_REQUEST {
            self.until = now + SAME_REQUEST;
        }
    }
}

/// The delay before a drain.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    signal: Signal,
    began: Moment,
    ends: Moment,
    /// The signals that count as the first. A further one ends the delay.
    pub request: OneRequest,
}

impl Delay {
    /// The delay that `signal` begins now.
    #[must_use]
    pub fn begin(signal: Signal, now: Moment, delay: Duration) -> Delay {
        Delay { signal, began: now, ends: now + delay, request: OneRequest::begin(now) }
    }

    /// The signal that began it.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// When the drain begins.
    #[must_use]
    pub fn ends(&self) -> Moment {
        self.ends
    }
}

/// A drain that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    signal: Signal,
    began: Moment,
    deadline: Moment,
    /// The signals that count as the one that began it. A further one ends the drain.
    pub request: OneRequest,
    was_cut_short: bool,
}

impl Drain {
    /// The drain that `signal` begins now. It may take as long as `timeout`.
    #[must_use]
    pub fn begin(signal: Signal, now: Moment, timeout: Duration) -> Drain {
        Drain {
            signal,
            began: now,
            deadline: now + timeout,
            request: OneRequest::begin(now),
            was_cut_short: false,
        }
    }

    /// The signal that began it.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// When the connections that are left are aborted.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        self.deadline
    }

    /// The deadline has come before everything was done.
    pub fn cut_short(&mut self) {
        self.was_cut_short = true;
    }

    /// Whether the deadline came before everything was done.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.was_cut_short
    }

    /// Until when a connection lingers if its peer has been quiet since `quiet_since`.
    #[must_use]
    pub fn linger_deadline(&self, quiet_since: Moment) -> Moment {
        quiet_since.max(self.began) + QUIET_PEER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::START + Duration::from_millis(millis)
    }

    #[test]
    fn signals_within_30_ms_are_one_request() {
        let drain = Drain::begin(Signal::Terminate, at(100), Duration::from_millis(700));
        assert!(drain.request.includes(at(129)));
        assert!(!drain.request.includes(at(130)));
        assert_eq!(drain.deadline(), at(800));
    }

    #[test]
    fn a_delay_ends_when_its_time_is_over() {
        let delay = Delay::begin(Signal::Terminate, at(100), Duration::from_secs(5));
        assert_eq!(delay.ends(), at(5100));
        assert!(delay.request.includes(at(129)) && !delay.request.includes(at(130)));
    }

    #[test]
    fn a_long_turn_extends_the_request_and_later_turns_do_not() {
        let mut drain = Drain::begin(Signal::Terminate, at(100), Duration::from_millis(700));
        drain.request.turn_ends(at(129), at(500));
        assert!(drain.request.includes(at(529)));
        drain.request.turn_ends(at(500), at(510));
        assert!(drain.request.includes(at(529)) && !drain.request.includes(at(530)));
    }

    #[test]
    fn quiet_before_the_drain_does_not_count() {
        let drain = Drain::begin(Signal::Terminate, at(100), Duration::from_millis(700));
        assert_eq!(drain.linger_deadline(at(0)), at(200));
        assert_eq!(drain.linger_deadline(at(150)), at(250));
    }
}
