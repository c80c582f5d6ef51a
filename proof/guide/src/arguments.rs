//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::breaks::BREAKS;
use crate::lessons::{self, Cast};

pub(crate) const HELP: &str = "\
What the guide runs; docs/guide.md (docs/guia.md in Spanish) leads through it.

Usage: echo-guide lesson N [OPTION]...  play the scene of chapter N, with a real server
       echo-guide break N               spoil a copy of the checkout in way N, and show what notices

  --reactor PATH      the program of echo-reactor (default target/release/echo-reactor)
  --peers DIR         where the other servers of the lessons are (default target/bench)
  --connections N     how many connections the larger crowd of chapter 7 has (default 10000)
  --help

Exit status: 0 it went as the guide says, 1 it did not, 2 wrong usage.
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Lesson(usize, Cast),
    Break(usize),
}

impl Command {
    /// Understands the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut cast = Cast {
            reactor: "target/release/echo-reactor".into(),
            peers: "target/bench".into(),
            connections: 10_000,
        };
        let mut names = Vec::new();
        while let Some(word) = parser.next()? {
            match word {
                Long("reactor") => cast.reactor = PathBuf::from(parser.value()?),
                Long("peers") => cast.peers = PathBuf::from(parser.value()?),
                Long("connections") => cast.connections = parser.value()?.parse()?,
                Long("help") => return Ok(Command::Help),
                Value(name) if names.len() < 2 => names.push(name.string()?),
                _ => return Err(word.unexpected()),
            }
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names[..] {
            ["lesson", number] => Ok(Command::Lesson(one_of(lessons::chapters(), number)?, cast)),
            ["break", number] => Ok(Command::Break(one_of(1..=BREAKS.len(), number)?)),
            _ => Err("say which: lesson N or break N; --help tells more".into()),
        }
    }
}

fn one_of(allowed: impl Iterator<Item = usize>, number: &str) -> Result<usize, String> {
    let allowed: Vec<usize> = allowed.collect();
    let number = number.parse().ok().filter(|number| allowed.contains(number));
    let all: Vec<String> = allowed.iter().map(usize::to_string).collect();
    number.ok_or_else(|| format!("which one? Say N=1, or another of {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, String> {
        Command::parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_lesson_and_a_break_are_chosen_by_number() {
        assert_eq!(parse(&["break", "5"]), Ok(Command::Break(5)));
        let command = parse(&["lesson", "7", "--connections", "100"]);
        assert!(
            matches!(command, Ok(Command::Lesson(7, Cast { connections: 100, .. }))),
            "{command:?}"
        );
    }

    #[test]
    fn wrong_words_are_told_what_there_is() {
        for (words, answer) in [
            (&["break", "6"][..], "1, 2, 3, 4, 5"),
            (&["break", ""], "which one?"),
            (&["lesson", "two"], "which one?"),
            (&["break"], "break N"),
            (&["solo", "1"], "lesson N or break N"),
            (&["lesson", "1", "more"], "more"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(answer), "{words:?}: {error}");
        }
    }
}
