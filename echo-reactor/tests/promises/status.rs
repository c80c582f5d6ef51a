//! Those who watch: they are told the truth, and the server is as if they were not there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use echo_harness::peer::{End, Peer, all_read, all_send, line};
use echo_harness::ports::free_port;
use echo_harness::server::{Server, Setup};
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::wait::PATIENCE;
use echo_harness::{MEGABYTE, proc, sockets, wait};
use echo_status::{Accepting, Exit, Frame, Lines, Open, Phase, Request, Step, StepLine, VERSION};
use rustix::process::Signal;

/// As many as may watch at once.
const WATCHERS_MAX: usize = 8;

fn watched() -> Setup {
    Setup::new().unlimited().with_status().set("drain_timeout", "1h")
}

fn ask(server: &Server, request: Request) -> Lines {
    Lines::ask(server.status(), request, PATIENCE.limit).expect("the status port listens")
}

fn next_frame(lines: &mut Lines) -> Frame {
    lines.next_frame().expect("a frame").expect("no end yet")
}

/// One frame, behind which is the end.
fn only_frame(mut lines: Lines) -> Frame {
    let frame = next_frame(&mut lines);
    assert_eq!(lines.next_frame().expect("an end"), None);
    frame
}

fn once(server: &Server) -> Frame {
    only_frame(ask(server, Request::Once))
}

/// The first frame of which `is_true` holds.
fn frame_until(server: &Server, what: &str, is_true: impl Fn(&Frame) -> bool) -> Frame {
    wait::until_some(what, || Some(once(server)).filter(&is_true))
}

/// A watcher that says this, as it is.
fn say(server: &Server, words: &[u8]) -> Peer {
    let mut watcher = Peer::connect(server.status().port());
    watcher.send(words);
    watcher
}

fn assert_adds_up(frame: &Frame) {
    let Frame { open, tally, .. } = frame;
    assert_eq!(tally.accepted - tally.closed.sum(), open.total, "{frame:?}");
    let states = open.idle + open.mid_message + open.flushing + open.lingering;
    assert_eq!(states, open.total, "{frame:?}");
}

// What is told.

#[test]
fn one_frame_tells_what_the_server_has_done_and_does() {
    let server = watched().start();
    let first = once(&server);
    assert_eq!((first.version, first.phase, &first.drain), (VERSION, Phase::Running, &None));
    assert_eq!(first.server.address, format!("127.0.0.1:{}", server.port));
    assert_eq!(first.server.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((first.open, first.tally.accepted), (Open::default(), 0));
    assert_eq!((first.last_second, first.turns.len()), (None, 0));

    let mut idle = Peer::connect(server.port);
    idle.assert_echoes("one\ntwo\n");
    let mut half = Peer::connect(server.port);
    half.send("half a mess");
    let mut gone = Peer::connect(server.port);
    gone.assert_answers_at_the_end("the third\n");
    let frame = frame_until(&server, "half a message", |frame| {
        frame.open.mid_message == 1 && frame.tally.closed.peer_closed == 1
    });
    assert_adds_up(&frame);
    assert_eq!((frame.open.idle, frame.open.total, frame.tally.accepted), (1, 2, 3));
    assert_eq!((frame.tally.messages, frame.tally.bytes_out), (3, 18));
    assert_eq!(frame.tally.bytes_in, 8 + 11 + 10);
    assert_eq!(frame.accepting, Accepting::Waiting);
    drop((idle, half));
    server.terminate().assert_left_with(0);
}

#[test]
fn a_peer_that_does_not_read_is_seen_to_be_flushing() {
    let server = watched().start();
    let stuck = StuckPeer::connect(&server);
    let frame = once(&server);
    assert_adds_up(&frame);
    assert_eq!(frame.open.flushing, 1);
    assert!(frame.open.waiting_bytes > 0 && frame.tally.moves.open_to_flushing > 0, "{frame:?}");
    drop(stuck);
    let frame = frame_until(&server, "the peer gone", |frame| frame.open.total == 0);
    assert_eq!((frame.open.waiting_bytes, frame.tally.closed.reset), (0, 1));
    server.terminate().assert_left_with(0);
}

#[test]
fn lines_that_are_left_out_of_the_log_are_counted() {
    let server = watched().message_lines_per_second(1).start();
    Peer::connect(server.port).assert_answers_at_the_end("hello\n".repeat(10));
    let frame = once(&server);
    assert_eq!((frame.tally.messages, frame.tally.log.left_out), (10, 9));
    assert_eq!((frame.tally.log.dropped, frame.log_waiting_bytes), (0, 0));
    server.terminate().assert_left_with(0);
}

#[test]
fn a_log_that_is_not_read_is_seen_to_wait() {
    let (reader, writer) = io::pipe().expect("a pipe");
    let (port, status) = (free_port().expect("a port"), free_port().expect("a port"));
    let status = SocketAddr::from((Ipv4Addr::LOCALHOST, status));
    let setup = watched().message_lines_per_second(0).set("port", port).set("status", status);
    let server = setup.start_with_log(writer);
    let ask = || Lines::ask(status, Request::Once, PATIENCE.limit).ok();
    let once = || only_frame(wait::until_some("the status port", ask));
    let mut peer = Peer::connect(port);
    let mut sent = 0;
    // A pipe holds 64 KiB, and the server keeps 1 MiB beside it.
    while once().tally.log.dropped == 0 {
        peer.assert_echoes(line(1000).repeat(100));
        sent += 100;
        assert!(sent < 50_000, "no line is dropped");
        let waiting = once().log_waiting_bytes;
        assert!(waiting <= MEGABYTE as u64, "{waiting} bytes wait");
    }
    let frame = once();
    assert!(frame.log_waiting_bytes > MEGABYTE as u64 / 2, "{frame:?}");
    assert_eq!(frame.tally.messages, sent);
    drop((peer, reader));
    server.terminate().assert_left_with(0);
}

#[test]
fn who_watches_gets_frame_after_frame_with_every_turn_between_them() {
    let server = watched().start();
    let mut lines = ask(&server, Request::Watch);
    let mut before = next_frame(&mut lines);
    assert!(before.turns.is_empty());
    let mut peer = Peer::connect(server.port);
    for number in 0..4 {
        peer.assert_echoes(format!("message {number}\n"));
        let frame = next_frame(&mut lines);
        assert_adds_up(&frame);
        assert_eq!((frame.frames_lost, frame.watchers), (0, 1));
        assert!(frame.uptime_us > before.uptime_us);
        let numbers: Vec<u64> = frame.turns.iter().map(|turn| turn.number).collect();
        // The turn in which the first frame was sent began before anybody watched.
        let first = before.tally.turns + u64::from(before.turns.is_empty());
        assert_eq!(numbers, (first..frame.tally.turns).collect::<Vec<u64>>());
        let measured = frame.last_second.as_ref().expect("somebody watched");
        assert!(measured.turns > 0 && measured.us > 0 && measured.asleep_us <= measured.us);
        before = frame;
    }
    let visits: u32 = before.turns.iter().map(|turn| turn.visits).sum();
    assert!(visits <= before.turns.iter().map(|turn| turn.events).sum());
    drop((lines, peer));
    server.terminate().assert_left_with(0);
}

#[test]
fn silence_and_the_end_of_input_mean_watch() {
    let server = watched().start();
    let mut silent = say(&server, b"");
    let mut ended = say(&server, b"watch");
    ended.end_output();
    for watcher in [&mut silent, &mut ended] {
        for _ in 0..2 {
            let line = watcher.read_until(b'\n');
            let frame: Frame = serde_json::from_slice(&line).expect("a frame");
            assert_adds_up(&frame);
        }
    }
    drop((silent, ended));
    server.terminate().assert_left_with(0);
}

#[test]
fn what_is_no_word_gets_one_line_and_the_end() {
    let server = watched().start();
    for words in [&b"twice\n"[..], b"once\nonce\n", b"once", &[b'x'; 65]] {
        let mut watcher = say(&server, words);
        watcher.end_output();
        let (answer, end) = watcher.read_to_end();
        assert_eq!(end, End::Clean);
        let is_frame = serde_json::from_slice::<Frame>(&answer).is_ok();
        let is_error = answer.starts_with(b"{\"error\":\"") && answer.ends_with(b"\"}\n");
        assert!(if words == b"once" { is_frame } else { is_error }, "{}", answer.escape_ascii());
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn the_last_frame_says_how_the_drain_ended() {
    for (timeout, exit, code) in
        [("1h", Exit::Drained, 0), ("0s", Exit::Deadline, 0), ("1h", Exit::Forced, 143)]
    {
        let server = watched().set("drain_timeout", timeout).start();
        let mut lines = ask(&server, Request::Watch);
        let mut last = next_frame(&mut lines);
        let stuck = (exit != Exit::Drained).then(|| StuckPeer::connect(&server));
        server.signal(Signal::TERM);
        let began = Instant::now();
        while let Some(frame) = lines.next_frame().expect("a frame") {
            assert_adds_up(&frame);
            assert!(began.elapsed() < PATIENCE.limit, "it does not leave: {frame:?}");
            if exit == Exit::Forced && frame.phase == Phase::Draining {
                // Until it is taken for a second request.
                server.signal(Signal::TERM);
            }
            last = frame;
        }
        let drain = last.drain.expect("a drain");
        let told = (last.phase, drain.exit, drain.signal.as_str());
        assert_eq!(told, (Phase::Stopped, Some(exit), "SIGTERM"));
        assert!(drain.listener_is_closed && last.open.total == 0);
        drop(stuck);
        server.wait().assert_left_with(code);
    }
}

// What is followed.

fn steps_to_the_end(mut lines: Lines) -> Vec<StepLine> {
    let mut steps = Vec::new();
    while let Some(step) = lines.next_step().expect("a step") {
        steps.push(step);
    }
    steps
}

/// The steps as short words, without what depends on time.
fn words(steps: &[StepLine]) -> Vec<String> {
    let word = |line: &StepLine| match &line.step {
        Step::Waiting | Step::Silence { .. } => None,
        Step::Event(readiness) if !readiness.readable => None,
        Step::Accepted { .. } => Some("accepted".to_owned()),
        Step::Watched => Some("watched".to_owned()),
        Step::Event(readiness) => {
            Some(if readiness.read_on { "event, read on" } else { "event" }.to_owned())
        }
        Step::Call(call) => {
            let result =
                call.got.map_or_else(|| call.error.clone().unwrap(), |got| got.to_string());
            Some(format!("{} {result}", call.name))
        }
        Step::Moved { from, to } => Some(format!("{from} to {to}")),
        Step::OutOfBudget => Some("out of budget".to_owned()),
        Step::Lost { steps } => Some(format!("lost {steps}")),
        Step::Closed { reason, messages } => Some(format!("closed: {reason} ({messages})")),
    };
    steps.iter().filter_map(word).collect()
}

/// Follows the next connection, once the server knows that somebody wants to.
fn follow(server: &Server) -> Lines {
    let mut lines = ask(server, Request::Follow);
    let waiting = lines.next_step().expect("a step").expect("no end yet");
    assert_eq!(waiting.step, Step::Waiting);
    lines
}

#[test]
fn a_followed_connection_tells_each_step() {
    let server = watched().start();
    let lines = follow(&server);
    let frozen = server.freeze();
    let mut peer = Peer::connect(server.port);
    peer.send("hello\n");
    drop(frozen);
    peer.assert_reads("hello\n");
    peer.assert_echoes("again\n");
    peer.send_with_end(b"the end");
    peer.assert_gets("the end");
    let steps = steps_to_the_end(lines);
    let expected = [
        "accepted",
        "recv 6",
        "send 6",
        "watched",
        "event",
        "recv 6",
        "send 6",
        "event, read on",
        "recv 7",
        "recv 0",
        "send 7",
        "open to closed",
        "closed: the peer has closed (3)",
    ];
    assert_eq!(words(&steps), expected);
    let accepted = Step::Accepted { peer: peer.address().to_string() };
    assert!(steps.iter().any(|line| line.step == accepted), "{steps:?}");
    server.terminate().assert_left_with(0);
}

#[test]
fn who_follows_a_peer_that_does_not_read_sees_the_back_pressure() {
    let server = watched().start();
    let lines = follow(&server);
    let mut peer = Peer::connect_with_little_room(server.port);
    wait::until("a reply that finds no room", || {
        peer.send_while_there_is_room(&line(1024).repeat(100));
        once(&server).open.flushing == 1
    });
    drop(peer);
    let steps = words(&steps_to_the_end(lines));
    assert!(!steps.iter().any(|word| word.starts_with("lost")), "{steps:?}");
    let flushing =
        steps.iter().rposition(|word| word == "open to flushing").expect("back-pressure");
    let behind: Vec<&str> = steps[flushing..].iter().map(String::as_str).collect();
    assert_eq!(steps[flushing - 1].split(' ').next(), Some("send"), "{steps:?}");
    assert!(behind.iter().all(|word| !word.starts_with("recv")), "{behind:?}");
    assert!(behind.contains(&"flushing to closed"), "{behind:?}");
    server.terminate().assert_left_with(0);
}

#[test]
fn who_follows_a_peer_that_sends_more_than_it_may_sees_it_linger() {
    let server = watched().set("messages_per_connection", 1).start();
    let mut lines = follow(&server);
    let frozen = server.freeze();
    let mut peer = Peer::connect(server.port);
    peer.send("the only one\nand more");
    drop(frozen);
    peer.assert_gets("the only one\n");
    let mut steps = Vec::new();
    while steps.last().is_none_or(|line: &StepLine| line.step != Step::Watched) {
        steps.push(lines.next_step().expect("a step").expect("no end yet"));
    }
    drop(peer);
    steps.extend(steps_to_the_end(lines));
    let expected = [
        "accepted",
        "recv 21",
        "send 13",
        "shutdown 0",
        "open to lingering",
        "recv EAGAIN",
        "watched",
        "event, read on",
        "recv 0",
        "lingering to closed",
        "closed: its messages are answered (1)",
    ];
    assert_eq!(words(&steps), expected);
    server.terminate().assert_left_with(0);
}

#[test]
fn who_follows_a_flood_sees_its_budget_run_out() {
    let server = watched().start();
    let lines = follow(&server);
    let frozen = server.freeze();
    let mut peer = Peer::connect(server.port);
    // Empty lines: the work of two visits.
    let flood = vec![b'\n'; 8000];
    peer.send(&flood);
    sockets::wait_for_unread(server.port, flood.len());
    drop(frozen);
    peer.end_output();
    peer.assert_gets(&flood);
    let steps = words(&steps_to_the_end(lines));
    let out = steps.iter().position(|word| word == "out of budget").expect("a budget");
    // It went on without an event.
    assert!(steps[out + 1..].iter().any(|word| word.starts_with("recv")), "{steps:?}");
    let frame = once(&server);
    assert!(frame.tally.budgets.visit > 0 && frame.tally.woken.by_work_left > 0, "{frame:?}");
    server.terminate().assert_left_with(0);
}

/// The second connection is not the first follower's, and the second follower waits for it.
#[test]
fn each_follower_has_its_connection() {
    let server = watched().start();
    let (first, second) = (follow(&server), follow(&server));
    Peer::connect(server.port).assert_answers_at_the_end("both see this\n");
    let third = follow(&server);
    Peer::connect(server.port).assert_answers_at_the_end("a later one\n");
    for (lines, sent) in [(first, "send 14"), (second, "send 14"), (third, "send 12")] {
        let steps = words(&steps_to_the_end(lines));
        assert!(steps.contains(&sent.to_owned()), "{steps:?}");
        assert_eq!(steps.iter().filter(|word| *word == "accepted").count(), 1);
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn a_follower_that_does_not_read_is_told_what_it_has_missed() {
    let server = watched().start();
    let mut watcher = Peer::connect_with_little_room(server.status().port());
    watcher.send("follow\n");
    watcher.wait_for_input(1);
    let mut peer = Peer::connect(server.port);
    for number in 0..10_000 {
        peer.assert_echoes(format!("{number}\n"));
    }
    drop(peer);
    server.log().wait_for("the peer has closed (10000 messages)");
    let (answer, end) = watcher.read_to_end();
    assert_eq!(end, End::Clean);
    let lines = answer.split_inclusive(|byte| *byte == b'\n');
    let steps: Vec<StepLine> =
        lines.map(|line| serde_json::from_slice(line).expect("a step")).collect();
    let lost = steps.iter().filter_map(|line| match line.step {
        Step::Lost { steps } => Some(steps),
        _ => None,
    });
    let told = words(&steps).iter().filter(|word| word.starts_with("send")).count();
    assert!(lost.sum::<u64>() > 1000 && (100..10_000).contains(&told), "{told} were told");
    assert!(matches!(steps.last().unwrap().step, Step::Closed { messages: 10_000, .. }));
    server.terminate().assert_left_with(0);
}

// What it costs the others: nothing.

#[test]
fn a_watcher_is_no_connection_and_has_no_line_in_the_log() {
    let server = watched().log_level("debug").start();
    let status = server.status();
    server.log().wait_for("Proceed to accept");
    let lines = server.log().containing("").len();
    for _ in 0..20 {
        once(&server);
    }
    let mut watcher = ask(&server, Request::Watch);
    next_frame(&mut watcher);
    drop(watcher);
    say(&server, b"nonsense\n").reset();
    let frame = once(&server);
    assert_eq!(
        (frame.tally.accepted, frame.tally.closed.sum(), frame.tally.registrations),
        (0, 0, 0)
    );
    assert_eq!((frame.tally.reads, frame.tally.messages), (0, 0));
    assert_eq!(server.log().containing("").len(), lines, "watchers of {status} are logged");
    server.terminate().assert_left_with(0);
}

#[test]
fn one_more_than_eight_gets_a_single_frame() {
    let server = watched().start();
    let mut watchers: Vec<Lines> =
        (0..WATCHERS_MAX).map(|_| ask(&server, Request::Watch)).collect();
    for lines in &mut watchers {
        next_frame(lines);
    }
    only_frame(ask(&server, Request::Watch));
    assert_eq!(once(&server).watchers as usize, WATCHERS_MAX + 1);
    let refused = say(&server, b"follow\n").read_to_end();
    assert_eq!(refused.1, End::Clean);
    assert!(refused.0.starts_with(b"{\"error\":\""), "{}", refused.0.escape_ascii());
    // All eight still watch, and where one leaves, another may stay.
    for lines in &mut watchers {
        next_frame(lines);
    }
    drop(watchers.pop());
    wait::until("a place for another", || {
        let mut lines = ask(&server, Request::Watch);
        next_frame(&mut lines);
        lines.next_frame().expect("a frame or the end").is_some()
    });
    server.terminate().assert_left_with(0);
}

/// Who connects and says nothing has its place only until another needs it.
#[test]
fn silent_watchers_do_not_keep_a_health_check_waiting() {
    let server = watched().start();
    let mut silent = Peer::connect_many(server.status().port(), 100);
    let frame = once(&server);
    assert!(frame.watchers <= 16, "{}", frame.watchers);
    // Whoever has to go for others gets a frame too, as does who stays.
    for watcher in &mut silent {
        assert_adds_up(&serde_json::from_slice(&watcher.read_until(b'\n')).expect("a frame"));
    }
    drop(silent);
    server.terminate().assert_left_with(0);
}

#[test]
fn a_health_check_works_where_clients_have_taken_all_descriptors() {
    let server = watched().start();
    server.wait_until_quiet();
    let limit = proc::limit_for_more_descriptors(server.pid(), 3).expect("the server runs");
    proc::limit_descriptors(server.pid(), limit).expect("a process of our own");
    let mut peers = Peer::connect_many(server.port, 6);
    all_send(&mut peers, "hello\n");
    all_read(&mut peers[..3], "hello\n");
    server.log().wait_for("Accepting pauses: Too many open files");
    for _ in 0..50 {
        let frame = once(&server);
        assert_eq!((frame.accepting, frame.open.total), (Accepting::Exhausted, 3));
    }
    let mut watchers: Vec<Lines> =
        (0..WATCHERS_MAX).map(|_| ask(&server, Request::Watch)).collect();
    for lines in &mut watchers {
        next_frame(lines);
    }
    once(&server);
    // Their descriptors are not given to clients when they leave.
    drop(watchers);
    let frame = frame_until(&server, "all gone", |frame| frame.watchers == 1);
    assert_eq!(frame.open.total, 3);
    drop(peers);
    server.terminate().assert_left_with(0);
}

/// What watchers can do that is not right.
fn misbehave(server: &Server) -> Vec<Peer> {
    let port = server.status().port();
    let mut watchers = Vec::new();
    for _ in 0..5 {
        // Does not read.
        let mut stalled = Peer::connect_with_little_room(port);
        stalled.send("watch\n");
        watchers.push(stalled);
        // Says half a word.
        watchers.push(say(server, b"wat"));
        // Has nothing more to say.
        let ended = say(server, b"watch\n");
        ended.end_output();
        watchers.push(ended);
        // Says nonsense.
        watchers.push(say(server, &[0xff; 4096]));
        // Goes on and on.
        let mut flood = say(server, b"watch\n");
        // It is cut off on the way.
        let _ = flood.try_send(vec![b'\n'; 4 * MEGABYTE]);
        watchers.push(flood);
        say(server, b"watch\n").reset();
        say(server, b"follow\n").reset();
    }
    watchers
}

#[test]
fn watchers_that_do_wrong_change_nothing_for_the_others() {
    let server = watched().start();
    let mut peer = Peer::connect(server.port);
    peer.assert_echoes("before\n");
    let descriptors = server.descriptors();
    let memory = server.resident_bytes();
    for round in 0..5 {
        let watchers = misbehave(&server);
        for number in 0..200 {
            peer.assert_echoes(format!("message {number} of round {round}\n"));
        }
        assert_adds_up(&once(&server));
        drop(watchers);
    }
    server.assert_grown_by_less_than(2 * MEGABYTE, memory);
    wait::until("all watchers gone", || server.descriptors() == descriptors);
    drop(peer);
    server.terminate().assert_left_with(0);
}

#[test]
fn watchers_that_do_wrong_do_not_hold_the_drain() {
    let server = watched().start();
    let watchers = misbehave(&server);
    once(&server);
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("All sockets closed, server stopped");
    drop(watchers);
}

#[test]
fn a_watcher_that_stalls_loses_frames_and_is_told_how_many() {
    let server = watched().start();
    let mut stalled = Peer::connect_with_little_room(server.status().port());
    stalled.send("watch\n");
    let mut others = ask(&server, Request::Watch);
    let mut peer = Peer::connect(server.port);
    // Frames with hundreds of turns fill what the kernel holds for it.
    for _ in 0..40 {
        (0..300).for_each(|_| peer.assert_echoes("hello\n"));
        next_frame(&mut others);
    }
    let lost = wait::until_some("a frame that tells of others", || {
        let frame: Frame = serde_json::from_slice(&stalled.read_until(b'\n')).expect("a frame");
        (frame.frames_lost > 0).then_some(frame.frames_lost)
    });
    assert!(lost < 200, "{lost} frames");
    drop((peer, stalled));
    server.terminate().assert_left_with(0);
}

// The report.

#[test]
fn sigusr1_logs_a_report_at_every_level_but_off() {
    for (level, word) in [("info", "INFO"), ("warn", "WARN"), ("error", "ERROR")] {
        let server = Setup::new().unlimited().log_level(level).start_terse();
        server.signal(Signal::USR1);
        let lines = server.log().wait_for_count(" Report: ", 11);
        for line in &lines {
            assert!(line.contains(&format!(" {word} ")), "{line}");
        }
        assert!(lines[0].contains("Report: up "), "{lines:?}");
        assert!(lines[0].contains("running; 0 of 1000 connections open"), "{lines:?}");
        assert_eq!(server.terminate().log.count(" Report: "), 11);
    }
}
