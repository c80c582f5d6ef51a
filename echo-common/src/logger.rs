//! The form of a log line: `2020-04-10 23:10:54 INFO     text`.
//!
//! Time is UTC. The level is padded as by Python's `%-8s`. Levels and filters are `env_logger`'s.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use env_logger::Builder;
use log::{LevelFilter, Record};

pub use env_logger::Target;

/// Length of `2020-04-10 23:10:54`, in bytes.
const TIMESTAMP_BYTES: usize = 19;
/// Length of the part before the text, in bytes: time, a space, the level padded to 8, a space.
const PREFIX_BYTES: usize = TIMESTAMP_BYTES + 1 + 8 + 1;

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
pub fn init(filter: &Filter, target: Target) {
    Builder::new().parse_filters(&filter.0).target(target).format(write_line).init();
}

/// Pads the level by hand: `format_args!` would take as long for that as for the rest of the line.
fn write_line(line: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let level = record.level().as_str().as_bytes();
    let mut prefix = [b' '; PREFIX_BYTES];
    prefix[..TIMESTAMP_BYTES].copy_from_slice(&timestamp(since_epoch.as_secs()));
    prefix[TIMESTAMP_BYTES + 1..][..level.len()].copy_from_slice(level);
    line.write_all(&prefix)?;
    line.write_fmt(*record.args())?;
    line.write_all(b"\n")
}

/// Formatting a date costs more than the rest of the line, so the text is kept for its second.
fn timestamp(second: u64) -> [u8; TIMESTAMP_BYTES] {
    thread_local! {
        static LAST: Cell<(u64, [u8; TIMESTAMP_BYTES])> =
            const { Cell::new((u64::MAX, [b'?'; TIMESTAMP_BYTES])) };
    }
    let (last_second, last) = LAST.get();
    if last_second == second {
        return last;
    }
    let fresh = write_timestamp(second);
    LAST.set((second, fresh));
    fresh
}

fn write_timestamp(second: u64) -> [u8; TIMESTAMP_BYTES] {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let mut timestamp = [b'?'; TIMESTAMP_BYTES];
    timestamp.copy_from_slice(&text.as_bytes()[..TIMESTAMP_BYTES]);
    timestamp[10] = b' ';
    timestamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn timestamps() {
        assert_eq!(&timestamp(0), b"1970-01-01 00:00:00");
        assert_eq!(&timestamp(1_586_560_254), b"2020-04-10 23:10:54");
        assert_eq!(&timestamp(1_586_560_254), b"2020-04-10 23:10:54");
        assert_eq!(&timestamp(1_586_560_255), b"2020-04-10 23:10:55");
    }

    #[test]
    fn the_line_is_padded_as_by_python() {
        for (level, padded) in
            [(Level::Error, "ERROR   "), (Level::Warn, "WARN    "), (Level::Info, "INFO    ")]
        {
            let mut line = Vec::new();
            let record = Record::builder().level(level).args(format_args!("text")).build();
            write_line(&mut line, &record).expect("a vector takes all");
            let line = String::from_utf8(line).expect("text");
            assert_eq!(&line[TIMESTAMP_BYTES..], format!(" {padded} text\n"));
        }
    }

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
