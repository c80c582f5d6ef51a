//! The program that is tested, on a port of its own.

use std::fmt::Display;
use std::process::Command;

use echo_harness::command::{program, without_settings};
use echo_harness::process::{Ended, Process};

use crate::reader::{self, Events, Reply};

/// A running program.
pub(crate) struct Scope {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// The program with these arguments.
pub(crate) fn scope(arguments: &[&str]) -> Command {
    let mut command = without_settings(program("echo-scope"));
    command.args(arguments);
    command
}

/// The program for these servers, with commas between them.
pub(crate) fn scope_of(servers: &impl Display) -> Command {
    let mut command = scope(&["--config", "/dev/null", "--listen", "127.0.0.1:0"]);
    command.arg("--servers").arg(servers.to_string());
    command
}

impl Scope {
    pub(crate) fn start(servers: &impl Display) -> Scope {
        Scope::start_by(scope_of(servers))
    }

    pub(crate) fn start_by(mut command: Command) -> Scope {
        let process = Process::start(&mut command);
        let line = process.log().wait_for("The page is on http://127.0.0.1:");
        let (_, behind) = line.split_once("http://127.0.0.1:").expect("an address");
        let (port, _) = behind.split_once('/').expect("a path");
        Scope { port: port.parse().expect("a port"), process }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        reader::get(self.port, path)
    }

    pub(crate) fn events(&self, path: &str) -> Events {
        Events::open(self.port, path)
    }

    pub(crate) fn terminate(self) -> Ended {
        self.process.terminate()
    }
}
