//! Every command of the guide and of the exercises is run by a test, and shows what the documents say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::document::{Block, Document, checkout};

/// What goes before a command, so that it takes less time or memory.
const SHORTER: [(&str, &str); 1] = [("make lesson N=7", "CONNECTIONS=500")];

/// Commands that are run by another test, in another file: those that need Docker.
const ELSEWHERE: [(&str, &str, &str); 8] = [
    ("make check-exercise N=3 IMAGE=echo-first-solution:latest", EXERCISES, FIRST_SOLUTION),
    ("make check-exercise N=4 IMAGE=echo-first-solution:latest", EXERCISES, FIRST_SOLUTION),
    ("make check-exercise N=5 IMAGE=echo-first-solution:latest", EXERCISES, FIRST_SOLUTION),
    ("make first-solution", EXERCISES, FIRST_SOLUTION),
    ("ECHO_CONFIG=target/busy.yaml make scale CLIENTS=100", EXERCISES, CROWD),
    ("docker exec server /echo-reactor --watch --lines", EXERCISES, CROWD),
    ("make watch", "proof/containers/tests/page.rs", PAGE),
    ("make docker-compose-down", "proof/containers/tests/environment.rs", DOWN),
];

const EXERCISES: &str = "proof/containers/tests/exercises.rs";
const CROWD: &str = "a_crowd_of_clients_is_seen_as_the_guide_shows_it";
const PAGE: &str =
    "the_page_is_for_this_machine_alone_outlives_the_server_and_goes_with_the_environment";
const DOWN: &str = "the_containers_and_the_network_are_gone_after_down";
const FIRST_SOLUTION: &str = "a_first_solution_fails_where_it_should_and_is_told_why";

/// Each command, and the block with its output, if one follows.
fn commands(path: &'static str) -> Vec<(String, Option<Block>)> {
    let sections = Document::read(path).sections;
    let mut blocks = sections.into_iter().flat_map(|section| section.blocks).peekable();
    let mut commands = Vec::new();
    while let Some(block) = blocks.next() {
        if block.language == "sh" {
            let output = blocks.next_if(|block| block.language == "text");
            let lines = block.lines.into_iter().filter(|line| !line.is_empty() && line != "#");
            commands.extend(lines.map(|line| (line, None)));
            if let Some((_, last)) = commands.last_mut() {
                *last = output;
            }
        }
    }
    commands
}

/// A line without what differs from run to run: each number is `#`, and spaces are one.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_ascii_digit() {
            while characters.next_if(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).is_some() {}
            shape.push('#');
        } else {
            shape.push(character);
        }
    }
    // There is room nearly always, and whether an event says so depends on the moment.
    let shape = shape.replace("IN|OUT", "IN");
    // So does where a reply is cut off, and with the length of a thread's number where a long line is.
    let ends = ["; from byte ", " panicked at "].map(|end| shape.find(end));
    let shape = &shape[..ends.into_iter().flatten().min().unwrap_or(shape.len())];
    shape.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Events that tell of room alone, by strace and by the server.
const HINTS: [&str; 2] = ["[slot #: OUT]", "event writable"];

/// The lines that count. An event that tells of room alone may come at any time.
fn shapes<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let counts = |line: &String| !line.is_empty() && !HINTS.iter().any(|hint| line.contains(hint));
    lines.map(shape).filter(counts).collect()
}

/// Panics unless the output has the lines of the document, one after the other. A line that begins with `…` stands for
/// any number of lines, and so do the beginning and the end. Of an output that `varies`, each line has to be there
/// somewhere.
fn assert_shows(block: &Block, output: &str) {
    let output = shapes(output.lines());
    let shown = shapes(block.lines.iter().map(String::as_str));
    let mut next = 0;
    if block.varies {
        let missing = shown.iter().find(|line| !line.starts_with('…') && !output.contains(line));
        assert!(missing.is_none(), "{missing:?} is not in:\n{}", output.join("\n"));
        return;
    }
    for passage in shown.split(|line| line.starts_with('…')).filter(|lines| !lines.is_empty()) {
        let place = output[next..].windows(passage.len()).position(|lines| lines == passage);
        let place = place.unwrap_or_else(|| {
            let (passage, rest) = (passage.join("\n"), output[next..].join("\n"));
            panic!("the document shows\n{passage}\nand this has not come:\n{rest}")
        });
        next += place + passage.len();
    }
}

/// Every source of the server, with its content.
fn sources(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else {
            let content = fs::read_to_string(&path).expect("a text");
            sources.insert(path, content);
        }
    }
    sources
}

/// Runs a command as a user does, and returns what it prints.
fn run(command: &str) -> String {
    let shorter = SHORTER.iter().find(|(long, _)| *long == command).map_or("", |(_, words)| words);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{shorter} {command}")]).current_dir(checkout());
    // This runs under make and cargo, and the user's command does not.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "N", "CONNECTIONS"] {
        shell.env_remove(name);
    }
    let output = shell.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{text}{complaint}", output.status);
    text
}

#[test]
#[ignore = "builds and runs everything: make test-guide"]
fn every_command_does_what_the_documents_show() {
    let server = checkout().join("echo-reactor");
    let before = sources(&server);
    for (command, shown) in ["docs/guide.md", "docs/exercises.md"].map(commands).concat() {
        if ELSEWHERE.iter().any(|(elsewhere, ..)| *elsewhere == command) {
            continue;
        }
        let output = run(&command);
        if let Some(shown) = shown {
            assert_shows(&shown, &output);
        }
    }
    assert!(sources(&server) == before, "make break has changed the checkout");
}

#[test]
fn what_is_run_elsewhere_is_a_command_of_the_documents_and_has_a_test() {
    let commands = ["docs/guide.md", "docs/exercises.md"].map(commands).concat();
    for (command, file, test) in ELSEWHERE {
        assert!(
            commands.iter().any(|(shown, _)| shown == command),
            "{command} is not in the guide"
        );
        let tests = fs::read_to_string(checkout().join(file)).expect(file);
        assert!(tests.contains(&format!("fn {test}()")), "{file} has no {test}");
    }
}

#[test]
fn a_line_is_recognised_whatever_its_numbers() {
    let block = |text: &str| Block {
        language: "text".into(),
        varies: false,
        lines: text.lines().map(str::to_owned).collect(),
    };
    let output = "building\n 0.1 ms  accept4(8, 127.0.0.1:4) = 9\nmore\n\nthe end\n";
    assert_shows(&block("  12.7 ms accept4(7, 127.0.0.1:40916) = 10\n…\nthe end"), output);
    let wrong = std::panic::catch_unwind(|| assert_shows(&block("building\nthe end"), output));
    assert!(wrong.is_err());
}
