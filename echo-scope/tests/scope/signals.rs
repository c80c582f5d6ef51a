//! SIGTERM and SIGINT, whatever the program is doing.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use echo_harness::command::{is_available, program};
use echo_harness::process::{Ended, Process};
use echo_harness::scratch::{ScratchFile, fill};
use echo_harness::{proc, wait};

use crate::fake::Fake;
use crate::scope::{Scope, scope_of};

/// The promise is half a second; the rest is for a loaded machine.
const SOON: Duration = Duration::from_secs(3);

fn end(process: Process, signal: Signal) -> Ended {
    let sent = Instant::now();
    process.signal(signal);
    let ended = process.wait();
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    ended
}

#[test]
fn with_browsers_and_a_server() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let fake = Fake::start();
        let scope = Scope::start(&fake.address);
        let mut events = scope.events("/events");
        events.until("the server", |state| !state["shown"].is_null());
        let ended = end(scope.process, signal);
        ended.log.assert_ends_with(&[&format!("{name} received: stopped")]);
        while events.next().is_some() {}
    }
}

#[test]
fn with_a_server_that_is_not_there() {
    let scope = Scope::start(&"127.0.0.1:1");
    scope.process.log().wait_for("127.0.0.1:1 (127.0.0.1:1) is gone: Connection refused");
    end(scope.process, Signal::TERM);
}

/// The log's pipe is full from the start, so that the program hangs in its first line.
#[test]
fn in_a_log_line_that_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let writer = File::from(OwnedFd::from(writer));
    fill(&writer);
    let process = Process::start_with_log(scope_of(&"127.0.0.1:1"), writer);
    let is_ready = || proc::catches(process.pid(), Signal::TERM).expect("it runs");
    wait::until("the handler", is_ready);
    end(process, Signal::TERM);
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert_eq!(log.trim_matches('.'), "");
}

#[test]
fn as_pid_1_of_a_container() {
    if !is_available(&["unshare", "--pid", "--fork", "--kill-child", "true"]) {
        return;
    }
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(program("echo-scope"));
    command.args(["--config", "/dev/null", "--listen", "127.0.0.1:0", "--servers", "127.0.0.1:1"]);
    let scope = Scope::start_by(command);
    let child = proc::wait_for_child(scope.process.pid(), "echo-scope");
    kill_process(child, Signal::TERM).expect("it runs");
    assert_eq!(scope.process.wait().status.code(), Some(0));
}

#[test]
fn a_closed_log_does_no_harm() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let fake = Fake::start();
    let process = Process::start_with_log(scope_of(&fake.address), OwnedFd::from(writer));
    wait::until("it watches", || fake.watches() > 0);
    end(process, Signal::TERM);
}

#[test]
fn a_log_that_may_not_grow_does_no_harm() {
    if !is_available(&["prlimit", "--version"]) {
        return;
    }
    let log = ScratchFile::new("log", "");
    let file = File::options().append(true).open(log.path()).expect("our own");
    let fake = Fake::start();
    let mut command = std::process::Command::new("prlimit");
    command.args(["--fsize=10", "--"]).arg(program("echo-scope"));
    command.args(["--config", "/dev/null", "--listen", "127.0.0.1:0"]);
    command.arg("--servers").arg(fake.address.to_string());
    let process = Process::start_with_log(command, file);
    wait::until("it watches", || fake.watches() > 0);
    end(process, Signal::TERM);
    assert_eq!(log.content().len(), 10);
}
