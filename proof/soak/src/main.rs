//! Runs echo-reactor under mixed load, faults and restarts: `echo-soak --help`.

use std::fs;
use std::io;
use std::process::ExitCode;

use echo_bench::{child, interrupt};
use echo_soak::arguments::{Action, Arguments, HELP};
use echo_soak::director::{self, Plan};
use echo_soak::{picture, summary};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("echo-soak: {error}; --help shows the options");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.action {
        Action::Help => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Action::Version => {
            println!("echo-soak {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        Action::Soak => soak(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("echo-soak: {error}");
        ExitCode::FAILURE
    })
}

fn soak(arguments: &Arguments) -> io::Result<ExitCode> {
    interrupt::watch()?;
    child::end_with_a_panic();
    fs::create_dir_all(&arguments.out)?;
    let plan = Plan { time: arguments.time, program: arguments.server.clone() };
    let record = director::soak(&plan)?;
    let path = arguments.out.join("soak.svg");
    picture::draw(&record, &path)?;
    print!("{}", summary::text(&record));
    println!("  {:<15} {}", "picture", path.display());
    if let Some(complaint) = summary::complaint(&record) {
        println!("FAILED: {complaint}");
        return Ok(ExitCode::FAILURE);
    }
    println!("passed: no reply was lost, doubled or wrong; memory and descriptors are flat");
    Ok(ExitCode::SUCCESS)
}
