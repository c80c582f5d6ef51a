//! What can wake the loop: a closed set of sources, and what the kernel says about each.

use mio::Token;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The listening socket: connections are waiting.
    Listener,
    /// The connection in this slot of the slab.
    Connection(usize),
    /// The status port: somebody wants to know how the server is.
    Status,
    /// The watcher in this place, below [`WATCHERS`].
    Watcher(usize),
}

/// How many places for watchers there are: each has a token.
pub const WATCHERS: usize = 16;

/// What can end a sleep: a source of events for the reactor, or an event that the implementation of
/// [`Kernel`](crate::kernel::Kernel) handles itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The reactor has something to do.
    Source(Source),
    /// A signal has arrived.
    Signals,
    /// The reader of the log has made room.
    Log,
}

/// Connections have the tokens from 0 up, all other wakes those from the largest token down.
impl From<Wake> for Token {
    fn from(wake: Wake) -> Token {
        Token(match wake {
            Wake::Source(Source::Connection(slot)) => slot,
            Wake::Source(Source::Listener) => usize::MAX,
            Wake::Signals => usize::MAX - 1,
            Wake::Log => usize::MAX - 2,
            Wake::Source(Source::Status) => usize::MAX - 3,
            Wake::Source(Source::Watcher(place)) => usize::MAX - 4 - place,
        })
    }
}

impl From<Token> for Wake {
    fn from(token: Token) -> Wake {
        match usize::MAX - token.0 {
            0 => Wake::Source(Source::Listener),
            1 => Wake::Signals,
            2 => Wake::Log,
            3 => Wake::Source(Source::Status),
            from_end if from_end < 4 + WATCHERS => Wake::Source(Source::Watcher(from_end - 4)),
            _ => Wake::Source(Source::Connection(token.0)),
        }
    }
}

/// What an event says. It is a hint: a read may find nothing after all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read will get bytes, the end of the input, or an error.
    pub readable: bool,
    /// A short read does not mean that all is read: the end of the input follows, or urgent data, where
    /// every read stops (`tcp(7)`). No further event will tell of the rest.
    pub read_on: bool,
}

impl Readiness {
    /// A read is worth trying; nothing else is known.
    pub const READABLE: Readiness = Readiness { readable: true, read_on: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wake_survives_its_way_through_a_token() {
        let wakes = [
            Wake::Source(Source::Listener),
            Wake::Source(Source::Connection(0)),
            Wake::Source(Source::Connection(1_000_000)),
            Wake::Source(Source::Status),
            Wake::Source(Source::Watcher(0)),
            Wake::Source(Source::Watcher(WATCHERS - 1)),
            Wake::Signals,
            Wake::Log,
        ];
        for wake in wakes {
            assert_eq!(Wake::from(Token::from(wake)), wake);
        }
    }
}
