//! The section `log`, which all programs read.

use super::Section;
use crate::logger::{Filter, Format};
use crate::setting::{Setting, key};

/// The variable of `log.level`. Rust programs expect this name; [`Filter`] has the syntax.
pub(super) const LEVEL_VARIABLE: &str = "RUST_LOG";

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Which lines are logged, for [`crate::logger::init`].
    pub level: Filter,
    /// The form of the lines, for the same.
    pub format: Format,
    /// How many lines about single messages the server logs in a second; 0 is no limit.
    pub message_lines_per_second: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Filter::default(),
            format: Format::default(),
            message_lines_per_second: 10_000,
        }
    }
}

impl Section for Log {
    const NAME: &'static str = "log";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let formats = &[("text", Format::Text), ("json", Format::Json)];
        vec![
            key("level", "Lines of this level and of more serious levels are logged.")
                .variable(LEVEL_VARIABLE)
                .parsed(&mut self.level, Filter::ALLOWED),
            key("format", "text: lines for people. json: one JSON object a line, for programs.")
                .choice(&mut self.format, formats),
            key(
                "message_lines_per_second",
                "The server logs at most this many lines about single messages in a second, and \
                 one line that counts the rest. 0 is no limit.",
            )
            .whole(&mut self.message_lines_per_second, 0..=1_000_000_000),
        ]
    }
}
