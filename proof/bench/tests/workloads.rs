//! Every workload against the C floor, in tiny sizes; and against servers that lie.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{built_floor, processors};
use echo_bench::connection::Sources;
use echo_bench::cpu;
use echo_bench::jobs::{Bench, Finding};
use echo_bench::peers::{self, Behaviour, FLOOR_MORE, Limits, Peer, Places};
use echo_bench::plan::Job;
use echo_bench::server_process::ServerProcess;
use echo_bench::syscalls;

const SHORT: Duration = Duration::from_millis(50);

fn floor(built: &Path) -> Peer {
    named(peers::FLOOR, built)
}

fn named(name: &str, built: &Path) -> Peer {
    let places = Places {
        reactor: "not/here".into(),
        built: built.to_path_buf(),
        sources: concat!(env!("CARGO_MANIFEST_DIR"), "/peers").into(),
    };
    peers::all(&places).into_iter().find(|peer| peer.name == name).expect("a known name")
}

fn bench() -> Bench {
    Bench {
        processors: processors(),
        limits: Limits { backlog: 128, connections: 1000 },
        open_rate_per_second: 1000.0,
        sources: Sources::default(),
    }
}

fn measure(job: &Job, peer: &Peer) -> Vec<Finding> {
    bench().measure(job, peer).unwrap_or_else(|error| panic!("{job}: {error}"))
}

/// Measures and expects one finding, with processor time and so many messages.
fn one(job: &Job, peer: &Peer) -> Finding {
    let mut found = measure(job, peer);
    assert_eq!(found.len(), 1, "{job}");
    let finding = found.pop().unwrap();
    assert!(finding.outcome.messages > 0, "{job}");
    assert!(finding.outcome.cpu.total_ns > 0, "{job}");
    finding
}

#[test]
fn stopped_rounds_count_their_messages() {
    let Some(built) = built_floor() else { return };
    for message_bytes in [64, 4096] {
        let job = Job::Stopped { connections: 7, message_bytes, repeats: 3 };
        assert_eq!(one(&job, &floor(built)).outcome.messages, 21);
    }
}

#[test]
fn bursts_count_their_messages() {
    let Some(built) = built_floor() else { return };
    for name in ["c-epoll", FLOOR_MORE, "c-epoll-shutdown"] {
        let job = Job::Burst { connections: 20, repeats: 2 };
        assert_eq!(one(&job, &named(name, built)).outcome.messages, 40);
    }
}

#[test]
fn loops_have_a_latency_for_each_message() {
    let Some(built) = built_floor() else { return };
    let jobs = [
        Job::Closed { connections: 5, duration: SHORT },
        Job::Oneshot { loops: 5, duration: SHORT },
    ];
    for job in jobs {
        let outcome = one(&job, &floor(built)).outcome;
        let latency = outcome.latency.expect("a latency");
        assert_eq!(latency.len(), outcome.messages, "{job}");
        assert!(outcome.messages >= 5, "{job}");
        assert!(outcome.elapsed >= SHORT, "{job}");
    }
}

#[test]
fn the_open_loop_sends_what_its_schedule_says() {
    let Some(built) = built_floor() else { return };
    let job = Job::Open { connections: 5, duration: SHORT };
    let outcome = one(&job, &floor(built)).outcome;
    // 1,000 a second for 50 ms.
    assert_eq!((outcome.messages, outcome.unanswered), (50, 0));
    assert!(outcome.elapsed >= Duration::from_millis(49));
}

#[test]
fn idle_connections_are_held_while_the_sample_echoes() {
    let Some(built) = built_floor() else { return };
    let job = Job::Idle { steps: vec![100, 300], duration: SHORT };
    let found = measure(&job, &floor(built));
    let sizes: Vec<_> =
        found.iter().map(|f| (f.case.connections, f.case.idle_connections)).collect();
    assert_eq!(sizes, [(1, 99), (3, 297)]);
    for finding in found {
        assert!(finding.resident_bytes.is_some_and(|bytes| bytes > 100_000));
        assert!(finding.outcome.messages > 0);
    }

    let job = Job::Beside { connections: 5, idle_connections: 50, repeats: 2 };
    let idle: Vec<_> =
        measure(&job, &floor(built)).iter().map(|f| f.case.idle_connections).collect();
    assert_eq!(idle, [0, 50]);
}

#[test]
fn a_process_has_a_start() {
    let Some(built) = built_floor() else { return };
    let found = measure(&Job::Start, &floor(built));
    assert!(found[0].outcome.elapsed > Duration::ZERO);
}

#[test]
fn an_end_that_is_not_exit_0_is_an_error() {
    let Some(built) = built_floor() else { return };
    let error = bench().measure(&Job::Stop { idle_connections: 5 }, &floor(built)).unwrap_err();
    assert!(error.to_string().contains("signal: 15"), "{error}");
}

#[test]
fn system_calls_of_the_floor_are_at_the_floor() {
    let Some(built) = built_floor() else { return };
    if let Some(reason) = syscalls::missing() {
        eprintln!("skipped: {reason}");
        return;
    }
    let (finding, counts) = bench().trace_stream(&floor(built), 20).unwrap();
    assert_eq!(finding.outcome.messages, 100);
    assert_eq!((counts["read"], counts["sendto"]), (100, 100), "{counts:?}");

    let (finding, counts) = bench().trace_burst(&floor(built), 50).unwrap();
    assert_eq!(finding.outcome.messages, 100);
    for name in ["read", "sendto", "close"] {
        assert_eq!(counts[name], 100, "{counts:?}");
    }
    assert!(!counts.contains_key("epoll_ctl"), "{counts:?}");
}

#[test]
fn a_server_that_lies_is_noticed() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/liar.py");
    let jobs = [
        Job::Stopped { connections: 2, message_bytes: 64, repeats: 1 },
        Job::Closed { connections: 2, duration: SHORT },
        Job::Open { connections: 2, duration: SHORT },
        Job::Oneshot { loops: 2, duration: SHORT },
        Job::Burst { connections: 2, repeats: 1 },
    ];
    let lies = [
        ("byte", "wrong reply"),
        ("stale", "wrong reply"),
        ("twice", "more than it owes"),
        ("short", "before it answered"),
        ("mute", "before it answered"),
    ];
    for (lie, complaint) in lies {
        let script = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("liar-{lie}.py"));
        std::fs::copy(source, &script).unwrap();
        let liar = Peer::scripted("liar", "python3", &script);
        if let Some(reason) = liar.missing() {
            eprintln!("skipped: {reason}");
            return;
        }
        for job in &jobs {
            let error = bench().measure(job, &liar).expect_err(lie).to_string();
            assert!(error.contains(complaint), "{lie}, {job}: {error}");
        }
    }
}

#[test]
fn a_server_ends_with_its_guard() {
    let Some(built) = built_floor() else { return };
    let limits = Limits { backlog: 9, connections: 9 };
    let start =
        || ServerProcess::start(&floor(built), Behaviour::Stream, limits, processors()).unwrap();
    let server = start();
    let pid = server.pid();
    drop(server);
    assert!(cpu::activity(pid).is_err(), "it is still there");

    // A stopped server ends too.
    let server = start();
    let pid = server.pid();
    server.stop().unwrap();
    drop(server);
    assert!(cpu::activity(pid).is_err(), "it is still there");
}
