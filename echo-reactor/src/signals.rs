//! The signals that the server handles, and what each asks for.

use std::fmt;

use rustix::process::Signal as Number;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To leave: the first request starts a drain, the second ends it at once.
    Leave(Signal),
    /// To log what the server has done and does.
    Report,
}

/// A signal that asks the server to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: `docker stop`, `kill`.
    Terminate,
    /// SIGINT: Ctrl-C in a terminal.
    Interrupt,
    /// SIGHUP: the terminal is closed.
    Hangup,
}

/// All signals that are handled. The last one asks for nothing: it is here because it would end the
/// process if nobody handled it (`signal(7)`).
pub const HANDLED: [Number; 5] =
    [Number::TERM, Number::INT, Number::HUP, Number::USR1, Number::USR2];

impl Request {
    /// What the signal with this number asks for, if anything.
    #[must_use]
    pub fn of_signal(number: i32) -> Option<Request> {
        if number == Number::USR1.as_raw() {
            return Some(Request::Report);
        }
        let is_meant = |signal: &Signal| signal.number() == number;
        Signal::ALL.into_iter().find(is_meant).map(Request::Leave)
    }
}

impl Signal {
    /// Every signal that asks the server to leave.
    pub const ALL: [Signal; 3] = [Signal::Terminate, Signal::Interrupt, Signal::Hangup];

    fn number(self) -> i32 {
        match self {
            Signal::Terminate => Number::TERM.as_raw(),
            Signal::Interrupt => Number::INT.as_raw(),
            Signal::Hangup => Number::HUP.as_raw(),
        }
    }

    /// The exit code if this signal ends a drain: 128 plus its number, as in shells.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        128 + match self {
            Signal::Terminate => 15,
            Signal::Interrupt => 2,
            Signal::Hangup => 1,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
            Signal::Hangup => "SIGHUP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_linux() {
        assert_eq!(Request::of_signal(15), Some(Request::Leave(Signal::Terminate)));
        assert_eq!(Request::of_signal(2), Some(Request::Leave(Signal::Interrupt)));
        assert_eq!(Request::of_signal(1), Some(Request::Leave(Signal::Hangup)));
        assert_eq!(Request::of_signal(10), Some(Request::Report));
        assert_eq!(Request::of_signal(12), None);
        for signal in Signal::ALL {
            assert_eq!(i32::from(signal.exit_code()), 128 + signal.number());
        }
    }

    #[test]
    fn every_signal_that_asks_to_leave_is_handled() {
        for signal in Signal::ALL {
            assert!(HANDLED.iter().any(|handled| handled.as_raw() == signal.number()), "{signal}");
        }
    }
}
