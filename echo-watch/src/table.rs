//! A line a second, as vmstat prints it: for a file, a pipe, or a terminal that knows no cursor.

use echo_status::{Frame, Phase};

use crate::figures::{SECOND_US, scaled};
use crate::history::History;
use crate::notes::notes;
use crate::screen::Contact;

/// After so many lines the heading comes again.
const LINES_PER_HEADING: u64 = 20;
/// Four frames are about a second apart, and may be a little less.
const ABOUT_A_SECOND_US: u64 = 900_000;

const HEADING: &str =
    "time        open  flush linger  turns  events messages accepted     KiB idle%   maxus  note";

/// The lines, as they come due.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Lines since the heading came first.
    lines: u64,
    /// The frame of the line before, or the first one of this life: each line counts from there.
    since: Option<Frame>,
    is_cut_off: bool,
}

impl Table {
    /// What is to be printed now: a line, with the heading above it when that is due, or nothing.
    pub(crate) fn next(&mut self, history: &History, contact: &Contact) -> String {
        if let Some(sentence) = contact.sentence() {
            let is_said = std::mem::replace(&mut self.is_cut_off, true);
            return if is_said { String::new() } else { format!("! {sentence}\n") };
        }
        let now = history.now();
        let since = self.since.get_or_insert_with(|| now.clone());
        let mut both = History::new(since.clone());
        both.add(now.clone());
        if !both.has_rates() && since != now {
            // Another life. Its first line waits for a second that it can tell of.
            *since = now.clone();
        }
        let is_due = match now.phase {
            Phase::Running | Phase::Leaving => both.window_us() >= ABOUT_A_SECOND_US,
            // A drain is short: every frame counts.
            Phase::Draining | Phase::Stopped => both.has_rates(),
        };
        if !is_due {
            return String::new();
        }
        *since = now.clone();
        if std::mem::take(&mut self.is_cut_off) {
            self.lines = 0;
        }
        let heading = self.lines.is_multiple_of(LINES_PER_HEADING).then_some(HEADING);
        self.lines += 1;
        let note = notes(history).first().map_or("", |note| note.word);
        let line = line(&both, note);
        heading.map_or_else(|| format!("{line}\n"), |heading| format!("{heading}\n{line}\n"))
    }
}

/// A line about the time between two frames.
///
/// Numbers are plain, so that other programs can read them. A dash stands where nothing is known.
fn line(both: &History, note: &str) -> String {
    let now = both.now();
    let rate = |number: u64| scaled(number, SECOND_US, both.window_us());
    let measured = now.last_second.as_ref();
    let asleep = measured.map_or("-".to_owned(), |second| {
        scaled(second.asleep_us, 100, second.us).min(100).to_string()
    });
    let longest = measured.map_or("-".to_owned(), |second| second.turn_us.max.to_string());
    let events = both.grown(|tally| {
        let events = &tally.events;
        events.connection + events.listener + events.status + events.stale
    });
    let line = format!(
        "{}{:>8}{:>7}{:>7}{:>7}{:>8}{:>9}{:>9}{:>8}{:>6}{:>8}  {note}",
        time_of_day(now.server.started_unix_us.saturating_add(now.uptime_us)),
        now.open.total,
        now.open.flushing,
        now.open.lingering,
        rate(both.grown(|tally| tally.turns)),
        rate(events),
        rate(both.grown(|tally| tally.messages)),
        rate(both.grown(|tally| tally.accepted)),
        rate(both.grown(|tally| tally.bytes_in) / 1024),
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
    use std::time::Duration;

    use crate::samples::{at, busy, second};

    fn frame(uptime_us: u64, phase: Phase) -> Frame {
        Frame { phase, ..at(uptime_us) }
    }

    #[test]
    fn a_line_comes_each_second_and_its_heading_after_twenty() {
        let mut table = Table::default();
        let mut history = History::new(at(0));
        let mut printed = table.next(&history, &Contact::Live);
        for frames in 1..=21 * 4 {
            history.add(at(frames * 249_000));
            printed += &table.next(&history, &Contact::Live);
            // Nothing has come meanwhile.
            assert_eq!(table.next(&history, &Contact::Live), "");
        }
        let lines: Vec<&str> = printed.lines().collect();
        let headings: Vec<usize> =
            (0..lines.len()).filter(|place| lines[*place] == HEADING).collect();
        assert_eq!((lines.len(), headings), (23, vec![0, 21]));
    }

    #[test]
    fn every_frame_of_a_drain_has_its_line() {
        let mut table = Table::default();
        let mut history = History::new(at(0));
        table.next(&history, &Contact::Live);
        for (us, phase) in
            [(250_000, Phase::Draining), (500_000, Phase::Draining), (530_000, Phase::Stopped)]
        {
            history.add(frame(us, phase));
            assert!(table.next(&history, &Contact::Live).ends_with('\n'), "{us}");
        }
    }

    #[test]
    fn a_server_that_goes_and_comes_back_is_told_of_once_each() {
        let mut table = Table::default();
        let mut history = History::new(at(0));
        table.next(&history, &Contact::Live);
        history.add(at(1_000_000));
        assert_eq!(table.next(&history, &Contact::Live).lines().count(), 2);
        let gone = Contact::Gone(Duration::ZERO, "connection refused".to_owned());
        let told = "! the server is gone (connection refused): this view goes on when it is back\n";
        assert_eq!(table.next(&history, &gone), told);
        assert_eq!(table.next(&history, &gone), "");
        let mut restarted = at(0);
        restarted.server.started_unix_us += 60_000_000;
        history.add(restarted.clone());
        assert_eq!(table.next(&history, &Contact::Live), "");
        history.add(Frame { uptime_us: 1_000_000, ..restarted });
        assert!(table.next(&history, &Contact::Live).starts_with(HEADING));
        let silent = Contact::Silent(Duration::ZERO);
        assert!(table.next(&history, &silent).starts_with("! no frame comes"));
    }

    #[test]
    fn a_line_stands_below_its_heading() {
        for (history, note, line_of_it) in [
            (
                busy(),
                "back-pressure",
                "19:45:07     412     21      2   1204    9310     9102      312     610    63    2100  back-pressure",
            ),
            (
                second(|frame| frame.tally.turns = 5),
                "",
                "19:45:07       0      0      0      5       0        0        0       0     -       -",
            ),
        ] {
            let mut frame = history.now().clone();
            frame.server.started_unix_us = (1_764_115_200 + 71_107) * SECOND_US - frame.uptime_us;
            let mut earlier = history.first().clone();
            earlier.server.started_unix_us = frame.server.started_unix_us;
            let mut both = History::new(earlier);
            both.add(frame);
            assert_eq!(line(&both, note), line_of_it);
        }
        let (first, _) = HEADING.split_once("  note").expect("a note is the last column");
        for (end, number) in [(first.len(), "2100"), (HEADING.find("idle%").unwrap() + 5, "63")] {
            assert!(line(&busy(), "")[..end].ends_with(number), "{number}");
        }
    }

    #[test]
    fn the_lines_together_tell_of_everything() {
        let mut table = Table::default();
        let mut history = History::new(at(0));
        table.next(&history, &Contact::Live);
        let mut messages = 0;
        for frames in 1..=9 {
            let mut frame = at(frames * 250_000);
            // Some of them in each quarter of a second.
            frame.tally.messages = frames * 100;
            history.add(frame);
            let printed = table.next(&history, &Contact::Live);
            let lines = printed.lines().filter(|line| *line != HEADING);
            messages += lines
                .map(|line| line.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap())
                .sum::<u64>();
        }
        assert_eq!(messages, 800);
    }
}
