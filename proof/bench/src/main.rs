//! The benchmark of echo-reactor beside its peers: `echo-bench --help`.
//!
//! Reading order: [`plan`] says what is measured, [`runner`] goes through it, [`workload`] does one job
//! with one server. [`results`] is what comes out; [`report`] and [`plot`] show it.
//!
//! What counts is the server's processor time, not throughput: on a machine with two processors the
//! load generator is often the slower part.

mod arguments;
mod client;
mod compare;
mod machine;
mod peers;
mod plan;
mod plot;
mod processors;
mod pump;
mod report;
mod results;
mod runner;
mod server;
mod workload;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use echo_harness::ports::Sources;
use echo_harness::{child, interrupt};

use arguments::{Arguments, HELP, Task};
use peers::Peer;
use plan::Step;
use processors::Processors;
use results::Results;
use runner::Runner;
use workload::Bench;

/// Where the results of a whole run go, which are committed, and those of any other run.
const WHOLE: &str = "docs/performance";
const PART: &str = "target/performance";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("echo-bench: {error}; --help shows the options");
            return ExitCode::from(2);
        }
    };
    let reactor = &arguments.reactor;
    let done = match &arguments.task {
        Task::Help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Task::Report => report_again(),
        Task::Whole => measure(&arguments, plan::whole()),
        Task::Quick => measure(&arguments, plan::quick()),
        Task::Against(against) => compare(&arguments, peers::builds(reactor, against)),
        Task::Watched => compare(&arguments, peers::watched(reactor)),
        Task::Json => compare(&arguments, peers::formats(reactor)),
    };
    done.unwrap_or_else(|error| {
        eprintln!("echo-bench: {error}");
        ExitCode::FAILURE
    })
}

fn report_again() -> io::Result<ExitCode> {
    let results = Results::read(&Path::new(WHOLE).join("results.tsv"))?;
    show(&results, true)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &Arguments, steps: Vec<Step>) -> io::Result<ExitCode> {
    let mut notes = Vec::new();
    let peers = choose(arguments, &mut notes)?;
    let (mut runner, steps) = prepare(arguments, peers, steps, &mut notes)?;
    let facts = machine::facts(&arguments.reactor, &peers::python(&arguments.peers));
    let figures = runner.measure(&steps)?;
    let calls = runner.count_calls(&steps)?;
    let exit_code = runner.exit_code();
    notes.append(&mut runner.failures);
    show(&Results { facts, notes, figures, calls }, arguments.is_whole())?;
    Ok(exit_code)
}

fn compare(arguments: &Arguments, pair: Vec<Peer>) -> io::Result<ExitCode> {
    let names = [pair[0].name, pair[1].name];
    let (mut runner, steps) = prepare(arguments, pair, plan::pairs(), &mut Vec::new())?;
    let figures = runner.measure(&steps)?;
    println!("{}", compare::ratios(&figures, names));
    Ok(runner.exit_code())
}

/// What every run needs, and the steps that are wanted and that this machine allows.
fn prepare(
    arguments: &Arguments,
    peers: Vec<Peer>,
    mut steps: Vec<Step>,
    notes: &mut Vec<String>,
) -> io::Result<(Runner, Vec<Step>)> {
    interrupt::watch()?;
    child::end_all_in_a_panic();
    let limits = machine::raise_limits()?;
    let wanted = &arguments.measures;
    steps.retain(|step| wanted.is_empty() || wanted.contains(&step.job.measure()));
    notes.extend(plan::fit(&mut steps, limits));
    for note in notes {
        eprintln!("{note}");
    }
    if steps.is_empty() {
        return Err(io::Error::other("there is nothing to measure"));
    }
    let processors = Processors::divide()?;
    let bench = Bench { processors, limits, sources: Sources::default() };
    Ok((Runner { bench, peers, failures: Vec::new() }, steps))
}

/// The wanted servers that are there, and a note for each that is missing.
fn choose(arguments: &Arguments, notes: &mut Vec<String>) -> io::Result<Vec<Peer>> {
    let mut peers = peers::all(&arguments.reactor, &arguments.peers);
    let wanted = &arguments.servers;
    peers.retain(|peer| wanted.is_empty() || wanted.iter().any(|name| name == peer.name));
    peers.retain(|peer| {
        let missing = peer.missing();
        notes.extend(missing.iter().map(|reason| format!("{} is skipped: {reason}.", peer.name)));
        missing.is_none()
    });
    if peers.is_empty() {
        return Err(io::Error::other("no server is there: make bench-setup builds them"));
    }
    Ok(peers)
}

/// Stores the results, and makes the tables and the plot from them.
fn show(results: &Results, is_whole: bool) -> io::Result<()> {
    let directory = Path::new(if is_whole { WHOLE } else { PART });
    fs::create_dir_all(directory)?;
    let file = directory.join("results.tsv");
    results.write(&file)?;
    // The file has rounded figures. The tables are to be those that can be made of it.
    let results = &Results::read(&file)?;
    plot::draw(results, &directory.join("cpu-per-message.svg"))?;
    if is_whole {
        report::write_documents(results)?;
    }
    println!("{}", report::all(results));
    eprintln!("The results are in {}.", directory.display());
    Ok(())
}
