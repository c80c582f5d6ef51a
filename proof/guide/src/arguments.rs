//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::breaks::BREAKS;

pub(crate) const HELP: &str = "\
What the guide runs; docs/guide.md (docs/guia.md in Spanish) leads through it.

Usage: echo-guide break N      spoil a copy of the checkout in way N, 1 to 5, and show what notices

Exit status: 0 it went as the guide says, 1 it did not, 2 wrong usage.
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Break(usize),
}

pub(crate) struct Arguments {
    pub(crate) command: Command,
}

impl Arguments {
    /// Understands the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut command = None;
        while let Some(word) = parser.next()? {
            match word {
                Long("help") => return Ok(Arguments { command: Command::Help }),
                Value(name) if command.is_none() => match name.to_str() {
                    Some("break") => {
                        command = Some(Command::Break(number(&mut parser, BREAKS.len())?));
                    }
                    _ => return Err(Value(name).unexpected()),
                },
                _ => return Err(word.unexpected()),
            }
        }
        let command = command.ok_or("say what: break N; --help tells more")?;
        Ok(Arguments { command })
    }
}

fn number(parser: &mut lexopt::Parser, most: usize) -> Result<usize, lexopt::Error> {
    let which = format!("which one? Say N=1 to N={most}");
    let value = parser.value().map_err(|_| which.clone())?;
    let number = value.parse::<usize>().ok().filter(|number| (1..=most).contains(number));
    Ok(number.ok_or(which)?)
}
