//! Those who come to the status port: good ones, and those who stall, say nonsense, flood, and leave in
//! the middle of everything. What they are told is checked against what the simulated kernel saw.

use std::collections::VecDeque;
use std::io;
use std::mem;

use echo_reactor::source::{Readiness, Source, WATCHERS};
use echo_status::{Exit, Frame, Phase, Step, StepLine};
use fastrand::Rng;
use rustix::io::Errno;

use crate::peer::Quit;
use crate::scenario::{Millis, NEVER, pick};
use crate::tcp::{Buffers, LEAST_SEGMENT, Leaves, Tcp};
use crate::world::World;

/// How many of them may stay.
const STAYING_MAX: usize = 8;

/// How long the server waits before it tries to accept one again.
const RETRY_AFTER: Millis = 100;

/// What they say, from the usual to the strange.
const WORDS: [&[u8]; 10] = [
    b"once\n",
    b"watch\n",
    b"watch\n",
    b"follow\n",
    b"follow\n",
    b"",
    b"watch",
    b"GET / HTTP/1.1\r\nHost: server\r\n\r\n",
    b"watch\nwatch\n",
    b"once upon a time there was somebody who had much more to say than any word is long\n",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    Queued,
    /// Let in, and in this place once it is watched.
    Inside(Option<usize>),
    /// Sent away.
    Outside,
}

#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) tcp: Tcp,
    stage: Stage,
    words: Vec<u8>,
    sent: usize,
    bytes_max: usize,
    pause_max: Millis,
    ends_output: bool,
    reads: bool,
    next_act: Millis,
    leaves: Option<(Millis, Quit)>,
    /// How much the reactor has offered, in bytes. What is new begins with a line.
    offered: usize,
    frames: Vec<Frame>,
    steps: Vec<StepLine>,
}

/// The status port, as the kernel has it, and all who come there.
pub(crate) struct Lobby {
    pub(crate) visitors: Vec<Visitor>,
    queue: VecDeque<usize>,
    edge: bool,
    /// Descriptors that the kernel keeps for watchers.
    spares: usize,
    /// Until when the reactor may let visitors wait, because one could not be accepted.
    waits_until: Millis,
}

impl Lobby {
    pub(crate) fn new(visitors: Vec<Visitor>) -> Lobby {
        Lobby {
            visitors,
            queue: VecDeque::new(),
            edge: false,
            spares: WATCHERS,
            waits_until: NEVER,
        }
    }
}

/// A call for a client, as whoever follows it should see it: its name, and what came of it.
pub(crate) type Seen = (&'static str, u64, Option<u64>);

pub(crate) fn visitors(dice: &mut Rng, span: Millis) -> Vec<Visitor> {
    let count = match dice.u32(..8) {
        0 => dice.usize(1..4),
        1 if dice.u32(..8) == 0 => dice.usize(8..30),
        _ => 0,
    };
    (0..count).map(|_| visitor(dice, span)).collect()
}

fn visitor(dice: &mut Rng, span: Millis) -> Visitor {
    let buffers = Buffers {
        receive: pick(dice, &[100, 4000]),
        send: pick(dice, &[2000, 20_000, 200_000]),
        peer: pick(dice, &[536, 5000, 70_000]),
        segment: 1460,
    };
    let words = pick(dice, &WORDS);
    let is_flood = dice.u32(..10) == 0;
    let at = dice.u64(..=span);
    // All leave some day, so that the life ends.
    let leaves = at + dice.u64(..=span.max(1000));
    Visitor {
        tcp: Tcp::new(buffers, None),
        stage: Stage::Away,
        words: words.repeat(if is_flood { 100 } else { 1 }),
        sent: 0,
        bytes_max: pick(dice, &[1, 3, usize::MAX, usize::MAX]),
        pause_max: pick(dice, &[0, 0, 20, 400]),
        ends_output: dice.u32(..4) == 0,
        reads: dice.u32(..6) > 0,
        next_act: at,
        leaves: Some((leaves, pick(dice, &[Quit::Close, Quit::Reset]))),
        offered: 0,
        frames: Vec::new(),
        steps: Vec::new(),
    }
}

impl Visitor {
    fn is_inside(&self) -> bool {
        matches!(self.stage, Stage::Inside(_))
    }

    /// Whether it has said nothing but this word.
    fn has_said(&self, word: &[u8]) -> bool {
        self.sent == self.words.len() && self.words == word
    }

    /// When it can do something next.
    fn next_time(&self) -> Millis {
        let leaves = match (self.leaves, self.stage) {
            (Some((at, _)), Stage::Queued | Stage::Inside(_)) => at,
            _ => NEVER,
        };
        let can_act = match self.stage {
            Stage::Away => true,
            Stage::Queued | Stage::Inside(_) | Stage::Outside => self.can_act(),
        };
        leaves.min(if can_act { self.next_act } else { NEVER })
    }

    fn can_act(&self) -> bool {
        let is_there = self.leaves.is_some() && self.stage != Stage::Outside;
        let has_words = self.sent < self.words.len() && self.tcp.window() > 0;
        let is_done = self.sent == self.words.len() && self.ends_output;
        let ends = is_done && !self.tcp.input_has_ended();
        let takes = self.reads && self.leaves.is_some() && self.tcp.has_bytes_to_take();
        is_there && (has_words || ends) || takes || self.tcp.can_transmit()
    }
}

impl World {
    // What they do.

    /// Lets one of them do something, if it can now.
    pub(crate) fn visitor_acts(&mut self, number: usize) -> bool {
        let now = self.clock;
        let visitor = &mut self.lobby.visitors[number];
        if visitor.next_time() > now {
            return false;
        }
        if visitor.stage == Stage::Away {
            visitor.stage = Stage::Queued;
            visitor.next_act = now;
            self.lobby.queue.push_back(number);
            self.lobby.edge = true;
            return true;
        }
        if let Some((at, how)) = visitor.leaves
            && at <= now
        {
            visitor.leaves = None;
            match how {
                Quit::Close => visitor.tcp.close_by_peer(),
                Quit::Reset => visitor.tcp.reset_by_peer(),
            }
            self.count("visitor leaves");
            return true;
        }
        visitor.next_act = now + self.dice.u64(..=visitor.pause_max);
        if visitor.leaves.is_some() && visitor.stage != Stage::Outside {
            visitor.speaks();
        }
        visitor.tcp.transmit(LEAST_SEGMENT.max(self.dice.usize(..100_000)));
        if visitor.reads && visitor.leaves.is_some() {
            visitor.tcp.take(usize::MAX);
        }
        true
    }

    pub(crate) fn visitors_next_time(&self) -> Millis {
        self.lobby.visitors.iter().map(Visitor::next_time).fold(NEVER, Millis::min)
    }

    pub(crate) fn visitors_have_edges(&self) -> bool {
        self.lobby.edge || self.lobby.visitors.iter().any(|visitor| visitor.tcp.has_edge())
    }

    /// Whether somebody can make the reactor wake up without anything to do.
    pub(crate) fn is_visited(&self) -> bool {
        self.lobby.visitors.iter().any(Visitor::is_inside)
    }

    pub(crate) fn visitors_events(&mut self, is_told: bool) -> Vec<(Source, Readiness)> {
        let mut events = Vec::new();
        if self.lobby.edge && is_told {
            self.lobby.edge = false;
            events.push((Source::Status, Readiness::READABLE));
        }
        for visitor in &mut self.lobby.visitors {
            if let Stage::Inside(Some(place)) = visitor.stage
                && is_told
                && visitor.tcp.take_edge()
            {
                events.push((Source::Watcher(place), visitor.tcp.readiness()));
            }
        }
        events
    }

    // What the reactor calls.

    pub(crate) fn accept_watcher(&mut self) -> io::Result<usize> {
        self.enter();
        let inside = self.lobby.visitors.iter().filter(|visitor| visitor.is_inside()).count();
        assert!(inside < WATCHERS, "there is no place for another watcher");
        assert_eq!(inside + self.lobby.spares, WATCHERS, "a descriptor for watchers is lost");
        let result = self.try_accept_watcher();
        self.note(|_| format!("accept_watcher: {result:?}"));
        self.turn.learns(&result);
        result
    }

    fn try_accept_watcher(&mut self) -> io::Result<usize> {
        self.lobby.waits_until = NEVER;
        if self.strikes(self.faults.exhaustion) {
            self.lobby.waits_until = self.turn.now + RETRY_AFTER;
            return Err(Errno::NOMEM.into());
        }
        let number = self.lobby.queue.pop_front().ok_or(Errno::AGAIN)?;
        self.lobby.visitors[number].stage = Stage::Inside(None);
        self.lobby.spares -= 1;
        self.count("visitor let in");
        Ok(number)
    }

    pub(crate) fn watcher_left(&mut self) {
        self.enter();
        self.lobby.spares += 1;
    }

    pub(crate) fn watch_visitor(&mut self, number: usize, place: usize) -> io::Result<()> {
        self.enter();
        assert!(place < WATCHERS, "place {place} has no token");
        let is_taken = |visitor: &Visitor| visitor.stage == Stage::Inside(Some(place));
        assert!(!self.lobby.visitors.iter().any(is_taken), "place {place} is taken");
        if self.strikes(self.faults.watch_fails) {
            return Err(Errno::NOMEM.into());
        }
        let visitor = &mut self.lobby.visitors[number];
        assert_eq!(visitor.stage, Stage::Inside(None), "{number} is watched twice");
        visitor.stage = Stage::Inside(Some(place));
        visitor.tcp.watch();
        Ok(())
    }

    pub(crate) fn visitor_read(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<usize> {
        self.enter();
        if self.interrupts() {
            return Err(Errno::INTR.into());
        }
        let Visitor { tcp, words, .. } = &mut self.lobby.visitors[number];
        let result = tcp.read(buffer.len()).map(|range| {
            let input = &words[range];
            buffer[..input.len()].copy_from_slice(input);
            input.len()
        });
        self.note(|_| format!("read visitor {number}: {result:?}"));
        self.turn.learns(&result);
        result
    }

    pub(crate) fn visitor_send(&mut self, number: usize, bytes: &[u8]) -> io::Result<usize> {
        self.enter();
        self.check_told(number, bytes);
        if self.interrupts() {
            return Err(Errno::INTR.into());
        }
        if self.strikes(self.faults.send_fails) {
            return Err(Errno::NOBUFS.into());
        }
        let at_most = match () {
            () if self.strikes(self.faults.no_room) => 0,
            () if self.strikes(self.faults.short_send) => self.dice.usize(1..=bytes.len()),
            () => usize::MAX,
        };
        let tcp = &mut self.lobby.visitors[number].tcp;
        let result = tcp.send(bytes.len(), Leaves::AtOnce, at_most);
        self.note(|_| format!("send visitor {number}, {} bytes: {result:?}", bytes.len()));
        self.turn.learns(&result);
        result
    }

    pub(crate) fn close_visitor(&mut self, number: usize) {
        self.enter();
        self.note(|_| format!("close visitor {number}"));
        let visitor = &mut self.lobby.visitors[number];
        visitor.stage = Stage::Outside;
        visitor.tcp.close(false);
        self.turn.progresses();
    }

    // What they are told.

    fn check_told(&mut self, number: usize, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "sends nothing to visitor {number}");
        let Visitor { tcp, offered, .. } = &mut self.lobby.visitors[number];
        let known = mem::replace(offered, tcp.accepted + bytes.len()) - tcp.accepted;
        let new = &bytes[known..];
        assert!(new.is_empty() || new.ends_with(b"\n"), "half a line for visitor {number}");
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            if let Ok(frame) = serde_json::from_slice::<Frame>(line) {
                self.check_frame(number, &frame);
                self.lobby.visitors[number].frames.push(frame);
            } else if let Ok(step) = serde_json::from_slice::<StepLine>(line) {
                self.lobby.visitors[number].steps.push(step);
                self.count("step");
                self.check_steps(number);
            } else {
                assert!(line.starts_with(b"{\"error\":\""), "{}", line.escape_ascii());
                self.count("visitor refused");
            }
        }
    }

    fn check_frame(&mut self, number: usize, frame: &Frame) {
        self.count("frame");
        self.check_tally(&frame.tally, &frame.open);
        let micros = self.turn.now * 1000..=self.clock * 1000;
        assert!(micros.contains(&frame.uptime_us), "{}", frame.uptime_us);
        let inside = self.lobby.visitors.iter().filter(|visitor| visitor.is_inside()).count();
        assert!((1..=inside).contains(&(frame.watchers as usize)), "{} watchers", frame.watchers);
        let (is_leaving, is_draining) = (self.delay.is_some(), self.drain.is_some());
        assert_eq!((frame.delay.is_some(), frame.drain.is_some()), (is_leaving, is_draining));
        match frame.phase {
            Phase::Running => assert!(!is_leaving && !is_draining, "it leaves"),
            Phase::Leaving => assert!(is_leaving, "it does not leave"),
            Phase::Draining | Phase::Stopped => assert!(is_draining, "it does not drain"),
        }
        self.check_turns(number, frame);
    }

    /// The turns since the frame before, without a gap, as far back as they are kept.
    fn check_turns(&mut self, number: usize, frame: &Frame) {
        let numbers: Vec<u64> = frame.turns.iter().map(|turn| turn.number).collect();
        let Some(before) = self.lobby.visitors[number].frames.last() else {
            assert!(numbers.is_empty(), "turns before the first frame");
            return;
        };
        let all: Vec<u64> = (before.tally.turns..frame.tally.turns).collect();
        let kept = all.len().min(256);
        // The turn that began to be timed in its middle is not told.
        let is_told = numbers == all[all.len() - kept..] || numbers == all[1..];
        assert!(is_told, "turns {numbers:?} of {all:?}");
        if frame.frames_lost > 0 {
            self.count("frame lost");
        }
    }

    /// What a follower is told, once the connection is closed: the calls that the kernel saw, and nothing
    /// before the accept.
    fn check_steps(&mut self, number: usize) {
        let steps = &self.lobby.visitors[number].steps;
        let Some(Step::Closed { .. }) = steps.last().map(|line| &line.step) else { return };
        let peer = followed(steps);
        let is_whole = !steps.iter().any(|line| matches!(line.step, Step::Lost { .. }));
        let calls: Vec<Seen> = steps.iter().filter_map(|line| seen_in(&line.step)).collect();
        let peer = peer.expect("the connection was accepted");
        let seen = &self.links[peer].ledger.calls;
        assert!(!is_whole || calls == *seen, "steps {calls:?}, calls {seen:?}");
        assert!(steps.iter().zip(&steps[1..]).all(|(one, next)| one.turn <= next.turn));
        assert!(!is_whole || moves_are_a_chain(steps), "{steps:?}");
        self.count(if is_whole { "followed to the end" } else { "steps lost" });
    }

    /// Before the reactor sleeps: nobody waits who could be served.
    pub(crate) fn check_visitors_asleep(&self, wakes_at: Millis) {
        let is_waiting = !self.lobby.queue.is_empty() && !self.lobby.edge;
        assert!(!is_waiting || wakes_at <= self.lobby.waits_until, "sleeps before visitors");
        for (number, Visitor { tcp, stage, steps, .. }) in self.lobby.visitors.iter().enumerate() {
            let is_served = !matches!(stage, Stage::Inside(_)) || tcp.has_edge();
            let is_heard = is_served || !tcp.has_unread_bytes() || tcp.waits_for_room();
            assert!(is_heard, "does not listen to visitor {number}");
            let is_told = is_served || tcp.waits_for_room() || !self.has_followed_to_the_end(steps);
            assert!(is_told, "the last step is not told to visitor {number}");
        }
    }

    /// Whether the connection that these are the steps of is closed.
    fn has_followed_to_the_end(&self, steps: &[StepLine]) -> bool {
        followed(steps).is_some_and(|peer| !self.links[peer].is_open())
    }

    /// When the reactor has left: who watched knows how it ended.
    pub(crate) fn check_last_frames(&self, exit: Exit) {
        // Who finds no place to stay gets one frame, and may still wait for it.
        let staying = self.lobby.visitors.iter().filter(|visitor| {
            visitor.is_inside() && visitor.has_said(b"watch\n") && visitor.frames.len() > 1
        });
        assert!(staying.clone().count() <= STAYING_MAX);
        for visitor in staying {
            // Who has lost its connection, or is behind, may not have got it.
            if visitor.tcp.is_reset() || visitor.tcp.waits_for_room() {
                continue;
            }
            let last = visitor.frames.last().expect("a frame");
            let told = last.drain.as_ref().and_then(|drain| drain.exit);
            assert_eq!((last.phase, told), (Phase::Stopped, Some(exit)), "the last frame");
        }
    }
}

impl Visitor {
    fn speaks(&mut self) {
        let left = self.words.len() - self.sent;
        let length = left.min(self.bytes_max).min(self.tcp.window());
        if length > 0 {
            self.tcp.arrive(length);
            self.sent += length;
        }
        if self.sent == self.words.len() && self.ends_output {
            self.tcp.end_input();
        }
    }
}

/// Whose connection is followed.
fn followed(steps: &[StepLine]) -> Option<usize> {
    steps.iter().find_map(|line| match &line.step {
        Step::Accepted { peer } => peer.rsplit(':').next()?.parse().ok(),
        _ => None,
    })
}

/// Whether each move begins where the one before has ended, from open to closed.
fn moves_are_a_chain(steps: &[StepLine]) -> bool {
    let mut state = "open";
    let is_next = |line: &StepLine| match &line.step {
        Step::Moved { from, to } => {
            let is_next = from == state;
            state = ["open", "flushing", "lingering", "closed"]
                .into_iter()
                .find(|name| name == to)
                .expect("a state");
            is_next
        }
        _ => true,
    };
    steps.iter().all(is_next) && state == "closed"
}

fn seen_in(step: &Step) -> Option<Seen> {
    let Step::Call(call) = step else { return None };
    let name = ["recv", "send", "shutdown"].into_iter().find(|name| *name == call.name);
    Some((name.expect("a call of a connection"), call.asked, call.got))
}
