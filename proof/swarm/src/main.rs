//! Measures one, two and three replicas of the server on one machine, and prints the table of
//! `docs/scale.md`. On two processors, which clients, servers and engines share, it can show how the
//! replicas share the work and what a message costs, but not that three of them serve more.

use std::env;
use std::io::{Write, stderr};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use echo_containers::wait_until;
use echo_harness::fixture::Fixture;
use echo_harness::proc::processor_time;
use echo_swarm::{CLIENTS, Stack};

/// Each client sends its next message as soon as it has its reply. What each logs would cost more than
/// that.
const CONFIG: &str = "\
client: {loop_period: 0s, loop_lapse: 365d}
log: {level: warn}
";

const PAUSE: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(15);

/// How many messages each replica has answered, as the stack's status says.
fn answered(stack: &Stack) -> Vec<f64> {
    let status = stack.script("stack-status", &[]).succeeded();
    let count = |line: &str| {
        let (_, count) = line.strip_suffix(" messages answered")?.rsplit_once(' ')?;
        count.parse().ok()
    };
    status.text.lines().filter_map(count).collect()
}

/// The processor time of all replicas.
fn used(stack: &Stack) -> Duration {
    let processes = stack.server_processes();
    processes.iter().map(|pid| processor_time(*pid).expect("it runs")).sum()
}

fn measure(stack: &Stack, replicas: usize) {
    stack.script("stack-scale", &[&replicas.to_string()]).succeeded();
    thread::sleep(PAUSE);
    let (began, before, used_before) = (Instant::now(), answered(stack), used(stack));
    thread::sleep(MEASURED);
    let (after, used) = (answered(stack), used(stack).saturating_sub(used_before));
    let seconds = began.elapsed().as_secs_f64();
    let each = after.iter().zip(&before).map(|(after, before)| after - before);
    let all: f64 = each.clone().sum();
    let shares: Vec<String> = each.map(|count| format!("{:.0} %", 100.0 * count / all)).collect();
    println!(
        "| {replicas} | {:.0} | {} | {:.1} |",
        all / seconds,
        shares.join(", "),
        used.as_secs_f64() * 1e6 / all
    );
}

fn main() -> ExitCode {
    if env::args_os().len() > 1 {
        let _ = writeln!(stderr(), "error: it takes no arguments: make bench-swarm");
        return ExitCode::from(2);
    }
    if !Stack::is_possible() {
        return ExitCode::SUCCESS;
    }
    let stack = Stack::with_config(CONFIG);
    stack.bring_up();
    wait_until("all replicas", || stack.replica_count() == 3);
    println!(
        "| replicas | messages a second from {CLIENTS} clients | share of each | processor time of a message, µs |"
    );
    println!("|---|---|---|---|");
    for replicas in 1..=3 {
        measure(&stack, replicas);
    }
    ExitCode::SUCCESS
}
