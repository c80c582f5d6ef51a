//! Those who watch: what they ask for at the status port, and what they are sent.
//!
//! Watchers have a small room of their own. They are no connections, nothing waits for them, and they
//! leave no line in the log. Each says one word, and then only listens. A frame that a slow watcher has
//! no room for is lost to it, and counted; a watcher that takes nothing for long is sent away.

use std::array;
use std::io::ErrorKind;
use std::mem;
use std::time::Duration;

use echo_status::{Frame, Request};
use serde::Serialize;

use crate::deadlines::Moment;
use crate::follow::Follow;
use crate::kernel::{Clock, Kernel, Socket};
use crate::source::{Readiness, Source, WATCHERS};

/// How many may stay at once. One more gets a single frame, so that a health check always works.
pub const WATCHERS_MAX: usize = 8;

/// Frames come at these moments, the same for all.
pub const FRAME_EVERY: Duration = Duration::from_millis(250);

/// Who says nothing for this time wants to watch.
const WORD_WITHIN: Duration = Duration::from_secs(1);

/// The longest first line that is looked at, in bytes.
const WORD_MAX_BYTES: usize = 64;

/// How many watchers one turn lets in: more would make the clients wait.
const ACCEPTS_PER_TURN: usize = 4;

/// When to try again if the kernel could not give a connection.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Who waits for a connection to follow is told so once more after this time. So both ends find out if
/// the other is gone.
const STILL_WAITS_AFTER: Duration = Duration::from_secs(1);

/// A watcher that has taken nothing for this time, although there was something to take, has to go.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// The answer to a word that is unknown, or has something behind it.
const NOT_UNDERSTOOD: &str = "send one line: once, watch or follow; and nothing behind it";

/// The answer to one more who wants to follow.
const NO_PLACE: &str = "as many as may watch or follow are there";

/// What the watchers work with in a turn.
pub struct Desk<'a, T> {
    /// When the turn began.
    pub now: Moment,
    /// For the times of steps.
    pub clock: &'a Clock,
    /// The connections that are followed.
    pub follow: &'a mut Follow,
    /// Makes a frame.
    pub tell: &'a mut T,
}

/// What a frame says to one watcher alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many watchers there are.
    pub watchers: u32,
    /// How many frames this one has lost since its last.
    pub frames_lost: u64,
    /// The first turn that this one has not seen; [`u64::MAX`] if it sees its first frame.
    pub turns_from: u64,
}

enum State {
    /// Has not said what it wants.
    Asking { until: Moment, word: Vec<u8> },
    /// Gets four frames a second.
    Watching,
    /// Gets the steps of a connection.
    Following,
    /// Gets what is left to send, then the end.
    Leaving,
    /// Has nothing more to get: it has closed, or has done what it must not.
    Gone,
}

struct Watcher<S> {
    socket: S,
    place: usize,
    state: State,
    /// When it came, or last took something.
    last_heard: Moment,
    readable: bool,
    /// A send found no room, and no event has come since.
    is_blocked: bool,
    unsent: Vec<u8>,
    sent: usize,
    frames_lost: u64,
    turns_from: u64,
}

/// The room of the watchers.
pub struct Watchers<S> {
    places: [Option<Watcher<S>>; WATCHERS],
    /// When to accept: now if the queue may hold somebody, [`Moment::NEVER`] until an edge tells so.
    accept_at: Moment,
    next_frame: Moment,
    /// An event has come.
    has_news: bool,
    wake_at: Moment,
}

impl<S: Socket> Watchers<S> {
    /// An empty room.
    #[must_use]
    pub fn new() -> Watchers<S> {
        Watchers {
            places: array::from_fn(|_| None),
            accept_at: Moment::NEVER,
            next_frame: Moment::NEVER,
            has_news: false,
            wake_at: Moment::NEVER,
        }
    }

    /// An edge: somebody waits to be accepted.
    pub fn queue_filled(&mut self) {
        self.accept_at = Moment::START;
        self.has_news = true;
    }

    /// Remembers what an event tells of one of them.
    pub fn tell(&mut self, place: usize, readiness: Readiness) {
        // The watcher of an event may be gone.
        if let Some(watcher) = &mut self.places[place] {
            watcher.readable |= readiness.readable;
            watcher.is_blocked = false;
            self.has_news = true;
        }
    }

    /// Whether there is something to do now.
    #[must_use]
    pub fn have_work(&self, now: Moment) -> bool {
        self.has_news || self.wake_at <= now
    }

    /// Whether a turn has left work that no event will tell of.
    #[must_use]
    pub fn have_work_left(&self) -> bool {
        self.accept_at == Moment::START
    }

    /// When there will be something to do without an event, [`Moment::NEVER`] while nobody watches.
    #[must_use]
    pub fn wake_at(&self) -> Moment {
        self.wake_at
    }

    /// Whether it is time for a frame.
    #[must_use]
    pub fn frame_is_due(&self, now: Moment) -> bool {
        self.next_frame <= now
    }

    /// Whether somebody gets four frames a second.
    #[must_use]
    pub fn watch(&self) -> bool {
        self.places.iter().flatten().any(|watcher| matches!(watcher.state, State::Watching))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.places.iter().flatten().map(|_| 1).sum()
    }

    /// Lets newcomers in, listens to their word, and sends what is due.
    pub fn serve<K, T>(&mut self, kernel: &mut K, desk: &mut Desk<'_, T>)
    where
        K: Kernel<Socket = S>,
        T: FnMut(Told) -> Frame,
    {
        let now = desk.now;
        self.has_news = false;
        if self.accept_at <= now {
            self.accept(kernel, desk);
        }
        let frame_is_due = self.frame_is_due(now);
        for place in 0..WATCHERS {
            let Some(mut watcher) = self.places[place].take() else { continue };
            self.visit(&mut watcher, frame_is_due, desk);
            self.keep(watcher, kernel, desk.follow);
        }
        self.next_frame = if self.watch() { now.next_tick(FRAME_EVERY) } else { Moment::NEVER };
        let deadlines = self.places.iter().flatten().map(|watcher| watcher.deadline(desk.follow));
        self.wake_at = deadlines.fold(self.accept_at.min(self.next_frame), Moment::min);
    }

    /// The server has stopped: sends the last frame and the last steps, as far as there is room now.
    pub fn part<T: FnMut(Told) -> Frame>(&mut self, desk: &mut Desk<'_, T>) {
        let watchers = self.count();
        for watcher in self.places.iter_mut().flatten() {
            match watcher.state {
                State::Asking { .. } | State::Watching => watcher.push_frame(watchers, desk.tell),
                State::Following => watcher.push_steps(desk.follow),
                State::Leaving | State::Gone => {}
            }
            // No further event will tell of room that there is by now.
            watcher.is_blocked = false;
            watcher.flush(desk.now);
        }
    }

    fn accept<K, T>(&mut self, kernel: &mut K, desk: &mut Desk<'_, T>)
    where
        K: Kernel<Socket = S>,
        T: FnMut(Told) -> Frame,
    {
        for _ in 0..ACCEPTS_PER_TURN {
            let place = self.make_place(kernel, desk);
            match kernel.accept_watcher() {
                Ok(socket) => self.welcome(Watcher::new(socket, place, desk.now), kernel, desk),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = Moment::NEVER;
                    return;
                }
                Err(_) => {
                    self.accept_at = desk.now + RETRY_AFTER;
                    return;
                }
            }
        }
        self.accept_at = Moment::START;
    }

    /// Finds a free place. Where there is none, whoever does not stay and has taken nothing for the
    /// longest time has to go; if it has said no word yet, it gets its frame.
    fn make_place<K, T>(&mut self, kernel: &mut K, desk: &mut Desk<'_, T>) -> usize
    where
        K: Kernel<Socket = S>,
        T: FnMut(Told) -> Frame,
    {
        if let Some(place) = self.places.iter().position(Option::is_none) {
            return place;
        }
        let watchers = self.count();
        let visitors = self.places.iter_mut().flatten().filter(|watcher| !watcher.stays());
        let oldest = visitors.min_by_key(|watcher| watcher.last_heard);
        let oldest = oldest.expect("fewer may stay than there are places");
        if let State::Asking { .. } = oldest.state {
            oldest.push_frame(watchers, desk.tell);
            oldest.flush(desk.now);
        }
        let place = oldest.place;
        self.places[place] = None;
        kernel.watcher_left();
        place
    }

    /// Listens to a newcomer at once, because its word has often arrived already.
    fn welcome<K, T>(&mut self, mut watcher: Watcher<S>, kernel: &mut K, desk: &mut Desk<'_, T>)
    where
        K: Kernel<Socket = S>,
        T: FnMut(Told) -> Frame,
    {
        self.visit(&mut watcher, false, desk);
        if !watcher.is_gone() {
            let source = Source::Watcher(watcher.place);
            if kernel.watch(&mut watcher.socket, source).is_err() {
                watcher.state = State::Gone;
            }
        }
        self.keep(watcher, kernel, desk.follow);
    }

    /// Puts a watcher into its place, unless it is gone.
    fn keep(&mut self, watcher: Watcher<S>, kernel: &mut impl Kernel, follow: &mut Follow) {
        let place = watcher.place;
        if watcher.is_gone() {
            follow.end(place);
            drop(watcher);
            kernel.watcher_left();
        } else {
            self.places[place] = Some(watcher);
        }
    }

    /// Lets one watcher, which is not in its place meanwhile, go as far as it can.
    fn visit<T>(&mut self, watcher: &mut Watcher<S>, frame_is_due: bool, desk: &mut Desk<'_, T>)
    where
        T: FnMut(Told) -> Frame,
    {
        let watchers = self.count() + 1;
        // What is left of the line before comes first.
        watcher.flush(desk.now);
        match watcher.state {
            State::Asking { .. } => match watcher.listen(desk.now) {
                Heard::Nothing => {}
                Heard::Line(line) => self.answer(watcher, line, desk),
            },
            State::Watching if frame_is_due => watcher.offer_frame(watchers, desk.tell),
            State::Following => watcher.offer_steps(desk.now, desk.follow),
            State::Watching | State::Leaving | State::Gone => {}
        }
        watcher.look_for_end();
        watcher.flush(desk.now);
        if watcher.is_stalled(desk.now) {
            watcher.state = State::Gone;
        }
    }

    /// Gives a newcomer what it has asked for.
    fn answer<T>(&self, watcher: &mut Watcher<S>, request: Option<Request>, desk: &mut Desk<'_, T>)
    where
        T: FnMut(Told) -> Frame,
    {
        let staying = self.places.iter().flatten().filter(|other| other.stays()).count();
        let has_room = staying < WATCHERS_MAX;
        watcher.state = match request {
            Some(Request::Watch) if has_room => State::Watching,
            Some(Request::Follow) if has_room => State::Following,
            Some(_) | None => State::Leaving,
        };
        match request {
            Some(Request::Once | Request::Watch) => watcher.push_frame(self.count() + 1, desk.tell),
            Some(Request::Follow) if has_room => {
                desk.follow.begin(watcher.place, desk.clock);
                watcher.push_steps(desk.follow);
            }
            Some(Request::Follow) => watcher.refuse(NO_PLACE),
            None => watcher.refuse(NOT_UNDERSTOOD),
        }
    }
}

impl<S: Socket> Default for Watchers<S> {
    fn default() -> Watchers<S> {
        Watchers::new()
    }
}

/// What a newcomer has said.
enum Heard {
    /// Nothing yet, or not all.
    Nothing,
    /// A line; `None` if it is not understood.
    Line(Option<Request>),
}

impl<S: Socket> Watcher<S> {
    fn new(socket: S, place: usize, now: Moment) -> Watcher<S> {
        Watcher {
            socket,
            place,
            state: State::Asking { until: now + WORD_WITHIN, word: Vec::new() },
            last_heard: now,
            readable: true,
            is_blocked: false,
            unsent: Vec::new(),
            sent: 0,
            frames_lost: 0,
            turns_from: u64::MAX,
        }
    }

    /// Whether it stays until it leaves by itself.
    fn stays(&self) -> bool {
        matches!(self.state, State::Watching | State::Following)
    }

    fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// When to look at it without an event.
    fn deadline(&self, follow: &Follow) -> Moment {
        match self.state {
            State::Asking { until, .. } => until,
            State::Gone => Moment::NEVER,
            _ if !self.unsent.is_empty() => self.last_heard + STALLED_AFTER,
            State::Following if follow.is_waiting(self.place) => {
                self.last_heard + STILL_WAITS_AFTER
            }
            State::Watching | State::Following | State::Leaving => Moment::NEVER,
        }
    }

    fn is_stalled(&self, now: Moment) -> bool {
        !self.unsent.is_empty() && self.last_heard + STALLED_AFTER <= now
    }

    /// Reads until a line is whole, which takes one read if the watcher is no oddity.
    fn listen(&mut self, now: Moment) -> Heard {
        let State::Asking { until, word } = &mut self.state else {
            unreachable!("only a newcomer is listened to");
        };
        let mut input = [0; WORD_MAX_BYTES + 1];
        while mem::take(&mut self.readable) {
            match self.socket.read(&mut input) {
                // The end of the input ends a line too. The watcher may still read.
                Ok(0) => return Heard::Line(Request::parse(word)),
                Ok(count) => {
                    self.readable = true;
                    word.extend_from_slice(&input[..count]);
                    if let Some(line) = word.strip_suffix(b"\n") {
                        return Heard::Line(Request::parse(line));
                    }
                    if word.len() > WORD_MAX_BYTES || word.contains(&b'\n') {
                        return Heard::Line(None);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {}
                    ErrorKind::Interrupted => self.readable = true,
                    _ => {
                        self.state = State::Gone;
                        return Heard::Nothing;
                    }
                },
            }
        }
        if *until <= now { Heard::Line(Some(Request::Watch)) } else { Heard::Nothing }
    }

    /// Behind its line a watcher says nothing but its end, after which it may still read.
    fn look_for_end(&mut self) {
        while self.stays() && mem::take(&mut self.readable) {
            match self.socket.read(&mut [0]) {
                Ok(0) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => self.readable = true,
                Ok(_) | Err(_) => self.state = State::Gone,
            }
        }
    }

    /// A frame is due. It is lost if the one before has not been taken whole.
    fn offer_frame(&mut self, watchers: u32, tell: &mut impl FnMut(Told) -> Frame) {
        if self.unsent.is_empty() {
            self.push_frame(watchers, tell);
        } else {
            self.frames_lost += 1;
        }
    }

    fn push_frame(&mut self, watchers: u32, tell: &mut impl FnMut(Told) -> Frame) {
        let (frames_lost, turns_from) = (mem::take(&mut self.frames_lost), self.turns_from);
        let frame = tell(Told { watchers, frames_lost, turns_from });
        // The present turn is not over.
        self.turns_from = frame.tally.turns;
        self.push_line(&frame);
    }

    /// Steps are due if those before were taken whole.
    fn offer_steps(&mut self, now: Moment, follow: &mut Follow) {
        if self.unsent.is_empty() {
            if self.deadline(follow) <= now {
                follow.still_waits(self.place);
            }
            self.push_steps(follow);
        }
    }

    fn push_steps(&mut self, follow: &mut Follow) {
        for line in follow.take_lines(self.place) {
            self.push_line(&line);
        }
        if follow.is_over(self.place) {
            self.state = State::Leaving;
        }
    }

    fn refuse(&mut self, error: &str) {
        self.push_line(&Refusal { error });
    }

    fn push_line(&mut self, line: &impl Serialize) {
        serde_json::to_writer(&mut self.unsent, line).expect("a line has only plain values");
        self.unsent.push(b'\n');
    }

    fn flush(&mut self, now: Moment) {
        while self.sent < self.unsent.len() && !self.is_blocked {
            match self.socket.send(&self.unsent[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.last_heard = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.state = State::Gone;
                    return;
                }
            }
        }
        if self.is_blocked {
            return;
        }
        (self.unsent, self.sent) = (Vec::new(), 0);
        if let State::Leaving = self.state {
            self.state = State::Gone;
        }
    }
}

/// The line that is no frame and no step.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}
