//! The log's way out of the server: what happens when its reader is slow, stops, or is gone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use socket2::{Domain, SockRef, Socket, Type};

use echo_harness::log_lines::{Log, LogLines};
use echo_harness::peer::{Peer, all_read, all_send, line};
use echo_harness::scratch::{ScratchFile, fill, terminal};
use echo_harness::server::{Server, Setup};
use echo_harness::strace::{Tracer, can_inject_faults};
use echo_harness::{MEGABYTE, sockets, wait};

/// More lines than a pipe and the server's own buffer hold.
const FLOOD: usize = 5000;

/// Lines before the first connection and after the last one.
const OTHER_LINES: usize = 6;

/// One connection on which `count` messages are sent and echoed.
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

/// Sockets that keep each write as one record. The reader takes a record in one piece.
fn record_sockets(kind: Type) -> (BufReader<File>, OwnedFd) {
    let (reader, writer) = Socket::pair(Domain::UNIX, kind, None).expect("a pair of sockets");
    let reader = BufReader::with_capacity(MEGABYTE, File::from(OwnedFd::from(reader)));
    (reader, writer.into())
}

fn assert_survives_a_stalled_reader((reader, writer): (impl Read + Send + 'static, OwnedFd)) {
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, 1);
    let memory = server.resident_bytes();
    talk(&server, FLOOD);
    server.assert_grown_by_less_than(4 * MEGABYTE, memory);

    let log = LogLines::gather(reader);
    log.wait_for("log lines were dropped: the log's reader is too slow");
    talk(&server, 1);
    assert_eq!(server.terminate().status.code(), Some(0));
    let log = log.whole_with("All sockets closed, server stopped");
    // Three connections: each is accepted, talks, and is closed.
    let events = OTHER_LINES + 3 * 2 + FLOOD + 2;
    assert_eq!(log.0.len() - log.count(DROPPED) + log.sum(DROPPED), events);
}

const DROPPED: &str = "dropped: the log's reader is too slow";

#[test]
fn a_pipe_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(pipe());
}

#[test]
fn a_socket_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(socket_pair());
}

#[test]
fn a_datagram_socket_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(record_sockets(Type::DGRAM));
}

#[test]
fn a_seqpacket_socket_that_is_not_read_stalls_only_the_log() {
    assert_survives_a_stalled_reader(record_sockets(Type::SEQPACKET));
}

/// The server writes waiting lines in records that are larger than this socket takes.
#[test]
fn records_that_are_too_large_for_their_socket_are_counted() {
    let (reader, writer) = record_sockets(Type::DGRAM);
    SockRef::from(&writer).set_send_buffer_size(4096).expect("a small buffer");
    assert_survives_a_stalled_reader((reader, writer));
}

/// The pipe is full when a long turn begins, and its reader empties it soon after. No event can tell the
/// server so within the turn.
#[test]
fn a_reader_that_reads_on_misses_no_line_of_a_long_turn() {
    /// A message's log line takes 2 KB. All lines together are half a pipe more than the server keeps.
    const PEERS: usize = 43;
    const EACH: usize = 12;
    if !can_inject_faults() {
        return;
    }
    let (reader, writer) = pipe();
    let pipe = File::from(writer.try_clone().expect("a descriptor"));
    let server = Setup::new().unlimited().start_with_log(writer);
    let mut peers = Peer::connect_many(server.port, PEERS);
    all_send(&mut peers, "hello\n");
    all_read(&mut peers, "hello\n");
    server.wait_until_quiet();
    let frozen = server.freeze();
    fill(&pipe);
    let messages = [&[0; 500][..], b"\n"].concat().repeat(EACH);
    all_send(&mut peers, &messages);
    let unread = PEERS * messages.len();
    sockets::wait_for_unread(server.port, unread);
    // This holds the server after its first write, which finds no room.
    let fault = "write:delay_exit=60000000:when=1";
    let strace = Tracer::inject(server.pid(), fault).expect("strace attaches");
    drop(frozen);
    wait::until("the turn begun", || sockets::unread_bytes(server.port) < unread);
    server.wait_until_held();
    let log = LogLines::gather(reader);
    wait::until("the pipe read", || ioctl_fionread(&pipe) == Ok(0));
    drop((strace, pipe));
    all_read(&mut peers, &messages);
    assert_eq!(server.terminate().status.code(), Some(0));
    let log = log.whole();
    log.assert_lacks("dropped");
    assert_eq!(log.count("Message received"), PEERS * (1 + EACH));
}

fn assert_survives_a_closed_reader((reader, writer): (impl Read, OwnedFd)) {
    let server = Setup::new().unlimited().start_with_log(writer);
    talk(&server, 1);
    drop(reader);
    let memory = server.resident_bytes();
    talk(&server, FLOOD);
    // Lines that nobody will read are not kept.
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
fn a_terminal_that_is_gone_costs_the_log_alone() {
    assert_survives_a_closed_reader(terminal());
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

/// This is like a full disk, but it comes with a signal, SIGXFSZ, and the limit can be raised later.
#[test]
fn lines_beyond_a_limit_on_the_size_of_files_are_counted() {
    let log = ScratchFile::new("limited", "");
    let shell = ["sh", "-c", "ulimit -S -f 20 && exec \"$0\" \"$@\""];
    let setup = Setup::new().unlimited().under(&shell);
    let server = setup.start_with_log(File::create(&log).expect("a file"));
    talk(&server, FLOOD);
    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, unlimited).expect("a process of our own");
    talk(&server, 1);
    assert_eq!(server.terminate().status.code(), Some(0));
    let log = Log::of(&log.content());
    let dropped = log.sum(DROPPED);
    assert!(dropped > 0);
    let events = OTHER_LINES + 2 * 2 + FLOOD + 1;
    assert_eq!(log.0.len() - log.count(DROPPED) + dropped, events);
}

/// Also the very last write, after which there is no other turn. More writes are interrupted than there are
/// flushes.
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

/// Too few lines for the server to drop any, and more than a pipe or a socket holds (240 KB). Not many more,
/// because the server waits 200 ms for their reader, which gets little of that time on a busy machine.
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

/// No peer can make the server panic, so `epoll_wait` fails here in a way that it never does.
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
    // All lines that come before a drain.
    assert_eq!(events, OTHER_LINES / 2 + 2 + BACKLOG);
    assert!(lines[events..].iter().any(|line| contains(line, b"epoll_wait fails")));
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|part| part == text)
}
