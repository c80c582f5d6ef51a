//! What echo-reactor promises about its speed, held against the results of a run.
//!
//! A ratio is taken within each round and the median of the rounds is judged. Where one number is
//! shown with a range, the range is that of the rounds.

use std::fmt;

use crate::peers::{
    FLOOR, FLOOR_MORE, FLOOR_SHUTDOWN, PYTHON, PYTHON_LOGGING, REACTOR, REACTOR_LOGGING,
};
use crate::results::{Case, Latency, Results, Sample, SystemCalls, Workload, as_f64, per};
use crate::statistics::{Subject, Summary, ratio, samples_of, summary};
use crate::tables::{cases, counted};

/// A promise and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was done.
    pub workload: String,
    /// What was looked at.
    pub measure: String,
    /// What was promised.
    pub target: String,
    /// What was found.
    pub measured: String,
    /// How the two compare.
    pub verdict: Verdict,
}

/// How a measurement compares with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The median keeps it.
    Met,
    /// The median does not, at least one round does: the noise is larger than the difference.
    WithinSpread,
    /// No round keeps it.
    Missed,
    /// This run has no such measurement.
    NotMeasured,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            Self::Met => "met",
            Self::WithinSpread => "within the spread",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        })
    }
}

/// All promises, in the order of the tables.
#[must_use]
pub fn rows(results: &Results) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(stopped(results));
    rows.extend(closed(results));
    rows.extend(burst(results));
    rows.extend(oneshot(results));
    rows.extend(system_calls(results));
    rows.extend(logging(results));
    rows.extend(open(results));
    rows.extend(idle(results));
    rows.extend(beside(results));
    rows.extend(crowd(results));
    rows.extend(process(results));
    rows
}

fn judge(found: Option<Summary>, at_most: f64) -> Verdict {
    match found {
        None => Verdict::NotMeasured,
        Some(found) if found.median <= at_most => Verdict::Met,
        Some(found) if found.min <= at_most => Verdict::WithinSpread,
        Some(_) => Verdict::Missed,
    }
}

fn in_words(found: Option<Summary>, unit: &str, digits: usize) -> String {
    found.map_or("–".into(), |found| {
        let (median, min, max) = (found.median, found.min, found.max);
        format!("{median:.digits$}{unit} ({min:.digits$} … {max:.digits$})")
    })
}

/// Server CPU per message of the reactor over that of another server, in the same case.
fn cpu_over(results: &Results, case: Case, other: &str) -> Option<Summary> {
    let subject = |server| Subject { server, case };
    let cpu = Sample::cpu_us_per_message;
    ratio(&results.samples, subject(REACTOR), subject(other), cpu)
}

fn cpu_row(
    results: &Results,
    workload: String,
    case: Option<Case>,
    other: &str,
    at_most: f64,
) -> Row {
    let found = case.and_then(|case| cpu_over(results, case, other));
    Row {
        workload,
        measure: "server CPU per message".into(),
        target: format!("≤ {at_most:.2} × {other}"),
        measured: in_words(found, " ×", 2),
        verdict: judge(found, at_most),
    }
}

/// The reactor against whichever of the others comes closest to it, or passes it.
fn below_all_row(results: &Results, workload: &str, cases: &[Case], but: &[&str]) -> Row {
    let mut worst: Option<(Summary, &str, Case)> = None;
    for server in &results.servers {
        if [REACTOR, REACTOR_LOGGING, PYTHON_LOGGING].contains(&server.name.as_str())
            || but.contains(&server.name.as_str())
        {
            continue;
        }
        for case in cases {
            let Some(found) = cpu_over(results, *case, &server.name) else {
                continue;
            };
            if worst.is_none_or(|(other, ..)| found.median > other.median) {
                worst = Some((found, &server.name, *case));
            }
        }
    }
    let measured = worst.map_or("–".into(), |(found, server, case)| {
        format!(
            "{} {server}, {} × {} B",
            in_words(Some(found), " ×", 2),
            case.connections,
            case.message_bytes
        )
    });
    Row {
        workload: workload.into(),
        measure: "server CPU per message".into(),
        target: match but {
            [] => "below every peer".into(),
            but => format!("below every peer but {}", but.join(", ")),
        },
        measured,
        verdict: judge(worst.map(|(found, ..)| found), 1.0),
    }
}

fn stopped(results: &Results) -> Vec<Row> {
    let cases = cases(results, Workload::Stopped);
    let mut rows: Vec<Row> = cases
        .iter()
        .map(|case| {
            let text = format!("stopped rounds, {} × {} B", case.connections, case.message_bytes);
            cpu_row(results, text, Some(*case), FLOOR, 1.05)
        })
        .collect();
    rows.push(below_all_row(results, "stopped rounds, all of them", &cases, &[FLOOR]));
    rows
}

fn closed(results: &Results) -> Vec<Row> {
    let cases = cases(results, Workload::Closed);
    let row = |connections| {
        let case = cases.iter().find(|case| case.connections == connections);
        let text = format!("closed loop, {}", counted(connections));
        cpu_row(results, text, case.copied(), FLOOR, 1.05)
    };
    vec![row(1), row(100)]
}

fn burst(results: &Results) -> Vec<Row> {
    let case = cases(results, Workload::Burst).first().copied();
    let targets = [
        (FLOOR, 0.72),
        (FLOOR_MORE, 1.05),
        (FLOOR_SHUTDOWN, 1.05),
        ("tokio", 0.60),
        ("go", 0.33),
        (PYTHON, 0.13),
    ];
    let row =
        |(other, at_most)| cpu_row(results, "burst, 500 connections".into(), case, other, at_most);
    targets.map(row).into()
}

fn oneshot(results: &Results) -> Vec<Row> {
    let cases = cases(results, Workload::Oneshot);
    let but = [FLOOR_MORE, FLOOR_SHUTDOWN];
    [&[], &but[..]].map(|but| below_all_row(results, "oneshot, 50 loops", &cases, but)).into()
}

/// Calls per message, but for those that come once a turn.
fn calls_per_message(calls: &SystemCalls) -> f64 {
    let once_a_turn = |name: &str| name.starts_with("epoll_") && name.contains("wait");
    // What a stopped call is resumed with: an effect of stopping the server.
    let resumed = |name: &str| name == "restart_syscall";
    let counted = calls.calls.iter().filter(|(name, _)| !once_a_turn(name) && !resumed(name));
    per(counted.map(|(_, count)| count).sum(), calls.messages)
}

fn calls_of<'a>(results: &'a Results, server: &str, workload: Workload) -> Option<&'a SystemCalls> {
    let mut all = results.system_calls.iter();
    all.find(|calls| calls.server == server && calls.case.workload == workload)
}

fn count_row(workload: &str, measure: &str, target: &str, found: Option<f64>, at_most: f64) -> Row {
    Row {
        workload: workload.into(),
        measure: measure.into(),
        target: target.into(),
        measured: found.map_or("–".into(), |found| format!("{found:.3}")),
        verdict: match found {
            None => Verdict::NotMeasured,
            Some(found) if found <= at_most => Verdict::Met,
            Some(_) => Verdict::Missed,
        },
    }
}

fn system_calls(results: &Results) -> Vec<Row> {
    let stream = calls_of(results, REACTOR, Workload::Stopped);
    let burst = calls_of(results, REACTOR, Workload::Burst);
    let control = |calls: &SystemCalls| as_f64(calls.calls.get("epoll_ctl").copied().unwrap_or(0));
    let measure = "system calls per message, epoll_wait apart";
    vec![
        count_row("stream", measure, "≤ 2.05", stream.map(calls_per_message), 2.05),
        count_row("burst", measure, "≤ 4.05", burst.map(calls_per_message), 4.05),
        count_row("burst", "epoll_ctl", "none", burst.map(control), 0.0),
    ]
}

fn logging(results: &Results) -> Vec<Row> {
    let case = cases(results, Workload::Burst).first().copied();
    let over = |server| {
        let subject = |server| case.map(|case| Subject { server, case });
        let (of, to) = (subject(REACTOR_LOGGING)?, subject(server)?);
        ratio(&results.samples, of, to, Sample::cpu_us_per_message)
    };
    let calls = |server| calls_of(results, server, Workload::Burst).map(calls_per_message);
    let extra = calls(REACTOR_LOGGING).zip(calls(REACTOR)).map(|(with, without)| with - without);
    let workload = "burst, logging at INFO";
    let cpu_row = |target: &str, found, at_most| Row {
        workload: workload.into(),
        measure: "server CPU per message".into(),
        target: target.into(),
        measured: in_words(found, " ×", 2),
        verdict: judge(found, at_most),
    };
    let python = format!("≤ 0.13 × {PYTHON_LOGGING}");
    vec![
        cpu_row("≤ 1.20 × itself with logging off", over(REACTOR), 1.20),
        cpu_row(&python, over(PYTHON_LOGGING), 0.13),
        count_row(workload, "extra system calls per message", "≤ 0.05", extra, 0.05),
    ]
}

fn open(results: &Results) -> Vec<Row> {
    let case = cases(results, Workload::Open).first().copied();
    let row = |name: &str, part: fn(&Latency) -> f64| {
        let found = case.and_then(|case| {
            let subject = |server| Subject { server, case };
            let latency = |sample: &Sample| sample.latency.as_ref().map_or(f64::NAN, part);
            ratio(&results.samples, subject(REACTOR), subject(FLOOR), latency)
        });
        Row {
            workload: "open loop at a third of capacity".into(),
            measure: name.into(),
            target: format!("≤ 1.10 × {FLOOR}"),
            measured: in_words(found, " ×", 2),
            verdict: judge(found, 1.1),
        }
    };
    vec![row("p99", |latency| latency.p99_us), row("p99.9", |latency| latency.p999_us)]
}

/// From so many open connections on, the slope of the memory is taken.
const SLOPE_FROM: usize = 5000;

/// What a further connection adds to the resident memory in bytes, and between which numbers of open
/// connections: from 5,000, or the fewest that there are, to the most.
#[must_use]
pub fn bytes_per_connection(results: &Results, server: &str) -> Option<(Summary, usize, usize)> {
    let cases = cases(results, Workload::Idle);
    let open = |case: &Case| case.connections + case.idle_connections;
    let last = cases.iter().max_by_key(|case| open(case))?;
    let at_least = |case: &&Case| open(case) >= SLOPE_FROM && open(case) < open(last);
    let first = cases.iter().filter(at_least).min_by_key(|case| open(case));
    let first = first.or_else(|| cases.iter().min_by_key(|case| open(case)))?;
    let further = as_f64(open(last).checked_sub(open(first))? as u64);
    let slopes = samples_of(&results.samples, *last, server).filter_map(|high| {
        let mut lows = samples_of(&results.samples, *first, server);
        let low = lows.find(|low| low.round == high.round)?;
        Some((as_f64(high.resident_bytes?) - as_f64(low.resident_bytes?)) / further)
    });
    let slopes = if further > 0.0 { Summary::of(slopes) } else { None };
    Some((slopes?, open(first), open(last)))
}

fn idle(results: &Results) -> Vec<Row> {
    let slope = bytes_per_connection(results, REACTOR);
    let from_to = slope.map_or(String::new(), |(_, from, to)| format!(", {from} to {to}"));
    let memory = slope.map(|(summary, ..)| summary);
    let cases = cases(results, Workload::Idle);
    let p99 = |sample: &Sample| sample.latency.as_ref().map_or(f64::NAN, |latency| latency.p99_us);
    let subject = |case: &Case| Subject { server: REACTOR, case: *case };
    let first = cases.iter().min_by_key(|case| case.idle_connections);
    let last = cases.iter().max_by_key(|case| case.idle_connections);
    let latency = first
        .zip(last)
        .and_then(|(first, last)| ratio(&results.samples, subject(last), subject(first), p99));
    vec![
        Row {
            workload: format!("idle connections{from_to}"),
            measure: "resident memory per connection".into(),
            target: "≤ 128 B".into(),
            measured: in_words(memory, " B", 0),
            verdict: judge(memory, 128.0),
        },
        Row {
            workload: "idle connections, the most".into(),
            measure: "p99 of the 1 % sample".into(),
            target: "≤ 2.00 × that at 1,000".into(),
            measured: in_words(latency, " ×", 2),
            verdict: judge(latency, 2.0),
        },
    ]
}

fn beside(results: &Results) -> Vec<Row> {
    let cases = cases(results, Workload::Beside);
    let (without, with) = (cases.first(), cases.last());
    let found = without.zip(with).and_then(|(without, with)| {
        let subject = |case: &Case| Subject { server: REACTOR, case: *case };
        let cpu = Sample::cpu_us_per_message;
        ratio(&results.samples, subject(with), subject(without), cpu)
    });
    let idle = with.map_or(0, |case| case.idle_connections);
    vec![Row {
        workload: format!("100 active beside {idle} idle"),
        measure: "server CPU per message".into(),
        target: "≤ 1.10 × without them".into(),
        measured: in_words(found, " ×", 2),
        verdict: judge(found, 1.1),
    }]
}

/// What each connection of a crowd added to the process, in bytes.
#[must_use]
pub fn crowd_bytes_per_connection(sample: &Sample) -> f64 {
    let open = sample.case.connections + sample.case.idle_connections;
    as_f64(sample.resident_bytes.unwrap_or(0)) / as_f64(open as u64)
}

fn crowd(results: &Results) -> Vec<Row> {
    let crowds = cases(results, Workload::Crowd);
    let (few, many) = (crowds.first().copied(), crowds.last().copied());
    let size = |case: Option<Case>| case.map_or(0, |case| case.idle_connections + 1);
    let of = |case: Option<Case>, quantity: fn(&Sample) -> f64| {
        summary(&results.samples, case?, REACTOR, quantity)
    };
    let bytes = of(many, crowd_bytes_per_connection);
    let cpu = |case| of(case, Sample::cpu_us_per_message);
    let stream = cases(results, Workload::Stopped).first().copied();
    let parts = cpu(few).zip(cpu(many)).zip(cpu(stream));
    // What a message costs with its system calls, and what more it costs the reactor in a crowd.
    let growth = parts.map(|((few, many), stream)| {
        let grown = |many: f64| (stream.median + many - few.median) / stream.median;
        Summary { median: grown(many.median), min: grown(many.min), max: grown(many.max) }
    });
    let row = |measure: &str, target: String, measured, verdict| Row {
        workload: format!("crowd of {}, simulated", size(many)),
        measure: measure.into(),
        target,
        measured,
        verdict,
    };
    vec![
        row(
            "peak memory per connection",
            "≤ 160 B".into(),
            in_words(bytes, " B", 0),
            judge(bytes, 160.0),
        ),
        row(
            "CPU per message, with system calls as in stopped rounds",
            format!("≤ 1.50 × that of {}", size(few)),
            in_words(growth, " ×", 2),
            judge(growth, 1.5),
        ),
    ]
}

fn process(results: &Results) -> Vec<Row> {
    let row = |workload: Workload, measure: &str, at_most: f64| {
        let case = cases(results, workload).first().copied();
        let milliseconds = |sample: &Sample| sample.seconds * 1000.0;
        let found = case.and_then(|case| summary(&results.samples, case, REACTOR, milliseconds));
        let idle = case.map_or(0, |case| case.idle_connections);
        Row {
            workload: match workload {
                Workload::Stop => format!("SIGTERM with {idle} idle connections"),
                _ => "start of the process".into(),
            },
            measure: measure.into(),
            target: format!("< {at_most:.0} ms"),
            measured: in_words(found, " ms", 1),
            verdict: judge(found, at_most),
        }
    };
    vec![row(Workload::Stop, "to exit 0", 250.0), row(Workload::Start, "to listening", 10.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{BURST, sample};
    use crate::results::{About, Server};

    fn results(samples: Vec<Sample>) -> Results {
        let server = |name: &str| Server { name: name.into(), about: String::new(), skipped: None };
        Results {
            about: About::now(true),
            servers: [REACTOR, FLOOR, "tokio"].map(server).into(),
            samples,
            system_calls: vec![SystemCalls {
                server: REACTOR.into(),
                case: BURST,
                messages: 100,
                calls: [("accept4", 101), ("close", 100), ("epoll_wait", 9), ("read", 100)]
                    .map(|(name, count)| (name.to_string(), count))
                    .into(),
            }],
        }
    }

    fn found<'a>(rows: &'a [Row], target: &str) -> &'a Row {
        let mut rows = rows.iter();
        rows.find(|row| row.target.contains(target)).expect("a row")
    }

    #[test]
    fn verdicts_follow_the_rounds() {
        let summary = |min, median| Some(Summary { median, min, max: 9.0 });
        assert_eq!(judge(summary(0.5, 1.0), 1.0), Verdict::Met);
        assert_eq!(judge(summary(0.5, 1.1), 1.0), Verdict::WithinSpread);
        assert_eq!(judge(summary(1.05, 1.1), 1.0), Verdict::Missed);
        assert_eq!(judge(None, 1.0), Verdict::NotMeasured);
    }

    #[test]
    fn a_burst_is_compared_with_each() {
        let rows = rows(&results(vec![
            sample(REACTOR, BURST, 0, 14.0),
            sample(FLOOR, BURST, 0, 20.0),
            sample("tokio", BURST, 0, 20.0),
        ]));
        assert_eq!(found(&rows, "0.72 × c-epoll").verdict, Verdict::Met);
        assert_eq!(found(&rows, "0.60 × tokio").verdict, Verdict::Missed);
        assert_eq!(found(&rows, "× go").verdict, Verdict::NotMeasured);
    }

    #[test]
    fn the_nearest_peer_decides() {
        let case = Case { workload: Workload::Oneshot, ..BURST };
        let rows = rows(&results(vec![
            sample(REACTOR, case, 0, 10.0),
            sample(FLOOR, case, 0, 8.0),
            sample("tokio", case, 0, 20.0),
        ]));
        let row = rows.iter().find(|row| row.target == "below every peer").expect("a row");
        assert_eq!(row.verdict, Verdict::Missed);
        assert!(row.measured.contains(FLOOR), "{}", row.measured);
    }

    #[test]
    fn calls_once_a_turn_do_not_count() {
        let rows = rows(&results(Vec::new()));
        assert_eq!(found(&rows, "≤ 4.05").measured, "3.010");
        assert_eq!(found(&rows, "none").verdict, Verdict::Met);
        assert_eq!(found(&rows, "≤ 2.05").verdict, Verdict::NotMeasured);
    }

    #[test]
    fn memory_is_a_slope() {
        let at = |open: usize, resident: u64| Sample {
            resident_bytes: Some(resident),
            ..sample(
                REACTOR,
                Case {
                    workload: Workload::Idle,
                    connections: open / 100,
                    message_bytes: 64,
                    idle_connections: open - open / 100,
                },
                0,
                1.0,
            )
        };
        let samples = vec![at(1000, 7), at(5000, 1_000_000), at(19_000, 2_400_000)];
        let (slope, from, to) = bytes_per_connection(&results(samples), REACTOR).unwrap();
        assert_eq!((slope.median, from, to), (100.0, 5000, 19_000));
    }

    #[test]
    fn nothing_measured_is_no_promise_kept() {
        let mut empty = results(Vec::new());
        empty.system_calls.clear();
        assert!(rows(&empty).iter().all(|row| row.verdict == Verdict::NotMeasured));
    }
}
