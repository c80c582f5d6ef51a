//! The document of a run, written from its results.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::plot;
use crate::results::Results;
use crate::table::Table;
use crate::tables;

/// Where the document stands: beside the directory of the results, under its name.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.with_extension("md")
}

/// Writes the document, and the pictures into `directory`.
///
/// # Errors
/// When a file can't be written.
pub fn write(results: &Results, directory: &Path) -> io::Result<()> {
    let pictures = plot::draw_all(results, directory)?;
    let folder = directory.file_name().unwrap_or_default().to_string_lossy();
    let mut parts = vec!["# Performance".to_string(), INTRODUCTION.into(), facts(results)];
    if tables::has_reactor(results) {
        parts.extend(["## Targets".to_string(), TARGETS.into()]);
        parts.push(tables::targets(results).rows_to_markdown());
    }
    parts.push(LIMITS.to_string());
    parts.push("## Pictures".to_string());
    parts.extend(pictures.iter().map(|picture| {
        let (caption, file) = (picture.caption, picture.file);
        format!("**{caption}**\n\n![{caption}]({folder}/{file})")
    }));
    parts.push("## Measurements".to_string());
    parts.extend(tables::all(results).iter().map(Table::to_markdown));
    parts.push(METHOD.to_string());
    fs::write(path(directory), parts.join("\n\n") + "\n")
}

const QUOTE_BEGINS: &str = "<!-- Written by make bench. -->\n";
const QUOTE_ENDS: &str = "<!-- End of what make bench wrote. -->\n";

/// `text` with the results in short between its two marks; as it is where it has none.
#[must_use]
pub fn quote(results: &Results, text: &str) -> String {
    let parts = text.split_once(QUOTE_BEGINS);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(QUOTE_ENDS)?.1)));
    let Some((before, after)) = parts else { return text.to_string() };
    let table = tables::in_short(results).rows_to_markdown();
    let machine = results.about.machine.iter().chain(&results.about.versions);
    let machine: Vec<_> = machine
        .filter(|[name, _]| ["processors", "kernel", "rustc"].contains(&name.as_str()))
        .map(|[_, value]| value.as_str())
        .collect();
    let where_and_when = format!("{}; {}.", machine.join(", "), &results.about.date);
    format!("{before}{QUOTE_BEGINS}{}\n\n{where_and_when}\n{QUOTE_ENDS}{after}", table.trim_end())
}

const INTRODUCTION: &str = "\
What a message costs `echo-reactor`, beside servers of other make that do the same job. `make bench` wrote
this file on the machine below and writes it anew on yours; `make bench QUICK=1` takes a look in under two
minutes. `make bench-setup` installs what the peers need.

The measure is the **server's CPU time per message**. Throughput is shown too, but says less: server and load
generator share a small machine, and the generator is often the slower of the two.";

const TARGETS: &str = "\
Ratios are taken within a round; shown are the median of the rounds and their range.";

const LIMITS: &str = "\
## What the limits are

- **A connection of its own takes five calls, not four.** The reply waits for the FIN, so that both leave in
  one segment. If the peer sends one more byte before the `close`, that becomes a reset and takes the reply
  with it; a `shutdown` before the `close` sends both in time. So the floor of a server that loses no reply
  is `c-epoll-shutdown`, not `c-epoll-more`, and what is held against `c-epoll-more`, against four calls, or
  against a part of `c-epoll` that `c-epoll-shutdown` does not reach either, shows the price of that promise.
- **A blocking server is cheap while it says nothing.** `python-blocking` has one connection at a time and
  makes five calls for it; what makes it slow is its log, which `python-blocking-info` shows.
- **User space is a few hundredths.** What is left beside the system calls is below the spread of most
  measurements: it shows in the crowd, where there is no kernel.
- **Idle connections cost the active ones nothing in the reactor**, which touches none of them for a message.
  What the kernel's tables and the caches make of thousands of sockets meets every server alike.";

const METHOD: &str = "\
## Method

- **Servers.** All listen on 127.0.0.1, log nothing (but `echo-reactor-info`, whose log is read through a
  pipe), echo whole lines, and are told in the same way whether a connection has one message or many. The
  peers are minimal and idiomatic; their sources are in `echo-bench/peers`. Go takes its backlog from the
  kernel; `python-blocking` serves one connection at a time, so it has no place among persistent ones.
- **Machine.** The server is pinned to one processor, the load generator (one thread, epoll) to another. All
  happens on the loopback of a network namespace of its own, where neither a firewall nor other traffic adds
  to the cost.
- **Rounds.** Every measurement starts a fresh server and warms it up for a tenth of the time. Within a round
  the servers take turns, and every round begins with another one, so that a change of the machine's mood
  meets all. `± n %` is half the distance of the largest from the smallest round.
- **CPU time** is the kernel's `schedstat` in nanoseconds, all threads, read when the server is at rest:
  before the first message and after the last. What the kernel does for a sender inside its `write`, the
  delivery to a socket of the same machine, is part of it. User and system time come from `stat` in ticks of
  10 ms, and are given only as sums over all rounds.
- **Stopped rounds and bursts.** The server gets SIGSTOP, the messages are queued, it gets SIGCONT, and the
  generator sleeps until the server is at rest again; only then it reads. Nothing in this cost is sleeping or
  waking.
- **Open loop.** Messages leave by a schedule that does not wait for replies, and latency counts from the
  scheduled moment: a stall is charged to every message that it delays. Messages without a reply at the end
  count with the time that they have waited.
- **Crowd.** The reactor's own code in a process of its own, on a simulated kernel that hands out connections
  and events and does nothing else: no descriptor limit in the way, and no system call to hide behind. The
  further time that an event takes among a million is that of caches which do not hold them all.
- **Every reply is compared byte for byte**, and every line of a run is different. A wrong, missing or
  additional byte is an error, not a data point.
- **System calls** are counted by strace in rounds of their own. A call that was interrupted by stopping the
  server is counted twice.";

/// Where and when the run was, and what it left out.
fn facts(results: &Results) -> String {
    let about = &results.about;
    let length = if about.quick { "quick: good for a look, not for a claim" } else { "whole" };
    let mut table = Table::new("", "", &["", ""]);
    table.rows.push(vec!["date".into(), about.date.clone()]);
    table.rows.push(vec!["run".into(), length.into()]);
    let rows = about.machine.iter().chain(&about.versions);
    table.rows.extend(rows.map(|row| row.to_vec()));
    let notes: Vec<String> = about.notes.iter().map(|note| format!("- {note}")).collect();
    [table.rows_to_markdown(), notes.join("\n")].join("\n\n").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::REACTOR;
    use crate::results::tests::{BURST, sample};
    use crate::results::{About, Server};

    /// What the README says about speed is what the committed run found.
    #[test]
    fn the_readme_quotes_the_committed_results() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let results = Results::read(&root.join("docs/performance/results.json")).unwrap();
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(readme.contains(QUOTE_BEGINS) && readme.contains(QUOTE_ENDS));
        assert_eq!(quote(&results, &readme), readme);
        assert_eq!(quote(&results, "no marks"), "no marks");
    }

    #[test]
    fn a_report_has_its_facts_and_only_the_pictures_that_were_drawn() {
        let directory = std::env::temp_dir().join(format!("echo-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let results = Results {
            about: About { notes: vec!["go is skipped: not built.".into()], ..About::now(true) },
            servers: vec![Server { name: REACTOR.into(), about: String::new(), skipped: None }],
            samples: vec![sample(REACTOR, BURST, 0, 12.5)],
            system_calls: Vec::new(),
        };
        write(&results, &directory).unwrap();
        let text = fs::read_to_string(path(&directory)).unwrap();
        let drawn = directory.join("cpu-per-message.svg").exists();
        let not_drawn = directory.join("latency.svg").exists();
        fs::remove_dir_all(&directory).unwrap();
        fs::remove_file(path(&directory)).unwrap();

        assert!(text.contains("- go is skipped"), "{text}");
        assert!(text.contains("| echo-reactor | 12.50 ± 0 % |"), "{text}");
        assert!(text.contains("cpu-per-message.svg") && drawn);
        assert!(!text.contains("latency.svg") && !not_drawn);
    }
}
