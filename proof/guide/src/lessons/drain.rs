//! SIGTERM while clients are in every state that there is.

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::peer::{End, Peer, line};
use echo_harness::{MEGABYTE, sockets};
use rustix::process::Signal;

use super::Cast;

/// How long the slow reader waits before it reads.
const HESITATION: Duration = Duration::from_millis(300);

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let server = cast.server()?.unlimited().set("drain_timeout", "700ms").start();
    let connect = || Peer::connect(server.port);
    let log = server.log();

    let idle = connect();
    let mut half = connect();
    half.send("half a mess");
    let [mut slow, mut never] = [connect(), connect()];
    let large = line(16 * 1024).repeat(16 * MEGABYTE / (16 * 1024));
    for peer in [&mut slow, &mut never] {
        peer.send_while_there_is_room(&large);
    }
    log.wait_for_count("Got connection", 4);
    server.wait_until_quiet();

    // Everything is there before the server looks again.
    let frozen = server.freeze();
    let mut in_time = connect();
    in_time.send("in time\n");
    let mut queued = connect();
    queued.send("from the queue\n");
    sockets::wait_for_queue(server.port, 2);
    server.signal(Signal::TERM);
    let start = Instant::now();
    drop(frozen);

    let (outcomes, inbox) = mpsc::channel();
    let clients = [
        ("idle", idle),
        ("has sent half a message", half),
        ("its message is there", in_time),
        ("waits in the queue", queued),
        ("is slow to read", slow),
    ];
    for (number, (name, mut peer)) in clients.into_iter().enumerate() {
        let outcomes = outcomes.clone();
        thread::spawn(move || {
            if name == "is slow to read" {
                thread::sleep(HESITATION);
            }
            let (bytes, end) = peer.read_to_end();
            let outcome = Outcome { name, bytes: bytes.len(), end, after: start.elapsed() };
            let _ = outcomes.send((number, outcome));
        });
    }
    drop(outcomes);
    let ended = server.wait();
    let after = start.elapsed();
    let mut outcomes: Vec<_> = inbox.into_iter().collect();
    let (bytes, end) = never.read_to_end();
    outcomes.push((5, Outcome { name: "never reads", bytes: bytes.len(), end, after }));
    outcomes.sort_by_key(|(number, _)| *number);
    println!("a client that …               gets back   and then   after SIGTERM");
    for (_, outcome) in outcomes {
        println!("{outcome}");
    }
    println!(
        "\nThe server ended with code {} after {} ms. Its log from SIGTERM on:\n",
        ended.status.code().unwrap_or(-1),
        after.as_millis()
    );
    let lines = ended.log.texts();
    for text in lines.iter().skip_while(|text| !text.contains("SIGTERM")) {
        println!("  {text}");
    }
    Ok(())
}

/// What a client has seen.
struct Outcome {
    name: &'static str,
    bytes: usize,
    end: End,
    after: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { name, bytes, end, after } = self;
        let end = match end {
            End::Clean => "the end",
            End::Reset => "a reset",
        };
        write!(out, "{name:<28}  {bytes:>9}   {end}    {:>5} ms", after.as_millis())
    }
}
