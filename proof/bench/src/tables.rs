//! The tables of a run, made from its results.

use crate::cpu::CpuTime;
use crate::peers::REACTOR;
use crate::results::{Case, Latency, Results, Sample, SystemCalls, Workload, as_f64, per};
use crate::statistics::{Subject, Summary, ratio, samples_of, summary};
use crate::table::Table;
use crate::targets;

/// Everything that was measured, in the order of a reader's questions. Tables without rows are left
/// out.
#[must_use]
pub fn all(results: &Results) -> Vec<Table> {
    let mut tables = vec![
        cpu_matrix(
            results,
            Workload::Burst,
            "A message on a connection of its own: burst",
            "The server is stopped, connections queue up with a message each, the server is continued. \
             Server CPU per message in µs, median and spread.",
        ),
        cpu_matrix(
            results,
            Workload::Stopped,
            "A message on a persistent connection: stream in stopped rounds",
            "The server is stopped, every connection gets one message, the server is continued. \
             Server CPU per message in µs, median and spread.",
        ),
        cpu_matrix(
            results,
            Workload::Closed,
            "A message on a persistent connection: closed loop",
            "Every connection sends when the reply is here, so that sleeping and waking count too. \
             Server CPU per message in µs, median and spread.",
        ),
        user_and_system(results),
        system_calls(results),
    ];
    tables.extend(latency_tables(results));
    tables.extend([
        idle_memory(results),
        idle_latency(results),
        beside(results),
        crowd(results),
        process_times(results),
    ]);
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// What the README shows of a run: a line for each server.
#[must_use]
pub fn in_short(results: &Results) -> Table {
    let first = |workload| cases(results, workload).first().copied();
    let (burst, stream) = (first(Workload::Burst), first(Workload::Stopped));
    let head = ["server", "burst, µs", "stream, µs", "system calls", "bytes per idle connection"];
    let mut table = Table::new("In short", "", &head);
    for server in results.servers.iter().filter(|server| server.skipped.is_none()) {
        let cpu = |case: Option<Case>| {
            let found = summary(&results.samples, case?, &server.name, Sample::cpu_us_per_message)?;
            Some(format!("{:.2}", found.median))
        };
        let calls = |workload| {
            let mut all = results.system_calls.iter();
            let found = all.find(|c| c.server == server.name && c.case.workload == workload)?;
            Some(format!("{:.2}", per(found.calls.values().sum(), found.messages)))
        };
        let calls = [calls(Workload::Burst), calls(Workload::Stopped)];
        let memory = targets::bytes_per_connection(results, &server.name);
        table.rows.push(vec![
            server.name.clone(),
            cpu(burst).unwrap_or(NO_CELL.into()),
            cpu(stream).unwrap_or(NO_CELL.into()),
            calls.map(|calls| calls.unwrap_or(NO_CELL.into())).join(", "),
            memory.map_or(NO_CELL.into(), |(slope, ..)| format!("{:.0}", slope.median)),
        ]);
    }
    table
}

/// The promises of echo-reactor, held against this run.
#[must_use]
pub fn targets(results: &Results) -> Table {
    let head = ["workload", "measure", "target", "measured", ""];
    let mut table = Table::new("Targets", "", &head);
    table.rows = targets::rows(results)
        .into_iter()
        .map(|row| {
            let verdict = row.verdict.to_string();
            vec![row.workload, row.measure, row.target, row.measured, verdict]
        })
        .collect();
    table
}

/// The cases of a workload in these results, sorted.
#[must_use]
pub fn cases(results: &Results, workload: Workload) -> Vec<Case> {
    let cases = results.samples.iter().map(|sample| sample.case);
    let mut cases: Vec<Case> = cases.filter(|case| case.workload == workload).collect();
    cases.sort_unstable();
    cases.dedup();
    cases
}

/// Stands where nothing was measured.
const NO_CELL: &str = "–";

/// A median and its spread: `17.42 ± 3 %` means that the largest and the smallest are 6 % apart.
fn median_and_spread(summary: Summary) -> String {
    format!("{:.2} ± {:.0} %", summary.median, summary.spread() * 50.0)
}

/// A summary of each server in each case, as cells; servers that have none are left out.
fn matrix(
    results: &Results,
    cases: &[Case],
    cell: impl Fn(&str, Case) -> Option<String>,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for server in &results.servers {
        let cells: Vec<_> = cases.iter().map(|case| cell(&server.name, *case)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NO_CELL.into()));
            rows.push(std::iter::once(server.name.clone()).chain(cells).collect());
        }
    }
    rows
}

fn cpu_matrix(results: &Results, workload: Workload, title: &str, caption: &str) -> Table {
    let cases = cases(results, workload);
    let mut table = Table::new(title, caption, &["server"]);
    table.head.extend(cases.iter().map(|case| match case.connections {
        1 => format!("1 connection, {} B", case.message_bytes),
        connections => format!("{connections} × {} B", case.message_bytes),
    }));
    table.rows = matrix(results, &cases, |server, case| {
        summary(&results.samples, case, server, Sample::cpu_us_per_message).map(median_and_spread)
    });
    table
}

/// Fewer ticks of 10 ms than this say nothing about the parts of a whole.
const TICKS_MIN: u64 = 20;

fn user_and_system(results: &Results) -> Table {
    let caption = "The parts of the cost in µs per message. The kernel gives them in ticks of 10 ms, so they \
                   are sums over all rounds; – where those are too short.";
    let mut table = Table::new("User and system", caption, &["server"]);
    let mut stream = cases(results, Workload::Stopped).into_iter();
    let stream = stream.find(|case| case.message_bytes == 64);
    let parts: Vec<Case> = cases(results, Workload::Burst).into_iter().chain(stream).collect();
    for case in &parts {
        let name = match case.workload {
            Workload::Burst => "burst",
            _ => "stream",
        };
        table.head.push(format!("{name}, user"));
        table.head.push(format!("{name}, system"));
    }
    for server in &results.servers {
        let cells = parts.iter().map(|case| user_and_system_cells(results, *case, &server.name));
        let cells: Vec<String> = cells.flatten().collect();
        if cells.iter().any(|cell| cell != NO_CELL) {
            table.rows.push(std::iter::once(server.name.clone()).chain(cells).collect());
        }
    }
    table
}

fn user_and_system_cells(results: &Results, case: Case, server: &str) -> [String; 2] {
    let (mut cpu, mut messages) = (CpuTime::default(), 0);
    for sample in samples_of(&results.samples, case, server) {
        cpu += sample.cpu;
        messages += sample.messages;
    }
    if cpu.user_ticks + cpu.system_ticks < TICKS_MIN {
        return [NO_CELL, NO_CELL].map(String::from);
    }
    [cpu.user_ticks, cpu.system_ticks].map(|ticks| format!("{:.2}", per(ticks * 10_000, messages)))
}

fn system_calls(results: &Results) -> Table {
    let caption =
        "Counted in stopped rounds and in bursts, where all messages of a turn are there at once.";
    let head = ["server", "workload", "calls per message", "by name"];
    let mut table = Table::new("System calls", caption, &head);
    for calls in &results.system_calls {
        let workload = match calls.case.workload {
            Workload::Burst => "burst",
            _ => "stream",
        };
        let total: u64 = calls.calls.values().sum();
        table.rows.push(vec![
            calls.server.clone(),
            workload.to_string(),
            format!("{:.2}", per(total, calls.messages)),
            by_name(calls),
        ]);
    }
    table
}

fn by_name(calls: &SystemCalls) -> String {
    let mut names: Vec<_> = calls.calls.iter().collect();
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), name.as_str()));
    let part = |(name, count): &(&String, &u64)| {
        let each = per(**count, calls.messages);
        let digits = if each < 0.095 { 3 } else { 2 };
        format!("{name} {each:.digits$}")
    };
    names.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn latency_tables(results: &Results) -> Vec<Table> {
    let mut tables = Vec::new();
    for (workload, name) in [
        (Workload::Open, "Latency in the open loop"),
        (Workload::Closed, "Throughput and latency in the closed loop"),
        (Workload::Oneshot, "Throughput, latency and cost of oneshot loops"),
    ] {
        for case in cases(results, workload) {
            let title = format!("{name}, {}", counted(case.connections));
            tables.push(latency_table(results, case, &title));
        }
    }
    tables
}

fn latency_table(results: &Results, case: Case, title: &str) -> Table {
    let mut samples = results.samples.iter().filter(|sample| sample.case == case);
    let rate = samples.find_map(|sample| sample.rate_per_second);
    let caption = match rate {
        Some(rate) => format!(
            "{rate:.0} messages per second, a third of what the floor can do. From the intended send to the \
             reply, in µs, medians of the rounds."
        ),
        None => "In µs, medians of the rounds.".to_string(),
    };
    let head = ["server", "messages/s", "CPU µs/message", "p50", "p99", "p99.9", "max"];
    let mut table = Table::new(title, &caption, &head);
    for server in &results.servers {
        let median = |quantity: &dyn Fn(&Sample) -> f64| {
            summary(&results.samples, case, &server.name, quantity).map(|summary| summary.median)
        };
        let latency = |part: fn(&Latency) -> f64| {
            median(&|sample| sample.latency.as_ref().map_or(f64::NAN, part)).unwrap_or(f64::NAN)
        };
        let Some(throughput) = median(&Sample::messages_per_second) else { continue };
        let cpu = median(&Sample::cpu_us_per_message).unwrap_or(f64::NAN);
        table.rows.push(vec![
            server.name.clone(),
            format!("{throughput:.0}"),
            format!("{cpu:.2}"),
            format!("{:.0}", latency(|latency| latency.p50_us)),
            format!("{:.0}", latency(|latency| latency.p99_us)),
            format!("{:.0}", latency(|latency| latency.p999_us)),
            format!("{:.0}", latency(|latency| latency.max_us)),
        ]);
    }
    table
}

/// "1 connection", "2 connections".
pub(crate) fn counted(connections: usize) -> String {
    match connections {
        1 => "1 connection".to_string(),
        _ => format!("{connections} connections"),
    }
}

/// All open connections of an idle case.
fn open_connections(case: &Case) -> usize {
    case.connections + case.idle_connections
}

fn idle_head(cases: &[Case]) -> Vec<String> {
    let heads = cases.iter().map(|case| format!("{} open", open_connections(case)));
    std::iter::once("server".to_string()).chain(heads).collect()
}

fn idle_memory(results: &Results) -> Table {
    let cases = cases(results, Workload::Idle);
    let caption =
        "Resident memory of the server in MiB, and what each further connection adds, in bytes.";
    let mut table = Table::new("Memory with idle connections", caption, &[]);
    table.head = idle_head(&cases);
    table.head.push("bytes per connection".into());
    table.rows = matrix(results, &cases, |server, case| {
        let resident = |sample: &Sample| as_f64(sample.resident_bytes.unwrap_or(0));
        let found = summary(&results.samples, case, server, resident)?;
        Some(format!("{:.1}", found.median / 1_048_576.0))
    });
    for row in &mut table.rows {
        let slope = targets::bytes_per_connection(results, &row[0]);
        row.push(slope.map_or(NO_CELL.into(), |(summary, ..)| format!("{:.0}", summary.median)));
    }
    table
}

fn idle_latency(results: &Results) -> Table {
    let cases = cases(results, Workload::Idle);
    let caption =
        "One connection in a hundred echoes, 2,000 messages a second together; their p99 in µs.";
    let mut table = Table::new("Latency beside idle connections", caption, &[]);
    table.head = idle_head(&cases);
    table.rows = matrix(results, &cases, |server, case| {
        let p99 = |sample: &Sample| sample.latency.as_ref().map_or(f64::NAN, |found| found.p99_us);
        let found = summary(&results.samples, case, server, p99)?;
        Some(format!("{:.0}", found.median))
    });
    table
}

fn beside(results: &Results) -> Table {
    let cases = cases(results, Workload::Beside);
    let caption = "Stopped rounds in one process, before and after the idle connections were opened. \
                   Server CPU per message in µs.";
    let mut table = Table::new("Active beside idle connections", caption, &["server"]);
    let [without, with] = cases.as_slice() else {
        return table;
    };
    table.head.push(format!("{} active alone", without.connections));
    table.head.push(format!("beside {} idle", with.idle_connections));
    table.head.push("ratio".into());
    table.rows = matrix(results, &cases, |server, case| {
        summary(&results.samples, case, server, Sample::cpu_us_per_message).map(median_and_spread)
    });
    for row in &mut table.rows {
        let subject = |case| Subject { server: &row[0], case };
        let of =
            ratio(&results.samples, subject(*with), subject(*without), Sample::cpu_us_per_message);
        row.push(of.map_or(NO_CELL.into(), |summary| format!("{:.2}", summary.median)));
    }
    table
}

fn crowd(results: &Results) -> Table {
    let caption = "The reactor's own code on a simulated kernel that costs next to nothing: CPU time of a \
                   message, from a random one of so many connections; the most memory that they added to \
                   the process.";
    let head = ["connections", "CPU ns per message", "bytes per connection"];
    let mut table = Table::new("A crowd in the simulator", caption, &head);
    for case in cases(results, Workload::Crowd) {
        let cell = |quantity: &dyn Fn(&Sample) -> f64| {
            summary(&results.samples, case, REACTOR, quantity).map_or(NO_CELL.into(), |found| {
                format!("{:.0} ± {:.0} %", found.median, found.spread() * 50.0)
            })
        };
        table.rows.push(vec![
            open_connections(&case).to_string(),
            cell(&|sample| sample.cpu_us_per_message() * 1000.0),
            cell(&targets::crowd_bytes_per_connection),
        ]);
    }
    table
}

fn process_times(results: &Results) -> Table {
    let mut table = Table::new(
        "Start and end of the process",
        "In ms, median and spread: from the start of the process to the first connection that is taken; from \
         SIGTERM with idle connections to the exit.",
        &["server", "start"],
    );
    let mut columns = cases(results, Workload::Start);
    for case in cases(results, Workload::Stop) {
        table.head.push(format!("end with {} idle", case.idle_connections));
        columns.push(case);
    }
    let milliseconds = |sample: &Sample| sample.seconds * 1000.0;
    table.rows = matrix(results, &columns, |server, case| {
        summary(&results.samples, case, server, milliseconds).map(median_and_spread)
    });
    table
}

/// Whether the server that all this is about was measured.
#[must_use]
pub fn has_reactor(results: &Results) -> bool {
    results.samples.iter().any(|sample| sample.server == REACTOR)
}
