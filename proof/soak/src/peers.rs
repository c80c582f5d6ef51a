//! The load: what each kind of peer does with one connection after the other. Each peer is a thread.

use std::net::Ipv4Addr;
use std::ops::{AddAssign, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::conversation::{Conversation, Cut, Outcome};
use crate::round::Round;
use crate::server::{MESSAGE_MAX_BYTES, MESSAGES_PER_CONNECTION};

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    peers: usize,
    /// How long a peer rests between two connections.
    rest_ms: Range<u64>,
    talk: fn(&mut Conversation, &mut Rng) -> Outcome,
}

pub(crate) static KINDS: [Kind; 9] = [
    Kind { name: "ping-pong streams", peers: 16, rest_ms: 0..50, talk: stream },
    Kind { name: "one message each", peers: 12, rest_ms: 10..80, talk: one_message },
    Kind { name: "pipelines", peers: 3, rest_ms: 100..600, talk: pipeline },
    Kind { name: "half-closers", peers: 6, rest_ms: 10..80, talk: half_close },
    Kind { name: "slow drippers", peers: 8, rest_ms: 0..50, talk: drip },
    Kind { name: "idle", peers: 20, rest_ms: 0..50, talk: idle },
    Kind { name: "slow to read", peers: 4, rest_ms: 200..1000, talk: slow_to_read },
    Kind { name: "resets", peers: 8, rest_ms: 10..80, talk: reset },
    Kind { name: "messages too long", peers: 3, rest_ms: 100..600, talk: too_long },
];

/// A dripped message takes 20 to 30 of these pauses. The longest of them make it too slow.
const DRIP_EVERY_MS: [u64; 4] = [20, 40, 50, 160];

/// What peers have done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) conversations: u64,
    /// Messages whose whole reply was read.
    pub(crate) messages: u64,
    /// Conversations that the server closed early, and was allowed to.
    pub(crate) closed_early: u64,
}

pub(crate) type Tallies = [Tally; KINDS.len()];

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.conversations += more.conversations;
        self.messages += more.messages;
        self.closed_early += more.closed_early;
    }
}

/// Lets all peers talk until the round is over. Returns what they have done, by kind.
pub(crate) fn load(round: &Round) -> Tallies {
    thread::scope(|scope| {
        // 127.0.0.1 is the director's.
        let mut sources = (2..).map(|last| Ipv4Addr::new(127, 0, 0, last));
        let mut threads = Vec::new();
        for (index, kind) in KINDS.iter().enumerate() {
            for source in sources.by_ref().take(kind.peers) {
                threads.push((index, scope.spawn(move || kind.live(source, round))));
            }
        }
        let mut tallies = Tallies::default();
        for (index, thread) in threads {
            tallies[index] += thread.join().expect("a peer does not panic");
        }
        tallies
    })
}

impl Kind {
    fn live(&self, source: Ipv4Addr, round: &Round) -> Tally {
        let mut rng = Rng::new();
        let mut tally = Tally::default();
        while round.pause(Duration::from_millis(rng.u64(self.rest_ms.clone())))
            && !round.server_leaves()
        {
            let outcome = Conversation::begin(source, round).and_then(|mut conversation| {
                let outcome = (self.talk)(&mut conversation, &mut rng);
                tally.messages += conversation.messages;
                outcome
            });
            match outcome {
                Ok(()) | Err(Cut::RoundOver) => tally.conversations += 1,
                Err(Cut::Allowed) => tally.closed_early += 1,
                Err(Cut::Wrong(what)) => round.violate(format!("{}: {what}", self.name)),
            }
        }
        tally
    }
}

/// Connects once, sends one message, and returns this peer's address as the server's log shows it.
pub(crate) fn knock(round: &Round) -> Result<String, Cut> {
    let mut peer = Conversation::begin(Ipv4Addr::LOCALHOST, round)?;
    one_message(&mut peer, &mut Rng::new())?;
    Ok(peer.name())
}

/// Sends a message once the last one is answered.
fn stream(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    for _ in 0..MESSAGES_PER_CONNECTION {
        if peer.pause(Duration::from_millis(5)).is_err() {
            peer.end_output()?;
            break;
        }
        let message = message(rng.usize(24..400), rng);
        peer.send(&message)?;
        peer.expect(&message)?;
    }
    peer.expect_end()
}

/// Sends one message, of any length, and leaves once it is answered.
fn one_message(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let length = match rng.u8(0..8) {
        0 => MESSAGE_MAX_BYTES,
        1 => rng.usize(1000..MESSAGE_MAX_BYTES),
        _ => rng.usize(24..200),
    };
    let message = message(length, rng);
    peer.send(&message)?;
    peer.expect(&message)?;
    peer.end_output()?;
    peer.expect_end()
}

/// Sends hundreds of messages at once, sometimes more than it may.
fn pipeline(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let count = rng.usize(200..MESSAGES_PER_CONNECTION * 5 / 4);
    let answered = count.min(MESSAGES_PER_CONNECTION);
    let messages: Vec<_> = (0..answered).map(|_| message(rng.usize(24..400), rng)).collect();
    let bytes = [messages.concat(), vec![b'\n'; count - answered]].concat();
    peer.send_during(&bytes, |peer| messages.iter().try_for_each(|message| peer.expect(message)))?;
    if count < MESSAGES_PER_CONNECTION {
        peer.end_output()?;
    }
    peer.expect_end()
}

/// Ends its output right after its messages. The last message has no newline.
fn half_close(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let mut messages: Vec<_> =
        (0..rng.usize(1..6)).map(|_| message(rng.usize(24..600), rng)).collect();
    messages.last_mut().and_then(Vec::pop);
    peer.send(&messages.concat())?;
    peer.end_output()?;
    messages.iter().try_for_each(|message| peer.expect(message))?;
    peer.expect_end()
}

/// Sends a byte now and then, sometimes too slowly.
fn drip(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let message = message(rng.usize(20..30), rng);
    let pause = DRIP_EVERY_MS[rng.usize(0..DRIP_EVERY_MS.len())];
    peer.drip(&message, Duration::from_millis(pause))?;
    peer.expect(&message)?;
    peer.end_output()?;
    peer.expect_end()
}

/// Says little or nothing, and leaves, sometimes too late.
fn idle(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    if rng.bool() {
        let message = message(40, rng);
        peer.send(&message)?;
        peer.expect(&message)?;
    }
    peer.listen(Duration::from_millis(rng.u64(100..5500)))
}

/// Sends megabytes, and does not read for a while, sometimes for too long.
fn slow_to_read(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    peer.receive_little();
    let messages: Vec<_> =
        (0..MESSAGES_PER_CONNECTION).map(|_| message(MESSAGE_MAX_BYTES, rng)).collect();
    peer.send_during(&messages.concat(), |peer| {
        peer.pause(Duration::from_millis(rng.u64(300..5500)))?;
        messages.iter().try_for_each(|message| peer.expect(message))
    })?;
    peer.expect_end()
}

/// Resets the connection, at any stage of a message.
fn reset(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let short = message(300, rng);
    match rng.u8(0..6) {
        0 => {}
        1 => peer.send(&short[..100])?,
        2 => peer.send(&short)?,
        3 => {
            peer.send(&short)?;
            peer.end_output()?;
        }
        4 => {
            let long = message(MESSAGE_MAX_BYTES, rng);
            peer.send(&long)?;
            peer.expect_part(&long[..1000])?;
        }
        _ => peer.send(&short.repeat(50))?,
    }
    peer.reset();
    Ok(())
}

/// Sends good messages, and then a message that is too long.
fn too_long(peer: &mut Conversation, rng: &mut Rng) -> Outcome {
    let messages: Vec<_> = (0..rng.usize(0..4)).map(|_| message(100, rng)).collect();
    let excess = rng.usize(1..2 * MESSAGE_MAX_BYTES);
    peer.send(&[messages.concat(), vec![b'x'; MESSAGE_MAX_BYTES + excess]].concat())?;
    messages.iter().try_for_each(|message| peer.expect(message))?;
    peer.expect_end()
}

/// A message of `length` bytes, its newline included. No two are equal, so that no reply can pass for
/// another.
fn message(length: usize, rng: &mut Rng) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let letters = (b'a'..=b'z').cycle().skip(rng.usize(0..26));
    let bytes = format!("soak {number:012} ").into_bytes().into_iter().chain(letters);
    bytes.take(length - 1).chain([b'\n']).collect()
}
