//! The endurance run of echo-reactor: mixed load and faults at once, for hours if need be.
//!
//! Reading order: [`director`] leads the run through its rounds; [`faults`] says what happens to the
//! server's process in a round; [`server`] is that process, and [`log`] the account of its log. The
//! load is a thread for each peer: [`peers`] says what each kind of peer does, [`conversation`] is one
//! connection and compares every byte, [`round`] is what the threads share. All that was seen is a
//! [`record`], which also judges memory; [`summary`] and [`picture`] show it.

mod arguments;
mod conversation;
mod director;
mod faults;
mod log;
mod peers;
mod picture;
mod record;
mod round;
mod server;
mod summary;

use std::fs;
use std::io;
use std::process::ExitCode;

use echo_harness::{child, interrupt};

use crate::arguments::Arguments;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(arguments)) => soak(&arguments).unwrap_or_else(|error| {
            eprintln!("echo-soak: {error}");
            ExitCode::FAILURE
        }),
        Err(error) => {
            eprintln!("echo-soak: {error}; --help shows the options");
            ExitCode::from(2)
        }
    }
}

fn soak(arguments: &Arguments) -> io::Result<ExitCode> {
    interrupt::watch()?;
    child::end_all_in_a_panic();
    fs::create_dir_all(&arguments.out)?;
    let record = director::soak(&arguments.server, arguments.time)?;
    let path = arguments.out.join("soak.svg");
    picture::draw(&record, &path)?;
    print!("{}", summary::text(&record));
    println!("  {:<12} {}", "picture", path.display());
    if let Some(complaint) = record.complaint() {
        println!("FAILED: {complaint}");
        return Ok(ExitCode::FAILURE);
    }
    println!("passed: no reply was lost, doubled or wrong; memory and descriptors are flat");
    Ok(ExitCode::SUCCESS)
}
