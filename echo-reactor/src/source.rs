//! What can wake the loop: a closed set of sources, and what the kernel says about one.

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The listening socket: connections are waiting.
    Listener,
    /// A signal has arrived.
    Signals,
    /// The reader of the log has made room.
    Log,
    /// The connection in this slot of the slab.
    Connection(usize),
}

impl From<Source> for mio::Token {
    fn from(source: Source) -> mio::Token {
        mio::Token(match source {
            Source::Listener => usize::MAX,
            Source::Signals => usize::MAX - 1,
            Source::Log => usize::MAX - 2,
            Source::Connection(slot) => slot,
        })
    }
}

impl From<mio::Token> for Source {
    fn from(token: mio::Token) -> Source {
        match token.0 {
            usize::MAX => Source::Listener,
            slot if slot == usize::MAX - 1 => Source::Signals,
            slot if slot == usize::MAX - 2 => Source::Log,
            slot => Source::Connection(slot),
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
    /// Nothing is known but that a read is worth trying.
    pub const READABLE: Readiness = Readiness { readable: true, read_on: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_being_a_token() {
        let sources = [
            Source::Listener,
            Source::Signals,
            Source::Log,
            Source::Connection(0),
            Source::Connection(1_000_000),
        ];
        for source in sources {
            assert_eq!(Source::from(mio::Token::from(source)), source);
        }
    }
}
