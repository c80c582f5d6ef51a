//! What can wake the loop: a closed set of sources, and what the kernel says about each.

use mio::Token;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The listening socket: connections are waiting.
    Listener,
    /// The connection in this slot of the slab.
    Connection(usize),
}

/// What ends a sleep: a source of the reactor's events, or something that the kernel's side of the
/// seam deals with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The reactor has something to do.
    Source(Source),
    /// A signal has arrived.
    Signals,
    /// The reader of the log has made room.
    Log,
}

/// Slots count from 0; all that is not a connection counts down from the largest token.
impl From<Wake> for Token {
    fn from(wake: Wake) -> Token {
        Token(match wake {
            Wake::Source(Source::Connection(slot)) => slot,
            Wake::Source(Source::Listener) => usize::MAX,
            Wake::Signals => usize::MAX - 1,
            Wake::Log => usize::MAX - 2,
        })
    }
}

impl From<Token> for Wake {
    fn from(token: Token) -> Wake {
        match token.0 {
            usize::MAX => Wake::Source(Source::Listener),
            slot if slot == usize::MAX - 1 => Wake::Signals,
            slot if slot == usize::MAX - 2 => Wake::Log,
            slot => Wake::Source(Source::Connection(slot)),
        }
    }
}

/// What an event says. It is a hint: the socket may have nothing to give after all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read will get bytes, the end of the input, or an error.
    pub readable: bool,
    /// A short read does not mean that all is read: the peer's end of input stands behind it, or
    /// urgent data, where every read stops (`tcp(7)`). No further event will tell of the rest.
    pub read_on: bool,
}

impl Readiness {
    /// Only this is known: a read is worth trying.
    pub const READABLE: Readiness = Readiness { readable: true, read_on: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_wakes_survives_being_a_token() {
        let wakes = [
            Wake::Source(Source::Listener),
            Wake::Source(Source::Connection(0)),
            Wake::Source(Source::Connection(1_000_000)),
            Wake::Signals,
            Wake::Log,
        ];
        for wake in wakes {
            assert_eq!(Wake::from(Token::from(wake)), wake);
        }
    }
}
