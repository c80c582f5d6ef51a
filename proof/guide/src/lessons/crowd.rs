//! More and more clients send as fast as they are answered. One `epoll_wait` serves all the messages of a turn, so that
//! turns do not grow with the load: events per turn do.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::peer::{Peer, all_read, all_send};
use echo_harness::ports::free_port;
use echo_status::{Lines, Request, Tally};

use super::Cast;

const LINE: &str = "a line of a client of the crowd\n";

/// How long each crowd sends.
const LASTS: Duration = Duration::from_secs(1);

/// How many threads play the clients.
const THREADS: usize = 4;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    println!("Clients that send a line, wait for it, and send the next, for {LASTS:?}:\n");
    println!("  clients   messages      turns  events a turn  epoll_wait a message");
    for clients in [1, 10, 100, 1000] {
        let Tally { turns, events, messages, .. } = load(cast, clients)?;
        let ratio = |a: u64, b: u64| to_f64(a) / to_f64(b);
        println!(
            "  {clients:>7}  {messages:>9}  {turns:>9}  {:>13.1}  {:>20.3}",
            ratio(events.connection, turns),
            ratio(turns, messages)
        );
    }
    Ok(())
}

fn to_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// What the server has counted while so many clients sent.
fn load(cast: &Cast, clients: usize) -> io::Result<Tally> {
    let status = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let setup = cast.server()?.unlimited().set("status", status).message_lines_per_second(1);
    let server = setup.start();
    let threads = THREADS.min(clients);
    let players: Vec<_> = (0..threads)
        .map(|_| {
            let mut peers = Peer::connect_many(server.port, clients / threads);
            thread::spawn(move || {
                let start = Instant::now();
                while start.elapsed() < LASTS {
                    all_send(&mut peers, LINE);
                    all_read(&mut peers, LINE);
                }
            })
        })
        .collect();
    for player in players {
        player.join().expect("every line comes back");
    }
    let frame = Lines::ask(status, Request::Once, Duration::from_secs(5))?.next_frame()?;
    Ok(frame.ok_or_else(|| io::Error::other("the status port has nothing to say"))?.tally)
}
