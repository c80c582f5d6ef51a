//! The live view of the echo server for its readers in a terminal: what its status port tells, in the
//! forms that people read.
//!
//! It knows the lines of the status port ([`echo_status`]) and nothing else of the server. The page of
//! `echo-scope` shows the same [`notes`], so that what the frames mean is said once.
//!
//! # Reading order
//!
//! | module | what it answers |
//! |---|---|
//! | `sight` | what the user asks to see |
//! | `health` | whether the server runs |
//! | `watch` | what is shown, and for how long; the two threads |
//! | `screen` | the whole picture, as lines that fit a terminal |
//! | `table` | a line a second |
//! | `steps` | one connection, step by step |
//! | `notes` | what the frames mean: the lines with `!` |
//! | `history` | rates: the differences of frames |
//! | `feed` | lines from a server that may go and come back |
//! | `output` | the terminal, and how it is given back |
//! | `text`, `figures` | lines that fit, numbers that can be read |
//! | `trouble` | why a view ends before its time |
//!
//! # Who knows whom
//!
//! Each module uses only the modules after its colon, all of which stand below it. A test checks this.
//!
//! ```text
//! sight: health, trouble, watch
//! watch: feed, history, notes, output, screen, steps, table, text, trouble
//! health: feed, trouble
//! feed: trouble
//! output: screen, text
//! table: figures, history, notes, screen
//! steps: figures, text
//! screen: figures, history, notes, text
//! notes: figures, history
//! history: figures
//! trouble: figures
//! text:
//! figures:
//! ```

#![warn(missing_docs)]

mod feed;
mod figures;
mod health;
pub mod history;
pub mod notes;
mod output;
#[cfg(test)]
mod samples;
mod screen;
mod sight;
mod steps;
mod table;
mod text;
mod trouble;
mod watch;

pub use sight::{SWITCHES, Sight, look};
pub use trouble::Trouble;
pub use watch::View;
