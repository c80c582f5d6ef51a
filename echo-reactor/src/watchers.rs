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

use crate::deadlines::Moment;
use crate::kernel::{Kernel, Socket};
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

/// A watcher that has taken nothing for this time, although there was something to take, has to go.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// The answer to a word that is unknown, or has something behind it.
const NOT_UNDERSTOOD: &str =
    "{\"error\":\"send one line: once, watch or follow; and nothing behind it\"}\n";

/// What a frame says to one watcher alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many watchers there are.
    pub watchers: u32,
    /// How many frames this one has lost since its last.
    pub frames_lost: u64,
}

enum State {
    /// Has not said what it wants.
    Asking { until: Moment, word: Vec<u8> },
    /// Gets four frames a second.
    Watching,
    /// Gets what is left to send, then the end.
    Leaving,
    /// Has nothing more to get: it has closed, or has done what it must not.
    Gone,
}

struct Watcher<S> {
    socket: S,
    state: State,
    /// When it came, or last took something.
    last_heard: Moment,
    readable: bool,
    unsent: Vec<u8>,
    sent: usize,
    frames_lost: u64,
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

    /// Whether somebody gets frames.
    #[must_use]
    pub fn watch(&self) -> bool {
        self.places.iter().flatten().any(Watcher::stays)
    }

    /// Lets newcomers in, listens to their word, and sends what is due.
    pub fn serve<K: Kernel<Socket = S>>(
        &mut self,
        kernel: &mut K,
        now: Moment,
        tell: &mut impl FnMut(Told) -> Frame,
    ) {
        self.has_news = false;
        if self.accept_at <= now {
            self.accept(kernel, now, tell);
        }
        let frame_is_due = self.next_frame <= now;
        for place in 0..WATCHERS {
            let Some(mut watcher) = self.places[place].take() else { continue };
            self.visit(&mut watcher, frame_is_due, now, tell);
            self.keep(place, watcher, kernel);
        }
        self.next_frame = if self.watch() { now.next_tick(FRAME_EVERY) } else { Moment::NEVER };
        let deadlines = self.places.iter().flatten().map(Watcher::deadline);
        self.wake_at = deadlines.fold(self.accept_at.min(self.next_frame), Moment::min);
    }

    /// The server has stopped: sends the last frame, as far as there is room for it now.
    pub fn part(&mut self, now: Moment, tell: &mut impl FnMut(Told) -> Frame) {
        let watchers = self.count();
        for watcher in self.places.iter_mut().flatten() {
            if let State::Asking { .. } | State::Watching = watcher.state {
                watcher.push_frame(watchers, tell);
                watcher.flush(now);
            }
        }
    }

    fn accept<K: Kernel<Socket = S>>(
        &mut self,
        kernel: &mut K,
        now: Moment,
        tell: &mut impl FnMut(Told) -> Frame,
    ) {
        for _ in 0..ACCEPTS_PER_TURN {
            self.make_place(kernel, now, tell);
            match kernel.accept_watcher() {
                Ok(socket) => self.welcome(Watcher::new(socket, now), kernel, now, tell),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = Moment::NEVER;
                    return;
                }
                Err(_) => {
                    self.accept_at = now + RETRY_AFTER;
                    return;
                }
            }
        }
        self.accept_at = Moment::START;
    }

    /// Listens to a newcomer at once, because its word has often arrived already.
    fn welcome<K: Kernel<Socket = S>>(
        &mut self,
        mut watcher: Watcher<S>,
        kernel: &mut K,
        now: Moment,
        tell: &mut impl FnMut(Told) -> Frame,
    ) {
        let place = self.places.iter().position(Option::is_none).expect("a place was made");
        self.visit(&mut watcher, false, now, tell);
        if !matches!(watcher.state, State::Gone)
            && kernel.watch(&mut watcher.socket, Source::Watcher(place)).is_err()
        {
            watcher.state = State::Gone;
        }
        self.keep(place, watcher, kernel);
    }

    /// Where no place is free, who has kept silent for the longest time gets its frame now, and goes.
    fn make_place<K: Kernel<Socket = S>>(
        &mut self,
        kernel: &mut K,
        now: Moment,
        tell: &mut impl FnMut(Told) -> Frame,
    ) {
        if self.places.iter().any(Option::is_none) {
            return;
        }
        let watchers = self.count();
        let visitors = self.places.iter_mut().flatten().filter(|watcher| !watcher.stays());
        let oldest = visitors.min_by_key(|watcher| watcher.last_heard);
        let watcher = oldest.expect("fewer may stay than there are places");
        if let State::Asking { .. } = watcher.state {
            watcher.push_frame(watchers, tell);
            watcher.flush(now);
        }
        watcher.state = State::Gone;
        self.let_go(kernel);
    }

    /// Drops whoever is gone, and keeps the descriptor for the next.
    fn let_go(&mut self, kernel: &mut impl Kernel) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|watcher| matches!(watcher.state, State::Gone)) {
                *place = None;
                kernel.watcher_left();
            }
        }
    }

    fn keep(&mut self, place: usize, watcher: Watcher<S>, kernel: &mut impl Kernel) {
        if let State::Gone = watcher.state {
            drop(watcher);
            kernel.watcher_left();
        } else {
            self.places[place] = Some(watcher);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.places.iter().flatten().map(|_| 1).sum()
    }

    /// Lets one watcher, who is not in its place, go as far as it can.
    fn visit(
        &mut self,
        watcher: &mut Watcher<S>,
        frame_is_due: bool,
        now: Moment,
        tell: &mut impl FnMut(Told) -> Frame,
    ) {
        let watchers = self.count() + 1;
        if let State::Asking { .. } = watcher.state {
            match watcher.listen(now) {
                Heard::Nothing => {}
                Heard::Word(Some(Request::Watch)) => {
                    let staying = self.places.iter().flatten().filter(|other| other.stays());
                    let has_room = staying.count() < WATCHERS_MAX;
                    watcher.state = if has_room { State::Watching } else { State::Leaving };
                    watcher.push_frame(watchers, tell);
                }
                Heard::Word(Some(Request::Once | Request::Follow)) => {
                    watcher.state = State::Leaving;
                    watcher.push_frame(watchers, tell);
                }
                Heard::Word(None) => {
                    watcher.state = State::Leaving;
                    watcher.unsent.extend_from_slice(NOT_UNDERSTOOD.as_bytes());
                }
            }
        } else {
            watcher.look_for_end();
            if frame_is_due && matches!(watcher.state, State::Watching) {
                watcher.offer_frame(watchers, tell);
            }
        }
        watcher.flush(now);
        if now >= watcher.deadline() {
            watcher.state = State::Gone;
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
    Word(Option<Request>),
}

impl<S: Socket> Watcher<S> {
    fn new(socket: S, now: Moment) -> Watcher<S> {
        Watcher {
            socket,
            state: State::Asking { until: now + WORD_WITHIN, word: Vec::new() },
            last_heard: now,
            readable: true,
            unsent: Vec::new(),
            sent: 0,
            frames_lost: 0,
        }
    }

    /// Whether it stays until it leaves by itself.
    fn stays(&self) -> bool {
        matches!(self.state, State::Watching)
    }

    /// When to look at it without an event.
    fn deadline(&self) -> Moment {
        match self.state {
            State::Asking { until, .. } => until,
            State::Watching | State::Leaving if self.unsent.is_empty() => Moment::NEVER,
            State::Watching | State::Leaving => self.last_heard + STALLED_AFTER,
            State::Gone => Moment::NEVER,
        }
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
                Ok(0) => return Heard::Word(Request::parse(word)),
                Ok(count) => {
                    word.extend_from_slice(&input[..count]);
                    if let Some(line) = word.strip_suffix(b"\n") {
                        return Heard::Word(Request::parse(line));
                    }
                    if word.len() > WORD_MAX_BYTES || word.contains(&b'\n') {
                        return Heard::Word(None);
                    }
                    self.readable = true;
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
        if *until <= now { Heard::Word(Some(Request::Watch)) } else { Heard::Nothing }
    }

    /// Behind its word a watcher says nothing but its end, after which it may still read.
    fn look_for_end(&mut self) {
        while mem::take(&mut self.readable) {
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
        let told = Told { watchers, frames_lost: mem::take(&mut self.frames_lost) };
        serde_json::to_writer(&mut self.unsent, &tell(told))
            .expect("a frame has only plain values");
        self.unsent.push(b'\n');
    }

    fn flush(&mut self, now: Moment) {
        while self.sent < self.unsent.len() {
            match self.socket.send(&self.unsent[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    self.last_heard = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.state = State::Gone;
                    return;
                }
            }
        }
        (self.unsent, self.sent) = (Vec::new(), 0);
        if let State::Leaving = self.state {
            self.state = State::Gone;
        }
    }
}
