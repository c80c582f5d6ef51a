//! A line a second, as vmstat prints it: for a file, a pipe, or a terminal that knows no cursor.

use crate::figures::{SECOND_US, scaled};
use crate::history::History;
use crate::notes::notes;

/// After so many lines the heading comes again.
pub(crate) const LINES_PER_HEADING: u64 = 20;

pub(crate) const HEADING: &str =
    "time        open  flush linger  turns  events messages accepted     KiB idle%   maxus  note";

/// The last second in one line; `unix_us` is the time of day.
///
/// Numbers are plain, so that other programs can read them. A dash stands where nothing is known yet.
pub(crate) fn line(history: &History, unix_us: u64) -> String {
    let now = history.now();
    let rate = |number: u64| match history.has_rates() {
        true => scaled(number, SECOND_US, history.window_us()).to_string(),
        false => "-".to_owned(),
    };
    let measured = now.last_second.as_ref();
    let asleep = measured.map_or("-".to_owned(), |second| {
        scaled(second.asleep_us, 100, second.us).min(100).to_string()
    });
    let longest = measured.map_or("-".to_owned(), |second| second.turn_us.max.to_string());
    let events = history.grown(|tally| {
        let events = &tally.events;
        events.connection + events.listener + events.status + events.stale
    });
    let note = notes(history).first().map_or("", |note| note.word);
    let line = format!(
        "{}{:>8}{:>7}{:>7}{:>7}{:>8}{:>9}{:>9}{:>8}{:>6}{:>8}  {note}",
        time_of_day(unix_us),
        now.open.total,
        now.open.flushing,
        now.open.lingering,
        rate(history.grown(|tally| tally.turns)),
        rate(events),
        rate(history.grown(|tally| tally.messages)),
        rate(history.grown(|tally| tally.accepted)),
        rate(history.grown(|tally| tally.bytes_in) / 1024),
        asleep,
        longest,
    );
    line.trim_end().to_owned()
}

/// `19:45:07`, in UTC as the log.
fn time_of_day(unix_us: u64) -> String {
    let seconds = unix_us / SECOND_US % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, busy, second};

    #[test]
    fn a_line_stands_below_its_heading() {
        for (history, line_of_it) in [
            (
                busy(),
                "19:45:07     412     21      2   1204    9310     9102      312     610    63    2100  back-pressure",
            ),
            (
                second(|frame| frame.tally.turns = 5),
                "19:45:07       0      0      0      5       0        0        0       0     -       -  quiet",
            ),
            (
                History::new(at(0)),
                "19:45:07       0      0      0      -       -        -        -       -     -       -",
            ),
        ] {
            assert_eq!(line(&history, (1_764_172_800 + 71_107) * SECOND_US), line_of_it);
        }
        let (first, _) = HEADING.split_once("  note").expect("a note is the last column");
        for (end, number) in [(first.len(), "2100"), (HEADING.find("idle%").unwrap() + 5, "63")] {
            assert!(line(&busy(), 0)[..end].ends_with(number), "{number}");
        }
    }
}
