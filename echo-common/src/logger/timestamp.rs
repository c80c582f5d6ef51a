//! The time of a log line, in UTC.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Length of `2020-04-10 23:10:54`, in bytes.
pub(super) const SECONDS_BYTES: usize = 19;
/// Length of `2020-04-10T23:10:54.123Z`, in bytes.
pub(super) const MILLIS_BYTES: usize = SECONDS_BYTES + 5;

/// The time since 1970.
pub(super) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// The same as of the last tick of the kernel's clock, some milliseconds ago. It is good enough for
/// seconds, and costs a fifth.
pub(super) fn last_tick() -> Duration {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    Duration::from_secs(time.tv_sec.try_into().unwrap_or_default())
}

/// As Python's `logging` writes a time, without its fraction: `2020-04-10 23:10:54`.
///
/// Formatting a date costs more than the rest of the line, so the text is kept for its second.
pub(super) fn seconds(time: Duration) -> [u8; SECONDS_BYTES] {
    thread_local! {
        static LAST: Cell<(u64, [u8; SECONDS_BYTES])> =
            const { Cell::new((u64::MAX, [b'?'; SECONDS_BYTES])) };
    }
    let second = time.as_secs();
    let (last_second, last) = LAST.get();
    if last_second == second {
        return last;
    }
    let fresh = write_seconds(second);
    LAST.set((second, fresh));
    fresh
}

fn write_seconds(second: u64) -> [u8; SECONDS_BYTES] {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let mut timestamp = [b'?'; SECONDS_BYTES];
    timestamp.copy_from_slice(&text.as_bytes()[..SECONDS_BYTES]);
    timestamp[10] = b' ';
    timestamp
}

/// As RFC 3339 has it, with milliseconds: `2020-04-10T23:10:54.123Z`.
pub(super) fn millis(time: Duration) -> [u8; MILLIS_BYTES] {
    let mut timestamp = *b"0000-00-00T00:00:00.000Z";
    timestamp[..SECONDS_BYTES].copy_from_slice(&seconds(time));
    timestamp[10] = b'T';
    let mut rest = time.subsec_millis();
    for digit in timestamp[SECONDS_BYTES + 1..][..3].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    timestamp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_seconds() {
        for (second, expected) in [
            (0, b"1970-01-01 00:00:00"),
            (1_586_560_254, b"2020-04-10 23:10:54"),
            (1_586_560_254, b"2020-04-10 23:10:54"),
            (1_586_560_255, b"2020-04-10 23:10:55"),
        ] {
            assert_eq!(&seconds(Duration::from_secs(second)), expected);
        }
    }

    #[test]
    fn times_in_milliseconds() {
        for (millisecond, expected) in [
            (0, b"1970-01-01T00:00:00.000Z"),
            (1_586_560_254_007, b"2020-04-10T23:10:54.007Z"),
            (1_586_560_254_999, b"2020-04-10T23:10:54.999Z"),
        ] {
            assert_eq!(&millis(Duration::from_millis(millisecond)), expected);
        }
    }
}
