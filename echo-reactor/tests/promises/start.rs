//! How the server starts, or says why it does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::Command;

use echo_harness::MEGABYTE;
use echo_harness::command::{Finished, is_available, program, run, without_settings};
use echo_harness::peer::Peer;
use echo_harness::ports::free_port;
use echo_harness::proc;
use echo_harness::scratch::ScratchFile;
use echo_harness::server::Setup;
use echo_harness::strace::with_faults;

fn server(arguments: &[&str]) -> Command {
    let mut command = without_settings(program("echo-reactor"));
    command.args(arguments);
    command
}

/// Runs `--check` on a configuration file with this text.
fn check_file(name: &str, text: impl AsRef<[u8]>) -> Finished {
    let file = ScratchFile::new(name, text);
    run(&mut server(&["--check", "--config", file.path()]))
}

/// Panics unless the program has refused with one line that contains all of `parts`.
fn assert_refused(finished: &Finished, code: i32, parts: &[&str]) {
    let text = &finished.stderr;
    assert_eq!(finished.code, Some(code), "{text}");
    assert_eq!((text.lines().count(), finished.stdout.as_str()), (1, ""), "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn help_and_version() {
    for option in ["--help", "-h"] {
        let help = run(&mut server(&[option]));
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        for word in ["--config", "--check", "SERVER_DRAIN_TIMEOUT", "RUST_LOG", "SIGTERM", "143"] {
            assert!(help.stdout.contains(word), "no {word} in {}", help.stdout);
        }
    }
    for option in ["--version", "-V"] {
        let version = run(&mut server(&[option]));
        assert_eq!(version.code, Some(0));
        assert_eq!(version.stdout, concat!("echo-reactor ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn a_mistake_on_the_command_line() {
    for (arguments, part) in [
        (&["--prot"][..], "--prot"),
        (&["extra"], "extra"),
        (&["--config"], "--config"),
        (&["--check=yes"], "--check"),
    ] {
        assert_refused(&run(&mut server(arguments)), 2, &["echo-reactor: ", part, "--help"]);
    }
}

#[test]
fn a_mistake_in_the_file_names_line_and_key() {
    for (text, parts) in [
        ("server:\n  prt: 1\n", &[":2", "prt", "port"][..]),
        ("serv:\n  port: 1\n", &[":1", "serv", "server"]),
        ("server:\n  port: 65536\n", &[":2", "port", "65536", "0 to 65535"]),
        ("server:\n  port: [1]\n", &[":2", "port"]),
        ("server:\n  ip: localhost\n", &[":2", "ip", "localhost", "IPv4"]),
        ("server:\n  framing: lines\n", &[":2", "framing", "line, stream"]),
        ("server:\n  idle_timeout: 1M\n", &[":2", "idle_timeout", "1M", "1m2s"]),
        ("server:\n  idle_timeout: 10\n", &[":2", "idle_timeout", "10"]),
        ("server:\n  port:\n", &[":2", "port"]),
        ("server:\n  port: 1\n  port: 2\n", &["port"]),
        ("server:\n\tport: 1\n", &[":2", "tabs"]),
        ("log:\n  level: loud\n", &[":2", "level", "loud", "debug"]),
        ("server:\n  framing: stream\n  reply: acknowledge\n", &["framing", "reply"]),
    ] {
        assert_refused(&check_file("mistake.yaml", text), 2, parts);
    }
    assert_refused(&run(&mut server(&["--check", "--config", "/"])), 2, &["directory"]);
}

/// Texts that nobody writes by hand. The program may accept or refuse each, but it has to say which.
#[test]
fn a_file_of_any_kind_is_valid_or_one_line_of_error() {
    let laughs: Vec<String> =
        (1..30).map(|n| format!("  l{n}: &l{n} [*l{0}, *l{0}]\n", n - 1)).collect();
    let laughs = laughs.concat();
    for file in [
        &b"\0"[..],
        b"\xff\xfe",
        b"\xef\xbb\xbfserver:\r\n  port: 1\r\n",
        b"server:\n  ip: \"\xc3\x28\"\n",
        b"server: \x1b[2J\n",
        b"server:\n  \"a\\nb\\e[2J\": 1\n",
        b"server:\n  port: !!int 1\n",
        b"server: !x {port: 1}\n",
        b"server: &a {port: 1, <<: *a}\n",
        b"? server\n: ? port\n  : 1\n",
        b"%YAML 9.9\n---\nserver:\n",
        b"server:\n---\nserver:\n",
        b"'server\n\n\n",
        format!("server:\n  port: {}\n", "9".repeat(10_000)).as_bytes(),
        format!("server:\n  ip: {}\n", "a\u{2028}".repeat(10_000)).as_bytes(),
        format!("client:\n  l0: &l0 [lol]\n{laughs}server: {{port: *l29}}\n").as_bytes(),
        "{a: ".repeat(16_384).as_bytes(),
        "- ".repeat(30_000).as_bytes(),
        "#".repeat(1_000_000).as_bytes(),
    ] {
        let finished = check_file("any.yaml", file);
        let start = String::from_utf8_lossy(&file[..file.len().min(40)]);
        match finished.code {
            Some(0) => assert_eq!(finished.stderr, "", "{start:?}"),
            _ => assert_refused(&finished, 2, &["any.yaml:"]),
        }
    }
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    for (name, value, part) in [
        ("SERVER_PORT", "abc", "0 to 65535"),
        ("SERVER_PORT", "", "0 to 65535"),
        ("SERVER_DRAIN_TIMEOUT", "soon", "1m2s"),
        ("RUST_LOG", "inof", "info"),
    ] {
        let finished = run(server(&["--config", "/dev/null"]).env(name, value));
        assert_refused(&finished, 2, &[name, part]);
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "server:\n  port: 1111\n  listen_backlog: 7\n";
    let file = ScratchFile::new("precedence.yaml", text);
    let mut command = server(&["--check", "--config", file.path()]);
    let checked = run(command.env("SERVER_PORT", "2222").env("RUST_LOG", "warn"));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    for line in ["  port: 2222\n", "  listen_backlog: 7\n", "  connections_max: 1000\n", "warn"] {
        assert!(checked.stdout.contains(line), "no {line:?} in {}", checked.stdout);
    }
}

#[test]
fn what_check_prints_is_a_file_that_says_the_same() {
    let defaults = check_file("empty.yaml", "");
    assert_eq!(defaults.code, Some(0));
    let text = "server:\n  ip: '::'\n  idle_timeout: 90s\n  reply: acknowledge\n";
    let checked = check_file("some.yaml", text);
    assert_ne!(checked.stdout, defaults.stdout);
    assert_eq!(check_file("again.yaml", &checked.stdout).stdout, checked.stdout);
}

#[test]
fn the_file_that_comes_with_it_holds_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.yaml");
    let checked = run(&mut server(&["--check", "--config", path]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert_eq!(checked.stdout, check_file("defaults.yaml", "").stdout);
}

#[test]
fn a_missing_file_means_defaults_and_says_so() {
    let missing = ["--config", "/nowhere/config.yaml"];
    let checked = run(&mut server(&["--check", missing[0], missing[1]]));
    assert_eq!((checked.code, checked.stdout), (Some(0), check_file("no.yaml", "").stdout));
    assert!(checked.stderr.contains("/nowhere/config.yaml not found, using defaults"));
    // The last of two paths counts.
    let shell = ["sh", "-c", "exec \"$0\" \"$@\" --config /nowhere/config.yaml"];
    let ended = Setup::new().under(&shell).start().terminate();
    ended.log.assert_contains("WARN     /nowhere/config.yaml not found, using defaults");
}

#[test]
fn a_port_in_use() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = other.local_addr().expect("an address").port();
    let finished = run(&mut Setup::new().set("port", port).log_level("error").command());
    assert_refused(
        &finished,
        1,
        &["ERROR ", "in use", &format!("127.0.0.1:{port}"), "stop what listens", "SERVER_PORT"],
    );
}

/// The one line that is left where there is no log.
#[test]
fn a_server_that_cannot_start_says_why_whatever_the_log_level() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = other.local_addr().expect("an address").port();
    for level in ["off", "echo_client=info"] {
        let finished = run(&mut Setup::new().set("port", port).log_level(level).command());
        assert_refused(&finished, 1, &["echo-reactor: Cannot listen on ", "in use", "SERVER_PORT"]);
    }
}

#[test]
fn a_status_port_in_use() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let status = other.local_addr().expect("an address");
    let finished = run(&mut Setup::new().set("status", status).log_level("error").command());
    let parts = ["ERROR ", "the status", "in use", &status.to_string(), "SERVER_STATUS"];
    assert_refused(&finished, 1, &parts);
}

#[test]
fn a_status_port_where_clients_are_served() {
    let setup = Setup::new().set("port", 12345).set("status", "0.0.0.0:12345");
    let parts = [
        "server: status: 0.0.0.0:12345 is where clients are served",
        "change the port of server.status, or of server.port",
    ];
    assert_refused(&run(&mut setup.command()), 2, &parts);
}

#[test]
fn an_address_of_another_machine() {
    // TEST-NET-3 (RFC 5737): no machine has it.
    let finished = run(&mut Setup::new().set("ip", "203.0.113.1").log_level("error").command());
    assert_refused(&finished, 1, &["ERROR ", "203.0.113.1", "no interface has", "SERVER_IP"]);
}

#[test]
fn an_address_that_the_kernel_refuses() {
    for (error, text, remedy) in [
        ("EACCES", "Permission denied", "ports below 1024"),
        ("ENOBUFS", "No buffer space available", "set server.ip and server.port"),
    ] {
        let Some(setup) = with_faults(&format!("bind:error={error}")) else { return };
        let finished = run(&mut setup.log_level("error").command());
        assert_refused(&finished, 1, &["ERROR ", text, remedy, "SERVER_PORT"]);
    }
}

/// The first three sources are the signals, the log and the listener.
#[test]
fn a_source_that_cannot_be_watched() {
    for which in 1..=3 {
        let fault = format!("epoll_ctl:error=ENOSPC:when={which}");
        let Some(setup) = with_faults(&fault) else { return };
        let finished = run(&mut setup.log_level("error").command());
        assert_refused(&finished, 1, &["No space left on device"]);
    }
}

#[test]
fn a_restart_at_once_gets_the_same_port() {
    let port = free_port().expect("a free port");
    for round in 0..10 {
        let server = Setup::new().set("port", port).start();
        let mut open = Peer::connect(port);
        open.send("half a mess");
        Peer::connect(port).assert_answers(format!("round {round}\n"));
        server.terminate().assert_left_with(0);
    }
}

#[test]
fn peers_of_both_families() {
    let server = Setup::new().set("ip", "::").start();
    for (ip, name) in [
        (IpAddr::from(Ipv6Addr::LOCALHOST), "('::1', "),
        (IpAddr::from(Ipv4Addr::LOCALHOST), "('127.0.0.1', "),
    ] {
        let mut peer = Peer::connect_to(ip, server.port);
        assert!(peer.name().starts_with(name));
        peer.assert_answers("hello\n");
        server.log().wait_for(&format!("Connection {} closed", peer.name()));
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn the_descriptor_limit_is_raised_to_what_the_connections_need() {
    if !is_available(&["prlimit", "--version"]) {
        return;
    }
    let setup = || Setup::new().set("connections_max", 1500);
    let raised = setup().under(&["prlimit", "--nofile=64:4000"]).start();
    let limit = proc::descriptor_limit(raised.pid()).expect("a limit");
    assert!((1500..1600).contains(&limit), "{limit}");
    raised.terminate().log.assert_lacks("WARN");

    let just_enough = setup().under(&["prlimit", &format!("--nofile=64:{limit}")]).start();
    just_enough.terminate().log.assert_lacks("WARN");

    let short = setup().under(&["prlimit", "--nofile=64:200"]).start();
    assert_eq!(proc::descriptor_limit(short.pid()).expect("a limit"), 200);
    let ended = short.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("WARN     The descriptor limit of 200 allows about ");
}

/// A million acknowledgements of 64 MiB fit no machine.
#[test]
fn memory_that_the_connections_may_not_get_is_named() {
    let setup = || {
        let setup = Setup::new().set("reply", "acknowledge").set("connections_max", 1_000_000);
        setup.set("message_max_bytes", 16 * MEGABYTE)
    };
    let named = |text: &str| {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("of memory")).collect();
        let [line] = lines[..] else { panic!("one line, and not {lines:?}") };
        for part in ["connections_max = 1000000", "message_max_bytes = 16777216", "would fit"] {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
    };
    let checked = run(setup().command().arg("--check"));
    assert_eq!(checked.code, Some(0));
    named(&checked.stderr);
    let ended = setup().start().terminate();
    ended.assert_left_with(0);
    named(&ended.log.containing(" WARN     ").join("\n"));

    let fits = setup().set("connections_max", 1);
    fits.start().terminate().log.assert_lacks("of memory");
}

#[test]
fn a_flag_wins_over_the_environment() {
    let mut command =
        server(&["--check", "--config", "/dev/null", "--port=3", "--log-level", "debug"]);
    let checked = run(command.env("SERVER_PORT", "2").env("RUST_LOG", "warn"));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    for line in ["  port: 3\n", "  level: debug\n"] {
        assert!(checked.stdout.contains(line), "no {line:?} in {}", checked.stdout);
    }
    let mistaken = run(server(&["--port", "65536"]).env("SERVER_PORT", "2"));
    assert_refused(&mistaken, 2, &["--port", "65536", "0 to 65535"]);
}

#[test]
fn a_configuration_that_is_no_regular_file_is_refused() {
    let fifo = ScratchFile::fifo("config");
    for path in [fifo.path(), "/dev/zero"] {
        let finished = run(&mut server(&["--config", path]));
        assert_refused(&finished, 2, &[path, "cannot be read: it is "]);
    }
}
