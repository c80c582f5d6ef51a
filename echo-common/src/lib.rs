//! What both programs need around their job, and nothing of the job itself.
//!
//! Reading order, from the outside in:
//!
//! 1. [`start()`]: from the command line to settings, or to an exit code
//! 2. [`arguments`]: the options; [`help`]: what `--help` prints
//! 3. [`settings`]: defaults, then the file, then the environment
//! 4. [`setting`]: one key, its value and what it allows
//! 5. [`logger`]: the form of a log line
//! 6. [`repr`]: bytes and addresses written as Python writes them
//!
//! # Who knows whom
//!
//! A module uses only the modules behind its colon, all of which stand below it. A test checks this.
//!
//! ```text
//! start: arguments, help, settings
//! help: arguments, settings, text
//! arguments: repr
//! settings: logger, repr, setting, text
//! setting:
//! logger:
//! repr:
//! text:
//! ```
//!
//! There is no protocol in here: server and client share none, so that each can judge the other.

#![warn(missing_docs)]

pub mod arguments;
pub mod help;
pub mod logger;
pub mod repr;
pub mod setting;
pub mod settings;
mod start;
mod text;

pub use start::{USAGE_ERROR, fail, start};
