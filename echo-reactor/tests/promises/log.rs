//! What the log says, and what happens when nobody reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, prlimit};

use echo_harness::command::is_available;
use echo_harness::log_lines::{Log, LogLines};
use echo_harness::peer::{Peer, line};
use echo_harness::scratch::ScratchFile;
use echo_harness::server::{Server, Setup};
use echo_harness::strace::{Tracer, can_inject_faults};

/// Lines of one connection: accepted, message, closed.
const LINES_PER_CONNECTION: usize = 3;

/// Lines before the first connection and behind the last one.
const OTHER_LINES: usize = 6;

#[test]
fn a_whole_life_in_the_words_of_the_original() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    let (port, name) = (server.port, peer.name());
    peer.assert_answers("[CLIENT 1] Message number 1 sent\n");
    let ended = server.terminate();
    let lines: Vec<String> = ended.log.0.iter().map(|line| text_of(line).to_owned()).collect();
    let message = "b'[CLIENT 1] Message number 1 sent'";
    assert!(lines[0].starts_with("INFO     Configuration: ip: 127.0.0.1 | port: 0 | "));
    assert_eq!(
        lines[1..],
        [
            format!("INFO     Listening on ('127.0.0.1', {port})"),
            "INFO     Proceed to accept new connections".to_owned(),
            format!("INFO     Got connection from {name}"),
            format!("INFO     Message received from connection {name}. Msg: {message}"),
            format!("INFO     Connection {name} closed: its messages are answered (1 message)"),
            "INFO     SIGTERM received: draining 0 connections within 700ms".to_owned(),
            "INFO     Listener closed".to_owned(),
            "INFO     All sockets closed, server stopped".to_owned(),
        ]
    );
}

/// The line without its time; panics unless it is printable ASCII and begins with a time.
fn text_of(line: &[u8]) -> &str {
    assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')), "\"{}\"", line.escape_ascii());
    let line = str::from_utf8(line).expect("ASCII is text");
    let is_time = line.len() > 20
        && line.bytes().zip(*b"0000-00-00 00:00:00 ").all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    assert!(is_time, "no time: {line}");
    &line[20..]
}

#[test]
fn nothing_that_a_peer_sends_gets_into_the_log_as_it_is() {
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let forged = b"x'\r2020-04-10 23:10:54 INFO     Connection ('1.2.3.4', 5) closed: forged";
    let messages: [&[u8]; 5] = [
        &every_byte,
        forged,
        b"\x1b[2J\x1b]0;title\x07",
        "ñ\u{2028}\u{202e}".as_bytes(),
        &[0; 5000],
    ];
    let server = Setup::new().start();
    for message in messages {
        Peer::connect(server.port).assert_answers_at_the_end(message);
    }
    let ended = server.terminate();
    ended.assert_left_with(0);
    let texts: Vec<&str> = ended.log.0.iter().map(|line| text_of(line)).collect();
    assert_eq!(texts.len(), OTHER_LINES + LINES_PER_CONNECTION * messages.len());
    ended.log.assert_contains(r"Msg: b'\x1b[2J\x1b]0;title\x07'");
    ended.log.assert_contains("'... (5000 bytes)");
    let longest = ended.log.0.iter().map(Vec::len).max();
    assert!(longest < Some(4 * 512 + 200), "{longest:?}");
}

/// More lines than a pipe and the server's own buffer hold.
const FLOOD: usize = 5000;

/// One connection on which `count` messages go forth and back.
fn talk(server: &Server, count: usize) {
    let mut peer = Peer::connect(server.port);
    (0..count).for_each(|_| peer.assert_echoes(line(501)));
    peer.end_output();
    peer.assert_gets("");
}

fn pipe() -> (PipeReader, OwnedFd) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (reader, writer.into())
}

fn socket_pair() -> (UnixStream, OwnedFd) {
    let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
    (reader, writer.into())
}

fn assert_survives_a_stalled_reader((reader, writer): (impl Read + Send + 'static, OwnedFd)) {
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, 1);
    let memory = server.resident_bytes();
    talk(&server, FLOOD);
    server.assert_grown_by_less_than(4 * 1024 * 1024, memory);

    let log = LogLines::gather(reader);
    log.wait_for("log lines were dropped: the log's reader is too slow");
    talk(&server, 1);
    assert_eq!(server.terminate().status.code(), Some(0));
    let log = log.whole();
    log.assert_contains("All sockets closed, server stopped");
    let reports = log.containing("dropped: the log's reader is too slow");
    let dropped: usize = reports.iter().map(|report| dropped_lines(report)).sum();
    // Three connections: each is accepted, talks, and is closed.
    let events = OTHER_LINES + 3 * 2 + FLOOD + 2;
    assert_eq!(log.0.len() - reports.len() + dropped, events, "{reports:?}");
}

/// The number in `… WARN     17 log lines were dropped: …`.
fn dropped_lines(report: &str) -> usize {
    let number = report.split_whitespace().nth(3).and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number in {report}"))
}

#[test]
fn a_pipe_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(pipe());
}

#[test]
fn a_socket_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(socket_pair());
}

fn assert_survives_a_closed_reader((reader, writer): (impl Read, OwnedFd)) {
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, 1);
    drop(reader);
    let memory = server.resident_bytes();
    talk(&server, FLOOD);
    // What nobody will read is not kept.
    server.assert_grown_by_less_than(512 * 1024, memory);
    assert_eq!(server.terminate().status.code(), Some(0));
}

#[test]
fn a_pipe_that_nobody_reads_any_more_costs_the_log_alone() {
    assert_survives_a_closed_reader(pipe());
}

#[test]
fn a_socket_that_nobody_reads_any_more_costs_the_log_alone() {
    assert_survives_a_closed_reader(socket_pair());
}

#[test]
fn stderr_may_be_closed_from_the_beginning() {
    let shell = ["sh", "-c", "exec \"$0\" \"$@\" 2>&-"];
    let server = Setup::new().unlimited().under(&shell).start_with_log(Stdio::null());
    talk(&server, 10);
    assert_eq!(server.terminate().status.code(), Some(0));
}

#[test]
fn a_file_gets_the_whole_log() {
    let log = ScratchFile::new("log", "the log of another life\n");
    let file = OpenOptions::new().append(true).open(&log).expect("the file");
    let server = Setup::new().unlimited().start_with_log(file);
    talk(&server, FLOOD);
    assert_eq!(server.terminate().status.code(), Some(0));
    let text = log.content();
    assert!(text.starts_with("the log of another life\n"));
    assert_eq!(text.lines().count(), 1 + OTHER_LINES + 2 + FLOOD);
}

#[test]
fn a_full_disk_costs_the_log_alone() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let server = Setup::new().unlimited().start_with_log(full);
    talk(&server, FLOOD);
    assert_eq!(server.terminate().status.code(), Some(0));
}

/// A limit on the size of files does what a full disk does, and can be raised.
#[test]
fn lines_that_a_full_disk_has_no_room_for_are_counted() {
    if !is_available(&["prlimit", "--version"]) {
        return;
    }
    let log = ScratchFile::new("full", "");
    let script = "trap '' XFSZ; exec prlimit --fsize=10000:unlimited \"$@\"";
    let server = Setup::new()
        .unlimited()
        .under(&["sh", "-c", script, "sh"])
        .start_with_log(File::create(&log).expect("a file"));
    talk(&server, FLOOD);
    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, unlimited).expect("a process of our own");
    talk(&server, 1);
    assert_eq!(server.terminate().status.code(), Some(0));
    let text = log.content();
    let (reports, events): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.contains("dropped: the log's reader is too slow"));
    let dropped: usize = reports.iter().map(|report| dropped_lines(report)).sum();
    assert!(dropped > 0);
    assert_eq!(events.len() + dropped, OTHER_LINES + 2 * 2 + FLOOD + 1, "{reports:?}");
}

/// Also the very last write, behind which no other turn comes: more often than there are flushes.
#[test]
fn a_write_that_is_interrupted_is_repeated() {
    if !can_inject_faults() {
        return;
    }
    let (reader, writer) = pipe();
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, 10);
    let frozen = server.freeze();
    let fault = "write:error=EINTR:when=1..20";
    let _strace = Tracer::inject(server.pid(), fault).expect("strace attaches");
    server.signal(Signal::TERM);
    let log = LogLines::gather(reader);
    drop(frozen);
    assert_eq!(server.wait().status.code(), Some(0));
    assert_eq!(log.whole().0.len(), OTHER_LINES + 2 + 10);
}

/// Fewer lines than make the server drop some, and more than a pipe or a socket holds, 240 KB. Not many
/// more: on a busy machine their reader has little of the 200 ms in which the server waits for it.
const BACKLOG: usize = 400;

fn assert_nothing_is_lost_at_the_exit((reader, writer): (impl Read + Send + 'static, OwnedFd)) {
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, BACKLOG);
    let frozen = server.freeze();
    server.signal(Signal::TERM);
    let log = LogLines::gather(reader);
    drop(frozen);
    assert_eq!(server.wait().status.code(), Some(0));
    assert_eq!(log.whole().0.len(), OTHER_LINES + 2 + BACKLOG);
}

#[test]
fn nothing_is_lost_at_the_exit_when_the_reader_reads() {
    assert_nothing_is_lost_at_the_exit(pipe());
}

#[test]
fn nothing_is_lost_at_the_exit_when_the_reader_of_a_socket_reads() {
    assert_nothing_is_lost_at_the_exit(socket_pair());
}

#[test]
fn a_reader_that_stalls_does_not_hold_the_exit() {
    let (reader, writer) = pipe();
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, BACKLOG);
    let begun = Instant::now();
    assert_eq!(server.terminate().status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "200 ms are all that it gets");
    drop(reader);
}

/// No peer can make the server panic, so the kernel has to do what it never does.
#[test]
fn nothing_is_lost_in_a_panic_when_the_reader_reads() {
    if !can_inject_faults() {
        return;
    }
    let (reader, writer) = pipe();
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, BACKLOG);
    let frozen = server.freeze();
    let fault = "epoll_wait,epoll_pwait:error=EBADF";
    let _strace = Tracer::inject(server.pid(), fault).expect("strace attaches");
    let log = LogLines::gather(reader);
    drop(frozen);
    assert!(!server.wait().status.success());
    let Log(lines) = log.whole();
    let events = lines.iter().take_while(|line| line.starts_with(b"20")).count();
    // All that comes before a drain.
    assert_eq!(events, OTHER_LINES / 2 + 2 + BACKLOG);
    assert!(lines[events..].iter().any(|line| contains(line, b"epoll_wait fails")));
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|part| part == text)
}
