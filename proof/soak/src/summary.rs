//! The summary of a run, on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use crate::faults::Fault;
use crate::peers::KINDS;
use crate::record::{GROWTH_MAX_BYTES, Record};

pub(crate) fn text(record: &Record) -> String {
    let mut text = tallies(record);
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    row("time", format!("{} s", record.lasted.as_secs()));
    row("faults", Fault::ALL.map(|fault| spans(record, fault)).join(", "));
    row("log", record.log.clone());
    row("descriptors", descriptors(record));
    row("memory", memory(record));
    if let Some(took) = record.exit_took {
        row("exit", format!("{} ms after SIGTERM", took.as_millis()));
    }
    text
}

fn tallies(record: &Record) -> String {
    let mut text = format!(
        "  {:<18} {:>13} {:>17} {:>23}\n",
        "peers", "conversations", "messages answered", "closed early, as allowed"
    );
    for (kind, tally) in KINDS.iter().zip(record.tallies) {
        let _ = writeln!(
            text,
            "  {:<18} {:>13} {:>17} {:>23}",
            kind.name, tally.conversations, tally.messages, tally.closed_early
        );
    }
    text + "\n"
}

fn spans(record: &Record, fault: Fault) -> String {
    let spans = record.faults.iter().filter(|span| span.fault == fault);
    let times: Vec<Duration> = spans.map(|span| span.to.saturating_sub(span.from)).collect();
    let seconds = times.iter().sum::<Duration>().as_secs_f64();
    format!("{} {} × ({seconds:.1} s)", fault.name(), times.len())
}

fn descriptors(record: &Record) -> String {
    let most = record.samples.iter().map(|look| look.descriptors).max().unwrap_or_default();
    let last = record.samples.last().map_or(0, |look| look.descriptors);
    let (start, points) = (record.descriptors_at_start, record.quiet_points.len());
    format!("{start} at the start and at {points} quiet points; {most} at most, {last} at last")
}

fn memory(record: &Record) -> String {
    let sizes = || record.quiet_points.iter().map(|look| look.resident_bytes / 1024);
    let (Some(least), Some(most)) = (sizes().min(), sizes().max()) else {
        return "no quiet point was reached".into();
    };
    let (growth, allowed) = (record.growth_bytes() / 1024, GROWTH_MAX_BYTES / 1024);
    format!("{least} to {most} KiB at the quiet points; {growth} KiB of growth ({allowed} allowed)")
}
