//! The signals that the server handles: both ask it to leave.

use std::fmt;

use rustix::process::Signal as Number;

/// A signal that asks the server to leave: the first starts a drain, a second one cuts it short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: `docker stop`, `kill`.
    Terminate,
    /// SIGINT: Ctrl-C in a terminal.
    Interrupt,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 2] = [Signal::Terminate, Signal::Interrupt];

    /// The kernel's number for it (`signal(7)`).
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Signal::Terminate => Number::TERM.as_raw(),
            Signal::Interrupt => Number::INT.as_raw(),
        }
    }

    /// What a process that it has ended exits with, by the custom of shells: 128 and the number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        128 + match self {
            Signal::Terminate => 15,
            Signal::Interrupt => 2,
        }
    }

    /// The signal with this number, if it is one of these.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_linux() {
        assert_eq!(Signal::from_number(15), Some(Signal::Terminate));
        assert_eq!(Signal::from_number(2), Some(Signal::Interrupt));
        assert_eq!(Signal::from_number(28), None);
        for signal in Signal::ALL {
            assert_eq!(i32::from(signal.exit_code()), 128 + signal.number());
        }
    }
}
