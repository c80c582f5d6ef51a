//! Tries a break: spoils the copy of the checkout, runs the test that should notice, and tells what it said.

use std::env;
use std::fs;
use std::io::{self, Error};
use std::process::{Command, Stdio};

use crate::breaks::{BREAKS, Break, Witness};
use crate::copy::Copy;

/// How much of what the test says is shown: its end, and of each line the beginning.
const SHOWN_LINES: usize = 24;
const SHOWN_CHARACTERS: usize = 118;

/// Tries the break of this number, and fails unless it is noticed.
pub(crate) fn run(number: usize) -> io::Result<()> {
    let change = &BREAKS[number - 1];
    let checkout = env::current_dir()?;
    let copy = Copy::of(&checkout)?;
    println!("Break {number} of {}: {}\n", BREAKS.len(), change.title);
    spoil(&copy, change)?;
    let place = copy.root.strip_prefix(&checkout).unwrap_or(&copy.root);
    println!("Only in a copy, in {}. This checkout stays as it is.\n", place.display());
    let said = ask(&copy, &change.witness)?;
    println!("{said}\n\n{}", change.story);
    Ok(())
}

/// Changes the line in the copy, and shows the change.
fn spoil(copy: &Copy, change: &Break) -> io::Result<()> {
    let path = copy.root.join(change.file);
    let changed = change.apply(&fs::read_to_string(&path)?)?;
    fs::write(path, changed.text)?;
    println!("{}, line {}:", change.file, changed.number);
    println!("-{}\n+{}\n", changed.before, changed.after);
    Ok(())
}

/// What the test says that notices the change.
fn ask(copy: &Copy, witness: &Witness) -> io::Result<String> {
    let Witness { variable, tests, name, says } = witness;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--quiet", "--locked", "--package", "echo-reactor"]).args(*tests);
    // Else these choose lives of the simulation.
    for name in ["SEED", "START", "SEEDS"] {
        cargo.env_remove(name);
    }
    let assignment = variable.map_or(String::new(), |(name, value)| {
        cargo.env(name, value);
        format!("{name}={value} ")
    });
    println!("$ {assignment}{}", shown(&cargo, name));
    if !copy.target.exists() {
        eprintln!("(The first time this builds the copy, for some minutes.)");
    }
    cargo.args(["--", "--exact", name]).current_dir(&copy.root);
    cargo.env("CARGO_TARGET_DIR", &copy.target).env("RUST_BACKTRACE", "0");
    // Nobody looks for a line of this build in a debugger.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "none").env("CARGO_TERM_COLOR", "never");
    let output = cargo.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(said) = words_of_failure(&text, name) else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(Error::other(format!("{name} has not failed:\n{text}{complaint}")));
    };
    if !said.contains(says) {
        return Err(Error::other(format!("{name} failed, but does not say {says:?}:\n{said}")));
    }
    Ok(said)
}

/// What the user would type in the copy.
fn shown(cargo: &Command, name: &str) -> String {
    let words = cargo.get_args().map(|word| word.to_string_lossy());
    let words: Vec<_> = words.filter(|word| word != "--quiet" && word != "--locked").collect();
    format!("cargo {} {name}", words.join(" "))
}

/// The end of what a failed test has said.
fn words_of_failure(output: &str, name: &str) -> Option<String> {
    let (_, said) = output.split_once(&format!("---- {name} stdout ----\n"))?;
    let said = said.split("\nfailures:").next()?;
    let is_shown = |line: &&str| !line.is_empty() && !line.starts_with("note: run with");
    let lines: Vec<&str> = said.lines().filter(is_shown).collect();
    let left_out = lines.len().saturating_sub(SHOWN_LINES);
    let note = (left_out > 0).then(|| format!("  … {left_out} lines more"));
    let shown = lines[left_out..].iter().map(|line| {
        let cut: String = line.chars().take(SHOWN_CHARACTERS).collect();
        let end = if cut.len() < line.len() { "…" } else { "" };
        format!("  {cut}{end}")
    });
    Some(note.into_iter().chain(shown).collect::<Vec<_>>().join("\n"))
}
