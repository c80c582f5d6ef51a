//! One thread that blocks, one thread for each connection, and one thread that never blocks: what an idle client does
//! to its neighbours, and what a crowd costs.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::child::OwnedChild;
use echo_harness::peer::{Peer, all_read, all_send};
use echo_harness::ports::free_port;
use echo_harness::{proc, wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Cast;

const LINE: &str = "a line of a client of the crowd\n";

/// How long a client waits for its reply before it gives up.
const LIMIT: Duration = Duration::from_secs(2);

/// Messages of each connection, over which the costs are taken.
const ROUNDS: u32 = 5;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    beside_an_idle_client(cast)?;
    println!();
    in_a_crowd(cast)
}

/// A server that runs here, and its port.
struct Neighbour {
    name: &'static str,
    child: OwnedChild,
    port: u16,
}

impl Neighbour {
    fn start(name: &'static str, port: u16, command: &mut Command) -> io::Result<Neighbour> {
        let child = OwnedChild::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait::until("the server listening", listens);
        proc::wait_until_quiet(child.pid(), wait::PATIENCE)?;
        Ok(Neighbour { name, child, port })
    }

    fn blocking(cast: &Cast) -> io::Result<Neighbour> {
        let port = free_port()?;
        let mut command = Command::new(cast.other("blocking-echo")?);
        Neighbour::start("one thread that blocks", port, command.arg(port.to_string()))
    }

    fn threads(cast: &Cast) -> io::Result<Neighbour> {
        let port = free_port()?;
        let mut command = Command::new(cast.other("threads-echo")?);
        command.args([&port.to_string(), "lines", "4096"]);
        Neighbour::start("a thread per connection", port, &mut command)
    }

    fn reactor(cast: &Cast) -> io::Result<Neighbour> {
        let port = free_port()?;
        let setup = cast.server()?.unlimited().set("port", port).set("listen_backlog", 4096);
        let setup = setup.set("connections_max", cast.connections + 1).log_level("off");
        Neighbour::start("a reactor", port, &mut setup.command())
    }
}

fn beside_an_idle_client(cast: &Cast) -> io::Result<()> {
    println!("A client is connected and says nothing. Another one sends a line:\n");
    for server in [Neighbour::blocking(cast)?, Neighbour::threads(cast)?, Neighbour::reactor(cast)?]
    {
        let idle = Peer::connect(server.port);
        let mut client = Peer::connect(server.port);
        let answer = if let Some(time) = time_of_answer(&mut client) {
            format!("its answer comes after {}", millis(time))
        } else {
            let left = Instant::now();
            drop(idle);
            wait::until("an answer", || client.has_input());
            let time = millis(left.elapsed());
            format!("no answer in {LIMIT:?}; {time} after the idle client has left, it comes")
        };
        println!("  {:<24} {answer}", server.name);
    }
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn time_of_answer(client: &mut Peer) -> Option<Duration> {
    let start = Instant::now();
    client.send(LINE);
    while !client.has_input() {
        if start.elapsed() > LIMIT {
            return None;
        }
        thread::sleep(Duration::from_micros(50));
    }
    Some(start.elapsed())
}

/// What a crowd costs a server.
struct Cost {
    threads: usize,
    /// Memory of each connection.
    bytes: u64,
    /// Of each message.
    switches: f64,
    time: Duration,
}

fn in_a_crowd(cast: &Cast) -> io::Result<()> {
    raise_descriptor_limit();
    println!("Connections that all send a line at the same moment, {ROUNDS} times:\n");
    println!("  connections  server                    threads  memory each  switches  CPU time");
    println!("                                                               a message  a message");
    for connections in [cast.connections / 10, cast.connections] {
        for server in [Neighbour::threads(cast)?, Neighbour::reactor(cast)?] {
            println!("  {connections:>11}  {:<24}  {}", server.name, cost(&server, connections)?);
        }
    }
    Ok(())
}

fn cost(server: &Neighbour, connections: u32) -> io::Result<Cost> {
    let pid = server.child.pid();
    let at_rest = || proc::wait_until_quiet(pid, wait::PATIENCE);
    let memory_before = proc::resident_bytes(pid)?;
    let mut crowd: Vec<Peer> = (0..connections).map(|_| Peer::connect(server.port)).collect();
    for peer in &mut crowd {
        peer.assert_echoes(LINE);
    }
    at_rest()?;
    let memory = proc::resident_bytes(pid)?.saturating_sub(memory_before);
    let threads = proc::threads(pid)?;

    let (switches, time) = (proc::context_switches(pid)?, proc::processor_time(pid)?);
    for _ in 0..ROUNDS {
        all_send(&mut crowd, LINE);
        all_read(&mut crowd, LINE);
    }
    at_rest()?;
    let messages = ROUNDS * connections;
    let switches = u32::try_from(proc::context_switches(pid)?.saturating_sub(switches));
    let cost = Cost {
        threads,
        bytes: memory / u64::from(connections),
        switches: switches.map_or(f64::INFINITY, f64::from) / f64::from(messages),
        time: proc::processor_time(pid)?.saturating_sub(time) / messages,
    };
    // With a reset, no address stays occupied.
    crowd.into_iter().for_each(Peer::reset);
    Ok(cost)
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { threads, bytes, switches, time } = self;
        let micros = time.as_secs_f64() * 1e6;
        write!(out, "{threads:>7}  {bytes:>9} B  {switches:>9.3}  {micros:>6.1} µs")
    }
}

/// As far as it is allowed: each connection takes a descriptor here.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If this fails, a connection will, and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
