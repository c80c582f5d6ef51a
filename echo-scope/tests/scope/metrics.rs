//! The numbers for Prometheus, judged by its own tools.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use echo_harness::child::OwnedChild;
use echo_harness::command::is_available;
use echo_harness::ports::free_port;
use echo_harness::scratch::ScratchFile;
use echo_harness::wait;

use crate::fake::{Fake, measured};
use crate::reader::get;
use crate::scope::Scope;

/// A server with something in every number.
fn busy() -> Fake {
    let fake = Fake::start();
    fake.change(|frame| {
        frame.last_second = Some(measured());
        frame.open.flushing = 2;
        frame.open.waiting_bytes = 4096;
        frame.tally.messages = 12_345;
        frame.tally.bytes_out = 99;
        frame.tally.woken.by_work_left = 5;
        frame.tally.closed.idle_timeout = 3;
        frame.tally.pauses.us = 1_500_000;
        "a \"host\"\\".clone_into(&mut frame.server.host);
    });
    fake
}

fn watched(fake: &Fake) -> Scope {
    let scope = Scope::start(&fake.address);
    scope.events("/events").until("the server", |state| !state["shown"].is_null());
    scope
}

#[test]
fn numbers_are_in_base_units_and_named_by_the_conventions() {
    let fake = busy();
    let scope = watched(&fake);
    let reply = scope.get("/metrics");
    assert!(reply.has_header("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    let server = format!("server=\"{}\"", fake.address);
    for line in [
        format!("echo_reactor_up{{{server}}} 1.0"),
        format!("echo_reactor_messages_total{{{server}}} 12345"),
        format!("echo_reactor_sent_bytes_total{{{server}}} 99"),
        format!("echo_reactor_turns_total{{{server},woken_by=\"work_left\"}} 5"),
        format!("echo_reactor_connections{{{server},state=\"flushing\"}} 2.0"),
        format!("echo_reactor_connections_closed_total{{{server},reason=\"idle_timeout\"}} 3"),
        format!("echo_reactor_accept_pause_seconds_total{{{server}}} 1.5"),
        format!("echo_reactor_unsent_bytes{{{server}}} 4096.0"),
        format!("echo_reactor_turn_p99_seconds{{{server}}} 0.000611"),
        format!("echo_reactor_asleep_ratio{{{server}}} 0.63"),
        format!("echo_reactor_info{{{server},host=\"a \\\"host\\\"\\\\\",version=\"0.1.0\"}} 1.0"),
    ] {
        assert!(reply.body.lines().any(|other| other == line), "{line} is not in\n{}", reply.body);
    }
}

#[test]
fn a_server_that_is_gone_has_no_old_numbers() {
    let fake = busy();
    let scope = watched(&fake);
    let down = format!("echo_reactor_up{{server=\"{}\"}} 0.0", fake.address);
    drop(fake);
    let body = wait::until_some("a server that is down", || {
        Some(scope.get("/metrics").body).filter(|body| body.contains(&down))
    });
    assert!(!body.contains("echo_reactor_messages_total{"), "{body}");
}

#[test]
fn promtool_has_nothing_to_say() {
    if !is_available(&["promtool", "--version"]) {
        return;
    }
    let fake = busy();
    let scope = watched(&fake);
    for body in [scope.get("/metrics").body, {
        drop(fake);
        wait::until("the end", || scope.get("/metrics").body.contains("} 0.0\n"));
        scope.get("/metrics").body
    }] {
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut promtool = promtool.stdout(Stdio::piped()).spawn().expect("it works");
        promtool.stdin.take().expect("a pipe").write_all(body.as_bytes()).expect("it reads");
        let output = promtool.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}\n{body}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_real_prometheus_scrapes_the_numbers() {
    if !is_available(&["prometheus", "--version"]) {
        return;
    }
    let fake = busy();
    let scope = watched(&fake);
    let config = ScratchFile::new(
        "prometheus.yml",
        format!(
            "scrape_configs:\n- job_name: echo\n  scrape_interval: 1s\n  \
             static_configs:\n  - targets: ['127.0.0.1:{}']\n",
            scope.port
        ),
    );
    let data = std::env::temp_dir().join(format!("echo-prometheus-{}", std::process::id()));
    let port = free_port().expect("a port");
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.path()));
    command.arg(format!("--storage.tsdb.path={}", data.display()));
    command.arg(format!("--web.listen-address={}:{port}", Ipv4Addr::LOCALHOST));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let prometheus = OwnedChild::spawn(&mut command).expect("it works");
    let query = "/api/v1/query?query=echo_reactor_messages_total";
    let listens = || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    wait::until("Prometheus listening", listens);
    wait::until("the number in Prometheus", || get(port, query).body.contains("\"12345\"]"));
    drop(prometheus);
    let _ = std::fs::remove_dir_all(data);
}
