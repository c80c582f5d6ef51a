//! SIGTERM while clients are in every state that there is.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::peer::{End, Peer, line};
use echo_harness::server::Server;
use echo_harness::sockets;
use rustix::process::Signal;

use super::Cast;

/// How long two clients wait before they read: less than `drain_timeout`, and more.
const SLOW: Duration = Duration::from_millis(300);
const TOO_LATE: Duration = Duration::from_secs(1);

/// So many messages of 10 KB are more than the buffers on the way to a client hold.
const MUCH: usize = 50;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let server = cast.server()?.unlimited().set("drain_timeout", "700ms").start();
    let clients = clients(&server);
    let started = Instant::now();
    let readers = clients.map(|client| thread::spawn(move || client.read(started)));
    let ended = server.wait();
    let took = started.elapsed().as_millis();
    println!("  a client that …           gets back      and sees  after SIGTERM\n");
    for reader in readers {
        println!("{}", reader.join().expect("a client reads to the end"));
    }
    let code = ended.status.code().unwrap_or(-1);
    println!("\nThe server has ended with code {code} after {took} ms. Its log from SIGTERM on:\n");
    let is_short = |text: &&String| !text.contains("Msg: b'xxx");
    for text in
        ended.log.texts().iter().skip_while(|text| !text.contains("SIGTERM")).filter(is_short)
    {
        println!("  {text}");
    }
    Ok(())
}

struct Client {
    state: &'static str,
    peer: Peer,
    /// How long it waits before it reads.
    waits: Duration,
}

/// Brings the clients into their states, and sends SIGTERM. The server finds all of it when it looks next.
fn clients(server: &Server) -> [Client; 6] {
    let connect = || Peer::connect(server.port);
    let (idle, mut half, mut in_time) = (connect(), connect(), connect());
    half.send("half a mess");
    let [mut slow, mut late] = [(); 2].map(|()| Peer::connect_with_little_room(server.port));
    for peer in [&mut slow, &mut late] {
        peer.send_while_there_is_room(&line(10_000).repeat(MUCH));
    }
    server.log().wait_for_count("Got connection", 5);
    server.wait_until_quiet();

    let _frozen = server.freeze();
    in_time.send("just in time\n");
    let mut queued = connect();
    queued.send("from the queue\n");
    sockets::wait_for_queue(server.port, 1);
    server.signal(Signal::TERM);
    let client = |state, peer| Client { state, peer, waits: Duration::ZERO };
    [
        client("is idle", idle),
        client("has sent half a message", half),
        client("has sent a message", in_time),
        client("waits in the queue", queued),
        Client { waits: SLOW, ..client("reads 0.3 s later", slow) },
        Client { waits: TOO_LATE, ..client("reads 1 s later", late) },
    ]
}

impl Client {
    fn read(mut self, started: Instant) -> Outcome {
        thread::sleep(self.waits);
        let (bytes, end) = self.peer.read_to_end();
        Outcome { state: self.state, bytes: bytes.len(), end, after: started.elapsed() }
    }
}

/// What a client has seen.
struct Outcome {
    state: &'static str,
    bytes: usize,
    end: End,
    after: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { state, bytes, end, after } = self;
        let end = match end {
            End::Clean => "the end",
            End::Reset => "a reset",
        };
        write!(out, "  {state:<24}  {bytes:>7} bytes  {end:<8}  {:>10} ms", after.as_millis())
    }
}
