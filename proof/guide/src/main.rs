//! What the guide (`docs/guide.md`, `docs/guia.md`) runs: `make lesson N=3`, `make break N=3`.
//!
//! Reading order: [`lessons`] play a scene with a real server, most of them on a [`stage`], and print what happened.
//! [`breaks`] are five changes of one line each that spoil the server; [`trial`] tries one of them in a [`copy`] of the
//! checkout.

mod arguments;
mod breaks;
mod brief;
mod copy;
mod lessons;
mod stage;
mod trial;

use std::panic::{self, PanicHookInfo};
use std::process::{ExitCode, exit};

use echo_harness::child;

use arguments::{Command, HELP};

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    panic::set_hook(Box::new(|panic| {
        eprintln!("error: it did not go as the guide says: {}", words(panic));
        exit(1);
    }));
    child::end_all_in_a_panic();
    let done = match command {
        Command::Help => {
            print!("{HELP}");
            Ok(())
        }
        Command::Lesson(chapter, cast) => lessons::play(chapter, &cast),
        Command::Break(number) => trial::run(number),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The harness panics where something goes otherwise than a lesson expects. That is no bug to be traced here.
fn words<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason is given")
}
