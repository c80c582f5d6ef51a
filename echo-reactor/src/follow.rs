//! Connections that somebody follows, step by step.
//!
//! Who follows waits for the next connection that is accepted. From then on every step of it is kept
//! here until it can be sent. While nobody follows, this costs a comparison for each visit and call.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Duration;

use echo_status::{self as status, Call, Step, StepLine, VERSION};

use crate::kernel::Clock;
use crate::source::Readiness;

/// How many steps are kept for a follower who reads slowly. Further ones are counted as lost.
const STEPS_MAX: usize = 512;

/// A shorter time without a step is no silence.
const SILENCE: Duration = Duration::from_millis(1);

/// What is recorded, for all followers.
#[derive(Default)]
pub struct Follow {
    recordings: Vec<Recording>,
    /// The connection that is served now, if somebody follows it.
    attended: Option<usize>,
    /// The present turn.
    turn: u64,
}

/// What is recorded for one follower.
struct Recording {
    /// The follower's place among the watchers.
    place: usize,
    clock: Clock,
    stage: Stage,
    /// When the last step was, and before there is a connection, when the follower came.
    last_step: Duration,
    lines: Vec<StepLine>,
    has_news: bool,
    lost: u64,
}

enum Stage {
    /// No connection has come yet.
    Waiting,
    Following {
        slot: usize,
        accepted: Duration,
    },
    /// The connection is closed.
    Over,
}

impl Follow {
    /// Somebody wants to follow the next connection that is accepted.
    pub fn begin(&mut self, place: usize, clock: &Clock) {
        let clock = clock.clone();
        let mut recording = Recording {
            place,
            last_step: clock(),
            clock,
            stage: Stage::Waiting,
            lines: Vec::new(),
            has_news: false,
            lost: 0,
        };
        recording.add(self.turn, Step::Waiting);
        self.recordings.push(recording);
    }

    /// The follower in this place is gone.
    pub fn end(&mut self, place: usize) {
        self.recordings.retain(|recording| recording.place != place);
    }

    /// Steps belong to this turn from here on.
    pub fn begin_turn(&mut self, turn: u64) {
        self.turn = turn;
    }

    /// A connection was accepted: who waits for one follows it.
    pub fn accepted(&mut self, slot: usize, peer: impl FnOnce() -> String) {
        let mut waiting =
            self.recordings.iter_mut().filter(|recording| recording.is_waiting()).peekable();
        if waiting.peek().is_none() {
            return;
        }
        let peer = peer();
        for recording in waiting {
            let accepted = (recording.clock)();
            recording.last_step = accepted;
            recording.stage = Stage::Following { slot, accepted };
            recording.add(self.turn, Step::Accepted { peer: peer.clone() });
        }
    }

    /// The steps that come now are those of the connection in this slot.
    pub fn attend(&mut self, slot: usize) {
        self.attended = None;
        if !self.recordings.is_empty() && self.recordings.iter().any(|one| one.follows(slot)) {
            self.attended = Some(slot);
        }
    }

    /// An event came for the connection in this slot.
    pub fn event(&mut self, slot: usize, readiness: Readiness) {
        if !self.recordings.is_empty() {
            let Readiness { readable, read_on } = readiness;
            self.attend(slot);
            self.step(|| Step::Event(status::Readiness { readable, read_on }));
        }
    }

    /// A system call was made on the socket of the connection that is attended to: it moves `asked`
    /// bytes at most.
    pub fn call(&mut self, name: &str, asked: usize, result: &io::Result<usize>) {
        self.step(|| {
            let (name, asked) = (name.to_owned(), asked as u64);
            let (got, error) = match result {
                Ok(count) => (Some(*count as u64), None),
                Err(error) => (None, Some(name_of(error))),
            };
            Step::Call(Call { name, asked, got, error })
        });
    }

    /// Something else happened to the connection that is attended to.
    pub fn step(&mut self, step: impl FnOnce() -> Step) {
        let Some(slot) = self.attended else { return };
        let step = step();
        for recording in self.recordings.iter_mut().filter(|one| one.follows(slot)) {
            recording.add(self.turn, step.clone());
        }
    }

    /// The connection in this slot is closed, and its slot is free.
    pub fn closed(&mut self, slot: usize, step: impl FnOnce() -> Step) {
        self.attend(slot);
        self.step(step);
        self.attended = None;
        for recording in self.recordings.iter_mut().filter(|one| one.follows(slot)) {
            recording.stage = Stage::Over;
        }
    }

    /// Whether a step came since this was asked last.
    pub fn take_news(&mut self) -> bool {
        self.recordings.iter_mut().fold(false, |news, one| news | mem::take(&mut one.has_news))
    }

    /// Whether the follower in this place still waits for its connection.
    #[must_use]
    pub fn is_waiting(&self, place: usize) -> bool {
        self.of(place).is_some_and(Recording::is_waiting)
    }

    /// Whether the connection that the follower in this place has followed is closed.
    #[must_use]
    pub fn is_over(&self, place: usize) -> bool {
        self.of(place).is_none_or(|recording| matches!(recording.stage, Stage::Over))
    }

    /// The lines that the follower in this place has not got yet.
    pub fn take_lines(&mut self, place: usize) -> Vec<StepLine> {
        let mut recordings = self.recordings.iter_mut();
        let recording = recordings.find(|recording| recording.place == place);
        recording.map_or(Vec::new(), Recording::take_lines)
    }

    /// Tells the follower in this place once more that it waits.
    pub fn still_waits(&mut self, place: usize) {
        let turn = self.turn;
        for recording in self.recordings.iter_mut().filter(|recording| recording.place == place) {
            recording.add(turn, Step::Waiting);
        }
    }

    fn of(&self, place: usize) -> Option<&Recording> {
        self.recordings.iter().find(|recording| recording.place == place)
    }
}

impl Recording {
    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    fn follows(&self, wanted: usize) -> bool {
        matches!(self.stage, Stage::Following { slot, .. } if slot == wanted)
    }

    fn add(&mut self, turn: u64, step: Step) {
        let now = (self.clock)();
        let silence = now.saturating_sub(mem::replace(&mut self.last_step, now));
        if silence >= SILENCE && !self.is_waiting() {
            self.keep(turn, now, Step::Silence { us: micros(silence) });
        }
        self.keep(turn, now, step);
    }

    fn keep(&mut self, turn: u64, now: Duration, step: Step) {
        // The last line is never lost.
        if self.lines.len() >= STEPS_MAX && !matches!(step, Step::Closed { .. }) {
            self.lost += 1;
            return;
        }
        let accepted = match self.stage {
            Stage::Following { accepted, .. } => accepted,
            Stage::Waiting | Stage::Over => now,
        };
        let us = micros(now.saturating_sub(accepted));
        self.has_news = true;
        self.lines.push(StepLine { version: VERSION, us, turn, step });
    }

    /// What was lost is told where it was lost: behind the steps that found room.
    fn take_lines(&mut self) -> Vec<StepLine> {
        let mut lines = mem::take(&mut self.lines);
        let steps = mem::take(&mut self.lost);
        if steps > 0 {
            let last = StepLine { step: Step::Lost { steps }, ..lines[STEPS_MAX - 1] };
            lines.insert(STEPS_MAX, last);
        }
        lines
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The error's name in `errno(3)`, if a socket can have it; else its text.
fn name_of(error: &io::Error) -> String {
    let name = match error.kind() {
        ErrorKind::WouldBlock => "EAGAIN",
        ErrorKind::Interrupted => "EINTR",
        ErrorKind::ConnectionReset => "ECONNRESET",
        ErrorKind::BrokenPipe => "EPIPE",
        ErrorKind::NotConnected => "ENOTCONN",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::HostUnreachable => "EHOSTUNREACH",
        ErrorKind::NetworkUnreachable => "ENETUNREACH",
        ErrorKind::OutOfMemory => "ENOMEM",
        _ => return error.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use rustix::io::Errno;

    use super::*;

    /// A clock that the test sets.
    fn clock() -> (Rc<Cell<u64>>, Clock) {
        let micros = Rc::new(Cell::new(0));
        let read = Rc::clone(&micros);
        (micros, Rc::new(move || Duration::from_micros(read.get())))
    }

    fn steps(follow: &mut Follow, place: usize) -> Vec<Step> {
        follow.take_lines(place).into_iter().map(|line| line.step).collect()
    }

    #[test]
    fn the_next_connection_is_followed_from_its_accept_to_its_close() {
        let (micros, clock) = clock();
        let mut follow = Follow::default();
        follow.begin_turn(7);
        follow.accepted(0, || unreachable!("nobody follows"));
        follow.begin(3, &clock);
        micros.set(50);
        follow.accepted(4, || "10.0.0.1:7".to_owned());
        follow.attend(4);
        follow.call("recv", 100, &Ok(5));
        follow.attend(5);
        follow.call("recv", 100, &Ok(6));
        micros.set(60);
        follow.begin_turn(8);
        follow.closed(4, || Step::Closed { reason: "over".to_owned(), messages: 1 });
        // The slot has another owner now.
        follow.accepted(4, || unreachable!("nobody waits"));
        follow.attend(4);
        follow.call("recv", 100, &Ok(7));
        assert!(follow.is_over(3) && follow.take_news() && !follow.take_news());
        let line = |us, turn, step| StepLine { version: VERSION, us, turn, step };
        let call = Call { name: "recv".to_owned(), asked: 100, got: Some(5), error: None };
        let expected = [
            line(0, 7, Step::Waiting),
            line(0, 7, Step::Accepted { peer: "10.0.0.1:7".to_owned() }),
            line(0, 7, Step::Call(call)),
            line(10, 8, Step::Closed { reason: "over".to_owned(), messages: 1 }),
        ];
        assert_eq!(follow.take_lines(3), expected);
    }

    #[test]
    fn a_silence_is_at_least_a_millisecond() {
        let (micros, clock) = clock();
        let mut follow = Follow::default();
        follow.begin(0, &clock);
        micros.set(5000);
        follow.accepted(0, String::new);
        follow.attend(0);
        micros.set(5999);
        follow.step(|| Step::Watched);
        micros.set(6999);
        follow.step(|| Step::OutOfBudget);
        let accepted = Step::Accepted { peer: String::new() };
        let silence = Step::Silence { us: 1000 };
        let expected = [Step::Waiting, accepted, Step::Watched, silence, Step::OutOfBudget];
        assert_eq!(steps(&mut follow, 0), expected);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_last_line_is_kept() {
        let (_, clock) = clock();
        let mut follow = Follow::default();
        follow.begin(0, &clock);
        follow.accepted(0, String::new);
        follow.attend(0);
        (0..600).for_each(|_| follow.step(|| Step::Watched));
        follow.closed(0, || Step::Closed { reason: String::new(), messages: 0 });
        let steps = steps(&mut follow, 0);
        assert_eq!(steps.len(), STEPS_MAX + 2);
        assert_eq!(steps[STEPS_MAX], Step::Lost { steps: 602 - 512 });
        assert!(matches!(steps[STEPS_MAX + 1], Step::Closed { .. }));
        assert_eq!(follow.take_lines(0), []);
    }

    #[test]
    fn errors_have_the_names_that_strace_prints() {
        let names = [
            (Errno::AGAIN, "EAGAIN"),
            (Errno::INTR, "EINTR"),
            (Errno::CONNRESET, "ECONNRESET"),
            (Errno::PIPE, "EPIPE"),
            (Errno::NOTCONN, "ENOTCONN"),
            (Errno::TIMEDOUT, "ETIMEDOUT"),
            (Errno::HOSTUNREACH, "EHOSTUNREACH"),
            (Errno::NETUNREACH, "ENETUNREACH"),
            (Errno::NOMEM, "ENOMEM"),
            (Errno::NOBUFS, "No buffer space available (os error 105)"),
        ];
        for (errno, name) in names {
            assert_eq!(name_of(&io::Error::from(errno)), name);
        }
    }
}
