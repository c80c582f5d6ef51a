//! Measures echo-reactor beside its peers: `echo-bench --help`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use echo_bench::arguments::{Action, Arguments, COMMITTED_RESULTS, HELP, SYSTEM_CALLS};
use echo_bench::connection::Sources;
use echo_bench::jobs::Bench;
use echo_bench::peers::{self, Limits, Peer};
use echo_bench::progress::Progress;
use echo_bench::results::{About, Results, Server};
use echo_bench::runner::Runner;
use echo_bench::{child, crowd, interrupt, machine, plan, report, tables};

/// Backlog that every server asks for: longer than any burst. The kernel caps it.
const BACKLOG: u32 = 4096;

/// Said on a machine with Docker or another user of the kernel's connection tracking.
const TRACKED: &str = "The kernel tracks connections on this loopback: every message costs more, and a full \
                       table makes connections fail. echo-bench/run.sh measures in a network namespace.";

const README: &str = "README.md";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("echo-bench: {error}; --help shows the options");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("echo-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    match arguments.action {
        Action::Help => print!("{HELP}"),
        Action::Version => println!("echo-bench {}", env!("CARGO_PKG_VERSION")),
        Action::List => list(&peers::all(&arguments.places)),
        Action::Crowd(connections) => {
            println!("{}", serde_json::to_string(&crowd::gather(connections)?)?);
        }
        Action::ReportOnly => {
            let directory = arguments.results();
            let results = Results::read(&directory.join("results.json"))?;
            write_documents(arguments, &results)?;
        }
        Action::Measure => return measure(arguments),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(peers: &[Peer]) {
    for peer in peers {
        let state = peer.missing().map_or("ready".into(), |reason| format!("skipped: {reason}"));
        println!("{:<18} {:<44} {state}", peer.name, peer.about);
    }
}

/// The whole run: check the machine, measure, keep the results, show them.
fn measure(arguments: &Arguments) -> io::Result<ExitCode> {
    interrupt::watch()?;
    child::end_with_a_panic();
    let mut about = About::now(arguments.quick);
    about.machine = machine::describe();
    about.versions = machine::versions(&arguments.places);

    let connections_max = machine::raise_descriptor_limit()?;
    let backlog = BACKLOG.min(machine::somaxconn()?);
    let (peers, servers) = choose(arguments, &mut about.notes)?;
    let whole = if arguments.quick { plan::quick() } else { plan::full() };
    let wanted = whole.into_iter().filter(|step| arguments.wants(step.job.workload().name()));
    let (steps, unfit) = plan::fit(wanted.collect(), connections_max, backlog as usize);
    about.notes.extend(unfit);
    if machine::connections_tracked_max().is_some() {
        about.notes.push(TRACKED.to_string());
    }
    for note in &about.notes {
        eprintln!("{note}");
    }

    arguments.processors.pin_generator()?;
    let mut runner = Runner {
        peers: peers.iter().collect(),
        bench: Bench {
            processors: arguments.processors,
            limits: Limits { backlog, connections: connections_max },
            open_rate_per_second: 0.0,
            sources: Sources::default(),
        },
        progress: Progress::on_stderr(),
        failures: Vec::new(),
    };
    let samples = runner.measure(&steps)?;
    let system_calls =
        if arguments.wants(SYSTEM_CALLS) { runner.count_system_calls()? } else { Vec::new() };
    let all_measured = runner.failures.is_empty();
    about.notes.extend(runner.failures.iter().cloned());
    finish(arguments, &Results { about, servers, samples, system_calls })?;
    for failure in &runner.failures {
        eprintln!("{failure}");
    }
    Ok(if all_measured { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The servers that are wanted: those that are there, and a row for each.
fn choose(arguments: &Arguments, notes: &mut Vec<String>) -> io::Result<(Vec<Peer>, Vec<Server>)> {
    let all = peers::all(&arguments.places);
    let mut wanted = arguments.servers.iter().flatten();
    if let Some(name) = wanted.find(|name| !all.iter().any(|peer| peer.name == **name)) {
        return Err(io::Error::other(format!("there is no server '{name}'; --list shows them")));
    }
    let is_wanted = |peer: &Peer| {
        let wanted = arguments.servers.as_ref();
        wanted.is_none_or(|names| names.iter().any(|name| name == peer.name))
    };
    let (mut there, mut servers) = (Vec::new(), Vec::new());
    for peer in all.into_iter().filter(is_wanted) {
        let skipped = peer.missing();
        if let Some(reason) = &skipped {
            notes.push(format!("{} is skipped: {reason}.", peer.name));
        }
        servers.push(Server {
            name: peer.name.to_string(),
            about: peer.about.to_string(),
            skipped,
        });
        if servers.last().is_some_and(|server| server.skipped.is_none()) {
            there.push(peer);
        }
    }
    if there.is_empty() {
        return Err(io::Error::other(
            "no server is there; `make bench-setup` installs what builds them",
        ));
    }
    Ok((there, servers))
}

/// The report, and where it is that of the project, its quotation in the README.
fn write_documents(arguments: &Arguments, results: &Results) -> io::Result<()> {
    let directory = arguments.results();
    report::write(results, &directory)?;
    let is_committed = directory.as_path() == Path::new(COMMITTED_RESULTS);
    if is_committed && let Ok(readme) = fs::read_to_string(README) {
        fs::write(README, report::quote(results, &readme))?;
    }
    Ok(())
}

/// Keeps the results, makes the report, and prints the tables.
fn finish(arguments: &Arguments, results: &Results) -> io::Result<()> {
    let directory = arguments.results();
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("results.json");
    results.write(&path)?;
    write_documents(arguments, results)?;
    print_tables(results);
    eprintln!("results: {}, report: {}", path.display(), report::path(&directory).display());
    Ok(())
}

fn print_tables(results: &Results) {
    let mut all = tables::all(results);
    if tables::has_reactor(results) {
        all.push(tables::targets(results));
    }
    for table in all {
        println!("{}", table.to_text());
    }
}
