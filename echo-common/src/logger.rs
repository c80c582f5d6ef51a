//! The form of a log line, and which lines are logged.
//!
//! Levels and filters are `env_logger`'s. A program writes each line once, in its log catalogue, as a
//! text with key-value pairs beside it; either is what the log shows.

mod json;
mod text;
mod timestamp;

use std::fmt;
use std::str::FromStr;

use env_logger::Builder;
use log::LevelFilter;

pub use env_logger::Target;

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2020-04-10 23:10:54 INFO     text`, for people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Which lines are logged: a level, or a list of levels and of `target=level`. The list may end
/// with `/` and a text, which a line must then contain.
///
/// This is the syntax of `env_logger` without its bare `target`: a mistyped level, such as `inof`,
/// would count as a target and silence the whole program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// What a filter may be; it completes the sentence "the value must be …".
    pub const ALLOWED: &str =
        "a level (off, error, warn, info, debug, trace) or a list such as info,echo_client=debug";
}

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for Filter {
    type Err = ();

    /// A filter is printed on one line, so it has no control characters.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(level) = text.parse::<LevelFilter>() {
            return Ok(Self(level.as_str().to_lowercase()));
        }
        let (parts, pattern) = text.split_once('/').unwrap_or((text, ""));
        let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
        let is_filter = !pattern.contains('/')
            && !text.contains(char::is_control)
            && parts.split(',').all(|part| match part.split_once('=') {
                Some((target, level)) => !target.trim().is_empty() && is_level(level),
                None => is_level(part),
            });
        is_filter.then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Starts logging to `target`. Call it once.
///
/// # Panics
/// When it is called a second time.
pub fn init(filter: &Filter, format: Format, target: Target) {
    let mut builder = Builder::new();
    builder.parse_filters(&filter.0).target(target);
    match format {
        Format::Text => builder.format(text::write_line),
        Format::Json => builder.format(json::write_line),
    };
    builder.init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (text, expected) in [
            ("info", "info"),
            ("OFF", "off"),
            ("echo_reactor=debug", "echo_reactor=debug"),
            ("warn, echo_client=TRACE", "warn, echo_client=TRACE"),
            ("info/closed", "info/closed"),
        ] {
            assert_eq!(
                text.parse::<Filter>().map(|filter| filter.to_string()),
                Ok(expected.into())
            );
        }
        for text in [
            "",
            " ",
            "inof",
            "echo_reactor",
            "a=",
            "=info",
            "a=b=info",
            "info,,warn",
            "info/a/b",
            "info/a\nb",
        ] {
            assert_eq!(text.parse::<Filter>(), Err(()), "{text:?}");
        }
    }
}
