//! What a peer does with a connection: what it sends and how, and how it leaves.
//!
//! An echo of messages is the messages: a script's bytes are also the reply that it is owed, up to a
//! point. Every message has a number of its own, so that no reply can pass for another.

use std::time::Duration;

use fastrand::Rng;

use crate::server::{MESSAGE_MAX_BYTES, MESSAGES_PER_CONNECTION};

/// The kinds of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sends a message once the last one is answered.
    Stream,
    /// Sends one message, of any length, and leaves with its reply.
    OneShot,
    /// Sends hundreds of messages at once, sometimes more than it may.
    Pipeline,
    /// Ends its output right behind its messages; the last one has no newline.
    HalfClose,
    /// Sends a byte now and then, sometimes too slowly.
    Drip,
    /// Says little or nothing.
    Idle,
    /// Sends megabytes, and does not read for a while.
    Deaf,
    /// Resets the connection, at any stage of a message.
    Reset,
    /// Sends a message that is too long behind good ones.
    TooLong,
}

impl Kind {
    /// All kinds, in the order of a summary.
    pub const ALL: [Self; 9] = [
        Self::Stream,
        Self::OneShot,
        Self::Pipeline,
        Self::HalfClose,
        Self::Drip,
        Self::Idle,
        Self::Deaf,
        Self::Reset,
        Self::TooLong,
    ];

    /// What a summary calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "ping-pong streams",
            Self::OneShot => "one message each",
            Self::Pipeline => "pipelines",
            Self::HalfClose => "half-closers",
            Self::Drip => "slow drippers",
            Self::Idle => "idle",
            Self::Deaf => "slow to read, or never",
            Self::Reset => "resets",
            Self::TooLong => "messages too long",
        }
    }

    /// How many peers of this kind there are.
    #[must_use]
    pub fn peers(self) -> usize {
        match self {
            Self::Stream => 16,
            Self::OneShot => 12,
            Self::HalfClose => 6,
            Self::Drip | Self::Reset => 8,
            Self::Idle => 20,
            Self::Deaf => 4,
            Self::Pipeline | Self::TooLong => 3,
        }
    }

    /// How long a peer rests between two connections.
    #[must_use]
    pub fn rest(self, rng: &mut Rng) -> Duration {
        Duration::from_millis(match self {
            Self::Stream | Self::Drip | Self::Idle => rng.u64(0..50),
            Self::OneShot | Self::HalfClose | Self::Reset => rng.u64(10..80),
            Self::Pipeline | Self::TooLong => rng.u64(100..600),
            Self::Deaf => rng.u64(200..1000),
        })
    }
}

/// In what pieces the bytes leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// All at once.
    AtOnce,
    /// The next message so long after the reply to the last one.
    OneByOne(Duration),
    /// The next byte so long after the last one.
    Dripping(Duration),
}

/// How a peer ends its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With its last byte.
    WithLastByte,
    /// With the last reply.
    WithLastReply,
    /// It is the server's turn to end the connection.
    Server,
}

/// When a peer leaves without waiting for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It waits for the end.
    Never,
    /// With a reset, once it has sent everything.
    ResetWhenSent,
    /// With a reset, in the middle of the reply.
    ResetInReply,
    /// With a close, after so long.
    CloseAfter(Duration),
}

/// One message of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its number, unlike all others.
    pub number: u64,
    /// Where it ends in the script's bytes.
    pub end: usize,
}

/// One conversation.
#[derive(Debug, Clone)]
pub struct Script {
    /// The kind of peer.
    pub kind: Kind,
    /// What it sends.
    pub bytes: Vec<u8>,
    /// How many of these bytes come back.
    pub owed: usize,
    /// The messages that are owed an answer.
    pub messages: Vec<Message>,
    /// In what pieces it sends.
    pub sending: Sending,
    /// How it ends its output.
    pub ending: Ending,
    /// When it leaves.
    pub leaving: Leaving,
    /// How long it does not read.
    pub deaf_for: Duration,
}

/// A dripped message takes 20 to 30 of these, of which the longest are too long.
const DRIP_EVERY_MS: [u64; 4] = [20, 40, 50, 160];
/// What stands at the beginning of each message, in front of its number.
pub const MARK: &str = "soak ";
/// Mark, number and a blank.
const HEAD_BYTES: usize = MARK.len() + 13;

/// Writes scripts.
pub struct Author {
    rng: Rng,
    next_number: u64,
}

impl Author {
    /// An author whose messages begin with number 0.
    #[must_use]
    pub fn new() -> Self {
        Self { rng: Rng::new(), next_number: 0 }
    }

    /// How long a peer of this kind rests now.
    pub fn rest(&mut self, kind: Kind) -> Duration {
        kind.rest(&mut self.rng)
    }

    /// A conversation of this kind.
    pub fn write(&mut self, kind: Kind) -> Script {
        match kind {
            Kind::Stream => self.stream(),
            Kind::OneShot => self.one_shot(),
            Kind::Pipeline => self.pipeline(),
            Kind::HalfClose => self.half_close(),
            Kind::Drip => self.drip(),
            Kind::Idle => self.idle(),
            Kind::Deaf => self.deaf(),
            Kind::Reset => self.reset(),
            Kind::TooLong => self.too_long(),
        }
    }

    fn stream(&mut self) -> Script {
        let mut script = empty(Kind::Stream);
        for _ in 0..MESSAGES_PER_CONNECTION {
            let length = self.rng.usize(24..400);
            self.add(&mut script, length);
        }
        script.sending = Sending::OneByOne(Duration::from_millis(5));
        script.ending = Ending::Server;
        script
    }

    fn one_shot(&mut self) -> Script {
        let mut script = empty(Kind::OneShot);
        let length = match self.rng.u8(0..8) {
            0 => MESSAGE_MAX_BYTES,
            1 => self.rng.usize(1000..MESSAGE_MAX_BYTES),
            _ => self.rng.usize(24..200),
        };
        self.add(&mut script, length);
        script
    }

    fn pipeline(&mut self) -> Script {
        let mut script = empty(Kind::Pipeline);
        let count = self.rng.usize(200..MESSAGES_PER_CONNECTION * 5 / 4);
        for _ in 0..count.min(MESSAGES_PER_CONNECTION) {
            let length = self.rng.usize(24..400);
            self.add(&mut script, length);
        }
        if count >= MESSAGES_PER_CONNECTION {
            script.ending = Ending::Server;
        }
        script.bytes.resize(script.owed + count.saturating_sub(MESSAGES_PER_CONNECTION), b'\n');
        script
    }

    fn half_close(&mut self) -> Script {
        let mut script = empty(Kind::HalfClose);
        for _ in 0..self.rng.usize(1..6) {
            let length = self.rng.usize(24..600);
            self.add(&mut script, length);
        }
        // The end of the output ends the last message too.
        script.bytes.pop();
        script.owed -= 1;
        script.messages.last_mut().expect("a message").end -= 1;
        script.ending = Ending::WithLastByte;
        script
    }

    fn drip(&mut self) -> Script {
        let mut script = empty(Kind::Drip);
        let length = self.rng.usize(20..30);
        self.add(&mut script, length);
        let pause = DRIP_EVERY_MS[self.rng.usize(0..DRIP_EVERY_MS.len())];
        script.sending = Sending::Dripping(Duration::from_millis(pause));
        script
    }

    fn idle(&mut self) -> Script {
        let mut script = empty(Kind::Idle);
        if self.rng.bool() {
            self.add(&mut script, 40);
        }
        script.ending = Ending::Server;
        script.leaving = Leaving::CloseAfter(Duration::from_millis(self.rng.u64(100..5500)));
        script
    }

    fn deaf(&mut self) -> Script {
        let mut script = empty(Kind::Deaf);
        for _ in 0..MESSAGES_PER_CONNECTION {
            self.add(&mut script, MESSAGE_MAX_BYTES);
        }
        script.ending = Ending::Server;
        script.deaf_for = Duration::from_millis(self.rng.u64(300..5500));
        script
    }

    fn reset(&mut self) -> Script {
        let mut script = empty(Kind::Reset);
        script.ending = Ending::Server;
        script.leaving = Leaving::ResetWhenSent;
        match self.rng.u8(0..6) {
            0 => {}
            1 => {
                self.add(&mut script, 300);
                // Half a message is owed nothing.
                script.bytes.truncate(100);
                script.owed = 0;
                script.messages.clear();
            }
            2 => self.add(&mut script, 300),
            3 => {
                self.add(&mut script, 300);
                script.ending = Ending::WithLastByte;
            }
            4 => {
                self.add(&mut script, MESSAGE_MAX_BYTES);
                script.leaving = Leaving::ResetInReply;
            }
            _ => (0..50).for_each(|_| self.add(&mut script, 300)),
        }
        script
    }

    fn too_long(&mut self) -> Script {
        let mut script = empty(Kind::TooLong);
        for _ in 0..self.rng.usize(0..4) {
            self.add(&mut script, 100);
        }
        let excess = self.rng.usize(1..2 * MESSAGE_MAX_BYTES);
        script.bytes.resize(script.owed + MESSAGE_MAX_BYTES + excess, b'x');
        script.ending = Ending::Server;
        script
    }

    /// Appends a message of `length` bytes, its newline included.
    fn add(&mut self, script: &mut Script, length: usize) {
        let number = self.next_number;
        self.next_number += 1;
        let end = script.bytes.len() + length;
        script.bytes.extend_from_slice(format!("{MARK}{number:012} ").as_bytes());
        let letters = (b'a'..=b'z').cycle().skip(usize::from(self.rng.u8(0..26)));
        script.bytes.extend(letters.take(length - HEAD_BYTES - 1));
        script.bytes.push(b'\n');
        script.owed = end;
        script.messages.push(Message { number, end });
    }
}

impl Default for Author {
    fn default() -> Self {
        Self::new()
    }
}

fn empty(kind: Kind) -> Script {
    Script {
        kind,
        bytes: Vec::new(),
        owed: 0,
        messages: Vec::new(),
        sending: Sending::AtOnce,
        ending: Ending::WithLastReply,
        leaving: Leaving::Never,
        deaf_for: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_what_the_server_allows_and_owes() {
        let mut author = Author::new();
        for kind in Kind::ALL.into_iter().cycle().take(90) {
            let script = author.write(kind);
            let mut begin = 0;
            for message in &script.messages {
                let line = &script.bytes[begin..message.end];
                let head = format!("{MARK}{:012} ", message.number);
                assert!(line.starts_with(head.as_bytes()), "{kind:?}");
                assert!(line.len() <= MESSAGE_MAX_BYTES, "{kind:?}");
                assert!(!line[..line.len() - 1].contains(&b'\n'), "{kind:?}");
                begin = message.end;
            }
            assert_eq!(begin, script.owed, "{kind:?}");
            assert!(script.messages.len() <= MESSAGES_PER_CONNECTION, "{kind:?}");
        }
    }

    #[test]
    fn kinds_stand_at_their_index() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
