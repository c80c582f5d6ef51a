//! What the server tells of itself on its status port: one JSON object a line.
//!
//! The server writes these types, and the terminal view and `echo-scope` read them. The fields'
//! meaning and units are in `docs/status.md`; a test holds that document and these types together.
//!
//! All times are in microseconds. All counts are totals since the server's start, unless they say
//! otherwise, so that a watcher who has missed a frame has missed nothing but its moment.

mod follow;
mod frame;
mod reader;
mod tally;

pub use follow::{Call, Readiness, Step, StepLine};
pub use frame::{
    Accepting, Delay, Drain, Exit, Frame, Measured, Open, Percentiles, Phase, Phases, Server, Turn,
    WokenBy,
};
pub use reader::Lines;
pub use tally::{Budgets, Closed, Deadlines, Events, Log, Moves, Pauses, Tally, Woken};

/// The version of the lines. It grows when a field changes its meaning or goes; a new field is no new version.
pub const VERSION: u32 = 1;

/// What a watcher may ask for, in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// One frame, then the end.
    Once,
    /// A frame at once, and then four a second. This is also the answer to silence.
    Watch,
    /// The next connection that is accepted, step by step.
    Follow,
}

impl Request {
    /// The request in a line, without its newline. `None` if it is no known word.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Request> {
        match line.trim_ascii() {
            b"once" => Some(Request::Once),
            b"watch" | b"" => Some(Request::Watch),
            b"follow" => Some(Request::Follow),
            _ => None,
        }
    }

    /// The word, as a watcher sends it before a newline.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Request::Once => "once",
            Request::Watch => "watch",
            Request::Follow => "follow",
        }
    }
}
