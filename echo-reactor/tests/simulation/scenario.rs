//! What a seed decides before a life begins: settings, peers, signals, and how often each fault
//! occurs. Every life has its own mixture: some are calm, and some have one fault again and again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use echo_reactor::config::{Framing, Reply, Rules, Service, Timeouts};
use echo_reactor::signals::Signal;
use echo_reactor::work;
use fastrand::Rng;

use crate::peer::{Afterwards, Pace, Peer, Quit};
use crate::tcp::Buffers;
use crate::visitors::{Visitor, visitors};

/// Simulated milliseconds.
pub(crate) type Millis = u64;

pub(crate) const NEVER: Millis = Millis::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) framing: Framing,
    pub(crate) reply: Reply,
    pub(crate) messages_per_connection: u32,
    pub(crate) message_max_bytes: usize,
    pub(crate) messages_are_logged: bool,
    pub(crate) message_lines_per_second: u32,
    /// The reactor's budget for a turn.
    pub(crate) work_per_turn: usize,
    pub(crate) idle_timeout: Millis,
    pub(crate) message_timeout: Millis,
    pub(crate) drain_delay: Millis,
    pub(crate) drain_timeout: Millis,
    pub(crate) connections_max: usize,
    pub(crate) backlog: usize,
}

impl Settings {
    pub(crate) fn service(&self) -> Service {
        Service {
            rules: Rules {
                framing: self.framing,
                reply: self.reply,
                messages_per_connection: self.messages_per_connection,
                message_max_bytes: self.message_max_bytes,
                messages_are_logged: self.messages_are_logged,
            },
            timeouts: Timeouts {
                idle: timeout(self.idle_timeout),
                message: timeout(self.message_timeout),
            },
            connections_max: self.connections_max,
            drain_delay: Duration::from_millis(self.drain_delay),
            drain_timeout: Duration::from_millis(self.drain_timeout),
            message_lines_per_second: self.message_lines_per_second,
            work_per_turn: self.work_per_turn,
        }
    }
}

fn timeout(millis: Millis) -> Duration {
    if millis == NEVER { Duration::MAX } else { Duration::from_millis(millis) }
}

/// How often each fault occurs, in a thousand chances.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// A call is interrupted by a signal.
    pub(crate) interrupt: u32,
    /// A send takes only a part, although there is room for all.
    pub(crate) short_send: u32,
    /// A send says that there is no room, although there is.
    pub(crate) no_room: u32,
    /// A send fails for lack of memory.
    pub(crate) send_fails: u32,
    /// Somebody asks with a signal how the server is.
    pub(crate) report: u32,
    /// A sleep brings as many events as it may bring.
    pub(crate) full: u32,
    /// A connection can't be watched.
    pub(crate) watch_fails: u32,
    /// A connection is gone when it is accepted.
    pub(crate) accept_aborts: u32,
    /// Descriptors or memory run out for a while.
    pub(crate) exhaustion: u32,
    /// An event comes that is untrue, or for a connection that is closed.
    pub(crate) false_event: u32,
    /// The network resets a connection.
    pub(crate) network_reset: u32,
    /// Time passes between two calls.
    pub(crate) time_passes: u32,
    /// The process is stopped for a long time between two calls.
    pub(crate) time_jumps: u32,
    /// Peers and network act between two calls.
    pub(crate) bustle: u32,
    /// How many steps the world may take before events are told.
    pub(crate) lag: usize,
}

/// When a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    At(Millis),
    /// After this many calls of the reactor.
    AfterCalls(u64),
    /// When nothing else can happen.
    AtLast,
    /// This long after the previous signal.
    Later(Millis),
}

#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) peers: Vec<(Peer, Buffers)>,
    pub(crate) visitors: Vec<Visitor>,
    pub(crate) signals: Vec<(When, Signal)>,
}

impl Scenario {
    pub(crate) fn new(dice: &mut Rng) -> Scenario {
        let settings = settings(dice);
        let span = pick(dice, &[0, 0, 5, 200, 2000, 20_000]);
        let count = match dice.u32(..100) {
            0 => dice.usize(70..140),
            1..30 => dice.usize(1..3),
            _ => dice.usize(2..10),
        };
        let mut peers = Vec::new();
        for number in 0..count {
            let buffers = buffers(dice);
            let output = output(dice, &settings, buffers);
            let buffers = buffers.for_stream_of(output.len());
            peers.push((peer(dice, number, span, output), buffers));
        }
        let faults = faults(dice);
        let signals = signals(dice, span);
        let visitors = visitors(dice, span);
        Scenario { settings, faults, peers, visitors, signals }
    }
}

pub(crate) fn pick<T: Copy>(dice: &mut Rng, choices: &[T]) -> T {
    choices[dice.usize(..choices.len())]
}

fn settings(dice: &mut Rng) -> Settings {
    let framing = pick(dice, &[Framing::Line, Framing::Line, Framing::Line, Framing::Stream]);
    let timeouts = [NEVER, NEVER, 1, 50, 1000, 10_000, 60_000];
    Settings {
        framing,
        reply: match framing {
            Framing::Line => pick(dice, &[Reply::Echo, Reply::Echo, Reply::Acknowledge]),
            Framing::Stream => Reply::Echo,
        },
        messages_per_connection: pick(dice, &[0, 0, 1, 1, 1, 2, 3, 10]),
        message_max_bytes: pick(dice, &[1, 2, 16, 100, 100, 1000, 16 * 1024, 100_000]),
        messages_are_logged: dice.u8(..4) > 0,
        message_lines_per_second: pick(dice, &[0, 1, 10, 10_000]),
        work_per_turn: pick(dice, &[4, 100_000, work::PER_TURN, work::PER_TURN]),
        idle_timeout: pick(dice, &timeouts),
        message_timeout: pick(dice, &timeouts),
        drain_delay: pick(dice, &[0, 0, 0, 1, 31, 500, 20_000]),
        drain_timeout: pick(dice, &[0, 1, 50, 700, 700, 5000, 60_000]),
        connections_max: pick(dice, &[1, 2, 3, 5, 1000, 1000, 1000]),
        backlog: pick(dice, &[1, 3, 1000, 1000, 1000]),
    }
}

fn faults(dice: &mut Rng) -> Faults {
    let mut rate = |rates: &[u32]| if dice.bool() { 0 } else { pick(dice, rates) };
    Faults {
        interrupt: rate(&[5, 50, 300]),
        short_send: rate(&[50, 300]),
        no_room: rate(&[10, 100]),
        send_fails: rate(&[0, 0, 5, 20]),
        report: rate(&[0, 0, 2, 20]),
        full: rate(&[0, 5, 50]),
        watch_fails: rate(&[0, 0, 20, 100]),
        accept_aborts: rate(&[50, 300]),
        exhaustion: rate(&[20, 100]),
        false_event: rate(&[20, 200]),
        network_reset: rate(&[0, 0, 1, 5]),
        time_passes: rate(&[5, 50]),
        time_jumps: rate(&[0, 1, 5]),
        bustle: rate(&[20, 200, 500]),
        lag: pick(dice, &[0, 0, 2, 5, 20]),
    }
}

fn signals(dice: &mut Rng, span: Millis) -> Vec<(When, Signal)> {
    let first = match dice.u32(..4) {
        0 => When::AtLast,
        1 => When::AfterCalls(dice.u64(1..200)),
        _ => When::At(dice.u64(..=2 * span)),
    };
    let mut signals = vec![(first, pick(dice, &Signal::ALL))];
    while dice.u32(..3) == 0 {
        let pause = match dice.u32(..3) {
            0 => pick(dice, &[0, 1, 99, 100, 101]),
            1 => dice.u64(..1000),
            _ => dice.u64(..10),
        };
        signals.push((When::Later(pause), pick(dice, &Signal::ALL)));
    }
    signals
}

fn buffers(dice: &mut Rng) -> Buffers {
    Buffers {
        receive: pick(dice, &[1, 50, 1000, 1000, 5000, 20_000, 70_000]),
        send: pick(dice, &[1, 50, 1000, 5000, 5000, 30_000, 70_000]),
        peer: pick(dice, &[536, 536, 536, 1000, 5000, 70_000]),
        segment: pick(dice, &[536, 1460, 65_483]),
    }
}

/// A stream takes at most about this many steps, so that every life ends.
const STEPS_PER_STREAM: usize = 300;

fn least_step(stream: usize) -> usize {
    stream / STEPS_PER_STREAM + 1
}

impl Buffers {
    fn for_stream_of(self, length: usize) -> Buffers {
        let least = least_step(length);
        Buffers { receive: self.receive.max(least), send: self.send.max(least), ..self }
    }
}

fn peer(dice: &mut Rng, number: usize, span: Millis, output: Vec<u8>) -> Peer {
    let least = least_step(output.len());
    let sizes = [1, 1, 10, 1000, usize::MAX, usize::MAX, usize::MAX];
    let pauses = [0, 0, 0, 1, 20, 500, 900, 11_000];
    let mut pace =
        || Pace { bytes_max: pick(dice, &sizes).max(least), pause_max: pick(dice, &pauses) };
    let (write, read) = (pace(), pace());
    let urgent = dice.u32(..8) == 0 && !output.is_empty();
    let urgent_at = urgent.then(|| dice.usize(..output.len()));
    let reads_from = match dice.u32(..8) {
        0 => NEVER,
        1 => dice.u64(..=2 * span + 1000),
        _ => 0,
    };
    let quit = (dice.u32(..8) == 0)
        .then(|| (dice.u64(..=2 * span), pick(dice, &[Quit::Reset, Quit::Close])));
    Peer {
        urgent_at,
        write,
        read,
        reads_from,
        latency_max: pick(dice, &[0, 0, 0, 1, 30, 300]),
        quit,
        afterwards: pick(
            dice,
            &[Afterwards::Stay, Afterwards::Stay, Afterwards::HalfClose, Afterwards::HalfClose],
        ),
        end_comes_with_data: dice.bool(),
        stays_after_end: dice.u32(..6) == 0,
        ..Peer::new(address(dice, number), dice.u64(..=span), output)
    }
}

/// Some of these peers send more than they may, which real peers seldom do.
fn output(dice: &mut Rng, settings: &Settings, buffers: Buffers) -> Vec<u8> {
    let mut output = Vec::new();
    if dice.u32(..8) == 0 {
        let length = dice.usize(..=settings.message_max_bytes.min(5000));
        output.extend((0..length).map(|_| byte(dice)));
        return output;
    }
    let wanted = match dice.u32(..20) {
        0 => 0,
        1..4 => pick(dice, &[10, 20]) * buffers.receive.min(buffers.send).min(10_000),
        _ => 1,
    };
    let limit = settings.messages_per_connection as usize;
    let mut messages = match dice.u32(..4) {
        0 => dice.usize(..8),
        1 => limit + 1,
        _ => limit.max(1),
    };
    while output.len() < wanted || messages > 0 {
        let length = message_length(dice, settings.message_max_bytes);
        output.extend((1..length).map(|_| byte(dice)));
        output.push(b'\n');
        messages = messages.saturating_sub(1);
        if wanted == 0 || output.len() > 300_000 {
            break;
        }
    }
    let cut = if dice.u32(..5) == 0 { dice.usize(..=output.len().min(20)) } else { 0 };
    output.truncate(output.len() - cut);
    output
}

fn message_length(dice: &mut Rng, max: usize) -> usize {
    match dice.u32(..40) {
        0..3 => max,
        3 => max + 1,
        4 => max.saturating_sub(1).max(1),
        5..9 => dice.usize(1..=max),
        _ => dice.usize(1..=max.min(40)),
    }
}

fn byte(dice: &mut Rng) -> u8 {
    match dice.u32(..30) {
        0 => dice.u8(..),
        1 => pick(dice, b"'\"\\\t\r\0\x1b\xff  \x0b"),
        _ => dice.u8(b'a'..=b'z'),
    }
}

/// The port is the peer's number, so that a line of the log tells which peer it is about.
fn address(dice: &mut Rng, number: usize) -> SocketAddr {
    let low = u8::try_from(number % 250 + 1).expect("less than 251");
    let v4 = Ipv4Addr::new(10, 1, 2, low);
    let ip = match dice.u32(..3) {
        0 => IpAddr::V4(v4),
        1 => IpAddr::V6(v4.to_ipv6_mapped()),
        _ => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, low.into())),
    };
    SocketAddr::new(ip, u16::try_from(number).expect("there are few peers"))
}
