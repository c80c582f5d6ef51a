//! What the guide (`docs/guide.md`, `docs/guia.md`) runs: `make lesson N=3`, `make break N=3`.
//!
//! Reading order: [`lessons`] play a scene with a real server, and print what happened. [`breaks`] are five
//! changes of one line each that spoil the server; [`trial`] tries one of them in a [`copy`] of the checkout.

mod arguments;
mod breaks;
mod copy;
mod trial;

use std::io;
use std::process::ExitCode;

use arguments::{Arguments, Command, HELP};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.command {
        Command::Help => {
            print!("{HELP}");
            Ok(())
        }
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
