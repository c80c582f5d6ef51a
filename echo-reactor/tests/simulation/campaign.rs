//! Many lives, on all cores, and the report of the first that fails.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::life::{self, Failure};
use crate::world::Tally;

/// How many lives a thread takes at a time.
const SEEDS_AT_ONCE: u64 = 500;

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// In this many lives, all of [`MUST_HAPPEN`] happens.
const SEEDS_TO_MEET_ALL: u64 = 20_000;

/// The simulation proves nothing about what never happens in it.
const MUST_HAPPEN: [&str; 43] = [
    "aborted in the queue",
    "accepted",
    "checked to the end",
    "closed: aborted",
    "closed: answered",
    "closed: drained",
    "closed: failed",
    "closed: idle timeout",
    "closed: message timeout",
    "closed: peer closed",
    "closed: too long",
    "connection limit",
    "delay cut short",
    "delay over",
    "drain deadline",
    "drain delayed",
    "exhaustion",
    "exit: drained",
    "exit: forced",
    "false event",
    "followed to the end",
    "frame lost",
    "frame",
    "interrupted",
    "left in the queue",
    "lines left out",
    "network reset",
    "no room",
    "peer leaves",
    "reply cut short",
    "report",
    "same request",
    "second signal",
    "send failed",
    "short send",
    "step",
    "time jump",
    "turn full",
    "urgent byte",
    "visitor leaves",
    "visitor let in",
    "visitor refused",
    "watch failed",
];

type Report = Result<Tally, Box<Failure>>;

pub(crate) fn run(seeds: Range<u64>) {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let tally = thread::scope(|scope| {
        let (reports, inbox) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (seeds, next, reports) = (&seeds, &next, reports.clone());
            scope.spawn(move || work(seeds, next, &reports));
        }
        drop(reports);
        collect(&inbox, &seeds, &next)
    });
    let lives = seeds.end - seeds.start;
    if lives >= SEEDS_TO_MEET_ALL {
        let missing: Vec<_> =
            MUST_HAPPEN.iter().filter(|name| !tally.contains_key(*name)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
    println!("{tally:#?}");
    println!("{lives} lives, seeds {seeds:?}: every promise kept ({:.1?})", started.elapsed());
}

/// Lives a part of the lives at a time, until none is left or one has failed.
fn work(seeds: &Range<u64>, next: &AtomicU64, reports: &Sender<Report>) {
    loop {
        let from = next.fetch_add(SEEDS_AT_ONCE, Ordering::Relaxed);
        if from >= seeds.end {
            return;
        }
        let to = seeds.end.min(from + SEEDS_AT_ONCE);
        let report =
            (from..to).try_fold(Tally::new(), |tally, seed| Ok(sum(tally, life::live(seed)?)));
        if reports.send(report).is_err() {
            return;
        }
    }
}

fn collect(inbox: &Receiver<Report>, seeds: &Range<u64>, next: &AtomicU64) -> Tally {
    let mut total = Tally::new();
    let mut told = Instant::now();
    for report in inbox {
        match report {
            Ok(tally) => total = sum(total, tally),
            Err(failure) => {
                next.store(seeds.end, Ordering::Relaxed);
                tell(&failure);
            }
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let begun = next.load(Ordering::Relaxed).min(seeds.end) - seeds.start;
            eprintln!("simulation: {begun} of {} lives", seeds.end - seeds.start);
        }
    }
    total
}

fn sum(mut total: Tally, tally: Tally) -> Tally {
    for (name, count) in tally {
        *total.entry(name).or_default() += count;
    }
    total
}

/// Lives one life and tells it.
pub(crate) fn replay(seed: u64) {
    match life::tell(seed) {
        Ok(trace) => println!("{}\nseed {seed}: every promise kept", trace.join("\n")),
        Err(failure) => tell(&failure),
    }
}

/// Of the lives that fail, tells the shortest: it is the easiest to understand, and always the same.
pub(crate) fn tell_shortest(seeds: Range<u64>) {
    let failures = seeds.filter_map(|seed| life::live(seed).err());
    if let Some(failure) = failures.min_by_key(|failure| failure.trace.len()) {
        tell(&failure);
    }
}

fn tell(failure: &Failure) -> ! {
    let Failure { seed, message, trace } = failure;
    println!("{}", trace.join("\n"));
    panic!(
        "seed {seed}: {message}\n\
         to see it again: SEED={seed} cargo test --release --test simulation -- --nocapture"
    );
}
