//! `--watch --lines`, and `--watch` where the output is no terminal.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use echo_harness::child::OwnedChild;
use echo_harness::command::{program, run, without_settings};
use echo_harness::log_lines::LogLines;
use echo_harness::peer::Peer;
use echo_harness::ports::free_address;
use echo_harness::process::Process;
use echo_harness::scratch::{self, ScratchFile};
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::terminal::Terminal;
use echo_harness::wait::PATIENCE;
use rustix::process::Signal;

use crate::kit::{Reading, look, port_that_says, serve, watched};

/// Each row begins with its time, and no heading has this. What a row notes depends on how busy the machine is.
const A_ROW: &str = ":";

#[test]
fn a_line_a_second_below_a_heading() {
    let (server, status) = serve();
    for switches in [&["--watch"][..], &["--watch", "--lines"]] {
        let watch = Reading::start(&mut look(&status, switches));
        watch.lines.wait_for(A_ROW);
        for _ in 0..20 {
            Peer::connect(server.port).assert_answers("hello\n");
        }
        let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        echo_harness::wait::until("the messages in the lines", || {
            let lines = watch.lines.containing(A_ROW);
            let messages: u64 =
                lines.iter().map(|line| columns(line)[6].parse::<u64>().unwrap()).sum();
            messages >= 18
        });
        watch.child.signal(Signal::INT).expect("it runs");
        let (code, lines) = watch.end();
        assert_eq!(code, Some(0));
        assert!(lines[0].starts_with("time        open  flush linger"), "{lines:?}");
        let headings = lines.iter().filter(|line| line.starts_with("time")).count();
        assert_eq!(headings, lines.len().div_ceil(21), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains('\x1b')), "{lines:?}");
    }
}

#[test]
fn a_drain_is_told_to_its_end() {
    let status = free_address();
    let server = watched(status).unlimited().set("drain_timeout", "500ms").start();
    let _stuck = StuckPeer::connect(&server);
    let watch = Reading::start(&mut look(&status, &["--watch", "--lines"]));
    watch.lines.wait_for("back-pressure");
    server.signal(Signal::TERM);
    server.wait().assert_left_with(0);
    let (code, lines) = watch.end();
    assert_eq!(code, Some(0));
    assert!(lines.iter().any(|line| line.ends_with("  drain")), "{lines:#?}");
    let last = lines.last().expect("a line");
    assert!(last.starts_with("The server has left: drain_timeout passed, "), "{lines:#?}");
}

#[test]
fn a_server_that_was_killed_is_told_of_until_it_is_back() {
    let status = free_address();
    let server = watched(status).start();
    let watch = Reading::start(&mut look(&status, &["--watch", "--lines"]));
    watch.lines.wait_for(A_ROW);
    drop(server);
    watch.lines.wait_for("! the server is gone (");
    let _back = watched(status).start();
    watch.lines.wait_for_count("time  ", 2);
    watch.child.signal(Signal::TERM).expect("it runs");
    let (code, lines) = watch.end();
    assert_eq!(code, Some(0));
    let told: Vec<_> = lines.iter().filter(|line| line.starts_with('!')).collect();
    assert_eq!(told.len(), 1, "{lines:#?}");
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let finished = run(&mut look(&free_address(), &["--watch", "--lines"]));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.starts_with("echo-reactor: no status port answers at "));
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
}

#[test]
fn what_is_no_status_port_is_named() {
    let finished = run(&mut look(&port_that_says("watch\n"), &["--watch", "--lines"]));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("is no frame"), "{}", finished.stderr);
}

#[test]
fn a_port_that_says_nothing_is_named() {
    let (server, status) = serve();
    let _frozen = server.freeze();
    let finished = run(&mut look(&status, &["--watch", "--lines"]));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("no frame came from "), "{}", finished.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (_server, status) = serve();
    let mut command = look(&status, &["--watch", "--lines"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watch = OwnedChild::spawn(command).expect("it can start");
    let mut first = String::new();
    let mut output = BufReader::new(watch.stdout().expect("a pipe"));
    output.read_line(&mut first).expect("a line");
    drop(output);
    assert_eq!(watch.wait(PATIENCE).expect("it ends").code(), Some(0));
    let complaints = LogLines::gather(watch.stderr().expect("a pipe")).whole();
    assert_eq!(complaints.containing(""), Vec::<String>::new());
}

#[test]
fn a_full_disk_and_a_file_that_may_not_grow_are_said() {
    let (_server, status) = serve();
    let full = File::options().write(true).open("/dev/full").expect("Linux has one");
    let mut command = look(&status, &["--watch", "--lines"]);
    let watch = Process::start(command.stdout(full));
    watch.log().wait_for("the output cannot be written: No space left on device");
    assert_eq!(watch.wait().status.code(), Some(1));

    let file = ScratchFile::new("lines", "");
    let mut shell = without_settings("sh");
    shell.args(["-c", "ulimit -f 0 && exec \"$0\" \"$@\""]).arg(program("echo-reactor"));
    shell.args(look(&status, &["--watch", "--lines"]).get_args());
    let watch = Process::start(shell.stdout(File::create(&file).expect("a file")));
    watch.log().wait_for("the output cannot be written: File too large");
    assert_eq!(watch.wait().status.code(), Some(1));
}

#[test]
fn a_signal_ends_it_also_while_nobody_reads_its_output() {
    let (_server, status) = serve();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let writer = File::from(std::os::fd::OwnedFd::from(writer));
    scratch::fill(&writer);
    let mut command = look(&status, &["--watch", "--lines"]);
    let watch = Process::start(command.stdout(writer));
    drop(command);
    // The first line is due, and finds no room.
    echo_harness::wait::until("a write that waits", || watch_is_stuck(&watch));
    watch.signal(Signal::TERM);
    assert_eq!(watch.wait().status.code(), Some(0));
    drop(reader);
}

fn watch_is_stuck(watch: &Process) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", watch.pid())).expect("it runs");
    tasks.filter_map(Result::ok).any(|task| {
        let call = std::fs::read_to_string(task.path().join("wchan")).unwrap_or_default();
        call.contains("pipe_write") || call.contains("anon_pipe_write")
    })
}

#[test]
fn a_terminal_that_knows_no_cursor_gets_lines() {
    let (_server, status) = serve();
    for (switches, term) in [(&["--watch"][..], "dumb"), (&["--watch", "--lines"], "xterm")] {
        let terminal = Terminal::new(100, 24);
        let mut command = look(&status, switches);
        let watch = terminal.start(command.env("TERM", term));
        terminal.wait_for(A_ROW);
        assert!(!terminal.is_taken() && terminal.has_cursor() && terminal.echoes());
        terminal.type_in("\x03");
        assert_eq!(watch.wait().status.code(), Some(0));
    }
}
