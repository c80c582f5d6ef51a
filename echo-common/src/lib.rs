//! What all programs need around their job, and nothing of the job itself.
//!
//! Reading order, from the outside in:
//!
//! 1. [`start()`]: from the command line to settings, or to an exit code
//! 2. [`arguments`]: the options; [`help`]: what `--help` prints
//! 3. [`settings`]: defaults, then the file, then the environment, then the flags
//! 4. [`setting`]: one key, its sentence, its value and its limits
//! 5. [`logger`]: the form of a log line, text or JSON
//! 6. [`repr`]: bytes and addresses as Python writes them
//! 7. [`host_port`]: where another program is
//!
//! # Who knows whom
//!
//! Each module uses only the modules behind its colon, all of them below it. A test checks this.
//!
//! ```text
//! start: arguments, help, settings
//! help: arguments, settings, text
//! arguments: repr
//! settings: logger, repr, setting, text
//! setting:
//! host_port:
//! logger:
//! repr:
//! text:
//! ```
//!
//! There is no protocol in here: the programs share no code for it, so each can judge the other.

#![warn(missing_docs)]

pub mod arguments;
pub mod help;
pub mod host_port;
pub mod logger;
pub mod repr;
pub mod setting;
pub mod settings;
mod start;
mod text;

pub use start::{USAGE_ERROR, fail, read_arguments, read_settings, start, tell_unless_logged};
