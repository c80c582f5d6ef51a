//! The summary of a run, on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use echo_bench::plot::axis::with_commas;
use echo_bench::table::Table;

use crate::faults::Fault;
use crate::flat::Growth;
use crate::record::{Ending, Record};
use crate::script::Kind;

/// What is wrong with a run, in one line; `None` if nothing is.
#[must_use]
pub fn complaint(record: &Record) -> Option<String> {
    let not_flat = || Growth::of(&record.quiet_points)?.complaint();
    match &record.ending {
        Ending::Violation(what) => Some(what.clone()),
        Ending::Whole => not_flat(),
        Ending::Interrupted => Some(not_flat().unwrap_or_else(|| "interrupted".into())),
    }
}

/// The whole summary.
#[must_use]
pub fn text(record: &Record) -> String {
    let mut text = conversations(record).to_text();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<15} {value}");
    };
    row("time", format!("{} s, {} lives", record.lasted.as_secs(), record.exits.len()));
    row("faults", faults(record));
    row("exits", exits(record));
    row("log", log(record));
    row("descriptors", descriptors(record));
    row("memory", memory(record));
    text
}

fn conversations(record: &Record) -> Table {
    let head = ["conversations", "held", "messages answered", "cut by a restart, repeated"];
    let mut table = Table::new("What the peers did", "", &head);
    for (kind, tally) in Kind::ALL.into_iter().zip(record.tallies) {
        let numbers = [tally.conversations, tally.messages, tally.cut].map(whole);
        table.rows.push([kind.name().to_string()].into_iter().chain(numbers).collect());
    }
    table
}

fn faults(record: &Record) -> String {
    let of = |fault: Fault| {
        let spans = record.faults.iter().filter(|span| span.fault == fault);
        let (count, time) = spans.fold((0, Duration::ZERO), |(count, time), span| {
            (count + 1, time + span.to.saturating_sub(span.from))
        });
        format!("{} {count} × ({:.1} s)", fault.name(), time.as_secs_f64())
    };
    Fault::ALL.map(of).join(", ")
}

fn exits(record: &Record) -> String {
    let slowest = record.exits.iter().map(|exit| exit.took).max().unwrap_or_default();
    let count = record.exits.len();
    format!(
        "{count} with code 0, the slowest within {} ms; {} messages that came to a stopped server \
         answered after SIGTERM",
        slowest.as_millis(),
        record.answered_late
    )
}

fn log(record: &Record) -> String {
    let [accepted, closed, dropped] = [record.accepted, record.closed, record.dropped].map(whole);
    let lives = record.logged_lives;
    format!(
        "{accepted} sockets accepted, {closed} closed in {lives} lives with a whole log; {dropped} \
         lines dropped in the others"
    )
}

fn descriptors(record: &Record) -> String {
    let at_most = record.samples.iter().map(|look| look.descriptors).max().unwrap_or_default();
    let (start, points) = (record.descriptors_at_start, record.quiet_points.len());
    format!("{start} at the start and at {points} quiet points, up to {at_most} in between")
}

fn memory(record: &Record) -> String {
    let sizes = || record.quiet_points.iter().map(|look| look.resident_bytes / 1024);
    let (Some(low), Some(high)) = (sizes().min(), sizes().max()) else {
        return "no quiet point was reached".into();
    };
    let grown = Growth::of(&record.quiet_points).map_or_else(String::new, |growth| {
        let kib = |bytes: f64| bytes / 1024.0;
        format!(
            "; growth {:+.0} KiB within a life at most, {:+.0} KiB across (1024 are allowed)",
            kib(growth.within_a_life),
            kib(growth.across_lives)
        )
    });
    format!("{} to {} KiB at the quiet points{grown}", whole(low), whole(high))
}

#[allow(clippy::cast_precision_loss)] // These are counts of things that were seen one by one.
fn whole(count: u64) -> String {
    with_commas(count as f64)
}
