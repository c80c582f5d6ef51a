//! The program as its user runs it.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{built_floor, processors};
use echo_bench::crowd::Crowd;
use echo_bench::results::{Results, Workload};
use rustix::process::{Pid, Signal, kill_process};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    let processors = processors();
    command.args(["--server-cpu", &processors.server.to_string()]);
    command.args(["--generator-cpu", &processors.generator.to_string()]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn temporary(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_million_connections_take_160_bytes_each() {
    let output = program(&["--crowd", "1000000"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let crowd: Crowd = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(crowd.connections, 1_000_000);
    let bytes = crowd.peak_bytes / 1_000_000;
    assert!((100..=160).contains(&bytes), "{bytes} bytes");

    let output = program(&["--crowd", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_short_run_leaves_results_and_a_report() {
    let Some(built) = built_floor() else { return };
    let out = temporary("short-run");
    let built = built.to_str().unwrap();
    let output = program(&["--quick", "--workloads", "start,burst", "--servers", "c-epoll,go"])
        .args(["--peers", built, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("go is skipped"), "{}", stderr(&output));

    let results = Results::read(&out.join("results.json")).unwrap();
    assert!(results.about.quick);
    assert!(results.servers.iter().any(|server| server.skipped.is_some()));
    let mut workloads: Vec<_> = results.samples.iter().map(|s| s.case.workload).collect();
    workloads.sort_unstable();
    workloads.dedup();
    assert_eq!(workloads, [Workload::Burst, Workload::Start]);

    let report = fs::read_to_string(out.with_extension("md")).unwrap();
    assert!(report.contains("go is skipped") && report.contains("| c-epoll |"), "{report}");
    assert!(out.join("cpu-per-message.svg").exists());
    let tables = String::from_utf8_lossy(&output.stdout);
    assert!(tables.contains("c-epoll"), "{tables}");
}

#[test]
fn wrong_usage_is_exit_2_and_no_server_is_exit_1() {
    let output = program(&["--fast"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--fast"));

    let output = program(&["--servers", "nobody"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody"));
}

#[test]
fn an_interrupted_run_leaves_no_server() {
    let Some(built) = built_floor() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let mut run = program(&["--workloads", "closed", "--servers", "c-epoll", "--peers"])
            .arg(built)
            .arg("--out")
            .arg(temporary("interrupted"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = wait_for(|| child(&run, "c-epoll"));
        kill_process(Pid::from_child(&run), signal).unwrap();
        let status = wait_for(|| run.try_wait().unwrap());
        assert_eq!(status.code(), Some(1));
        assert!(!PathBuf::from(format!("/proc/{server}")).exists(), "{server} is still there");
    }
}

/// The process id of a child with this name. A run has others too, which tell it versions.
fn child(process: &Child, name: &str) -> Option<u32> {
    let pid = process.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|word| word.parse().ok());
    children.find(|child: &u32| {
        let comm = fs::read_to_string(format!("/proc/{child}/comm"));
        comm.is_ok_and(|comm| comm.trim() == name)
    })
}

/// Asks until there is an answer; a run that hangs fails.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
