//! How long one turn takes, whatever 300 peers send. The real reactor runs on the real kernel, in this
//! process, so that the processor time of each turn can be measured.
//!
//! ```text
//! cargo test --release -p echo-reactor --test turns -- --nocapture
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use echo_common::logger::{self, Filter, Format, Target};
use echo_reactor::config::{Config, Framing, Service};
use echo_reactor::deadlines::Moment;
use echo_reactor::kernel::{Clock, Kernel, LogBacklog, Wakeup};
use echo_reactor::linux::Linux;
use echo_reactor::log_outlet::LogOutlet;
use echo_reactor::peer::Peer;
use echo_reactor::reactor::Reactor;
use echo_reactor::signals::Request;
use echo_reactor::source::{Readiness, Source};
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};

const PEERS: usize = 300;
const LOAD: Duration = Duration::from_secs(1);
/// The most processor time that a turn may take.
const LONGEST_TURN: Duration = Duration::from_millis(10);
/// How late a drain may notice its deadline.
const LATEST_DEADLINE: Duration = Duration::from_millis(50);
/// How much longer a short client may wait than it does beside large lines.
const LONGER_WAIT: Duration = Duration::from_millis(50);

/// The real kernel, with a stopwatch for the processor time between two sleeps.
struct Stopwatch {
    linux: Linux,
    woke_at: Option<Duration>,
    /// How long the previous turn took.
    before: Duration,
    /// The longest turn but the last, which closes all that is left at the drain's deadline.
    longest: Duration,
    turns: u64,
    last_turn_began: Instant,
    report: mpsc::Sender<Report>,
}

struct Report {
    longest: Duration,
    turns: u64,
    last_turn_began: Instant,
}

impl Stopwatch {
    fn turn_ends(&mut self) {
        if let Some(woke_at) = self.woke_at {
            self.longest = self.longest.max(self.before);
            self.before = thread_time().saturating_sub(woke_at);
            self.turns += 1;
        }
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.turn_ends();
        let Stopwatch { longest, turns, last_turn_began, .. } = *self;
        let _ = self.report.send(Report { longest, turns, last_turn_began });
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("no time before the start");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("less than a second"))
}

impl Kernel for Stopwatch {
    type Socket = <Linux as Kernel>::Socket;

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        hand_on: impl FnMut(Source, Readiness),
    ) -> Wakeup {
        self.turn_ends();
        let mut woke_at = None;
        let mut hand_on = hand_on;
        let wakeup = self.linux.wait(timeout, |source, readiness| {
            woke_at.get_or_insert_with(thread_time);
            hand_on(source, readiness);
        });
        self.woke_at = Some(woke_at.unwrap_or_else(thread_time));
        self.last_turn_began = Instant::now();
        wakeup
    }

    fn now(&self) -> Moment {
        self.linux.now()
    }

    fn clock(&self) -> Clock {
        self.linux.clock()
    }

    fn requests(&mut self, obey: impl FnMut(Request)) {
        self.linux.requests(obey);
    }

    fn accept(&mut self) -> io::Result<(Self::Socket, Peer)> {
        self.linux.accept()
    }

    fn watch(&mut self, socket: &mut Self::Socket, source: Source) -> io::Result<()> {
        self.linux.watch(socket, source)
    }

    fn shut_queue(&mut self) {
        self.linux.shut_queue();
    }

    fn close_listener(&mut self) {
        self.linux.close_listener();
    }

    fn flush_log(&mut self) {
        self.linux.flush_log();
    }

    fn log_backlog(&self) -> LogBacklog {
        self.linux.log_backlog()
    }
}

/// What the peers send again and again, while they read what comes back.
struct Load {
    name: &'static str,
    service: Service,
    input: Vec<u8>,
}

fn loads() -> Vec<Load> {
    let mut service = Config::default().service(true, 10_000);
    // Nothing but the drain may end a connection.
    service.timeouts.idle = Duration::MAX;
    service.timeouts.message = Duration::MAX;
    let mut unlimited = service;
    unlimited.rules.messages_per_connection = 0;
    let mut every_line = unlimited;
    every_line.message_lines_per_second = 0;
    let mut stream = unlimited;
    stream.rules.framing = Framing::Stream;
    let mut unlogged = unlimited;
    unlogged.rules.messages_are_logged = false;
    let large_lines = [vec![b'x'; 16 * 1024 - 1], b"\n".to_vec()].concat().repeat(16);
    let empty_lines = vec![b'\n'; 256 * 1024];
    vec![
        Load { name: "large lines", service: unlimited, input: large_lines.clone() },
        Load { name: "empty lines", service: unlimited, input: empty_lines.clone() },
        Load {
            name: "empty lines, every one logged",
            service: every_line,
            input: empty_lines.clone(),
        },
        Load { name: "empty lines, none logged", service: unlogged, input: empty_lines.clone() },
        Load { name: "a stream", service: stream, input: large_lines },
        Load { name: "input behind the last message", service, input: empty_lines },
    ]
}

#[test]
#[cfg_attr(debug_assertions, ignore = "only a release build is held to it")]
fn no_turn_is_long_and_no_drain_is_late() {
    logger::init(&Filter::default(), Format::Text, Target::Pipe(Box::new(io::sink())));
    let mut wait_beside_large_lines = None;
    for load in loads() {
        // A busy machine takes its processors and caches away now and then, but not three times.
        let keeps_time = (0..3).any(|_| {
            let Delays { turn, deadline, short_client } = serve(&load);
            let usual = *wait_beside_large_lines.get_or_insert(short_client);
            // A log without a limit takes its time, a quarter of a millisecond for each thousand lines.
            let has_limit = load.service.message_lines_per_second > 0;
            turn <= LONGEST_TURN
                && deadline <= LATEST_DEADLINE
                && (short_client <= usual + LONGER_WAIT || !has_limit)
        });
        assert!(keeps_time, "{}: too long", load.name);
    }
}

struct Delays {
    /// The longest turn's processor time.
    turn: Duration,
    /// From the drain's deadline to the turn that ends it. The exit comes later, because the kernel has
    /// gigabytes to free by then.
    deadline: Duration,
    /// The longest that a client waited for the reply to its only message.
    short_client: Duration,
}

/// Serves under this load for a while, then drains.
fn serve(load: &Load) -> Delays {
    let Load { name, service, input } = load;
    let mut linux = Linux::new(LogOutlet::to_stderr()).expect("an epoll instance");
    let address = linux.listen((Ipv4Addr::LOCALHOST, 0).into(), 1024).expect("a free port");
    let (report, result) = mpsc::channel();
    let (before, longest) = (Duration::ZERO, Duration::ZERO);
    let last_turn_began = Instant::now();
    let watch =
        Stopwatch { linux, woke_at: None, before, longest, turns: 0, last_turn_began, report };
    let stop = AtomicBool::new(false);
    let (short_client, deadline, exit) = thread::scope(|scope| {
        let server = scope.spawn(move || Reactor::new(watch, *service).run());
        scope.spawn(|| flood(address, input, &stop));
        let short_client = short_clients(address);
        let asked = Instant::now();
        kill_process(getpid(), Signal::TERM).expect("this process runs");
        server.join().expect("no panic");
        stop.store(true, Ordering::Relaxed);
        (short_client, asked + service.drain_timeout, Instant::now())
    });
    let Report { longest, turns, last_turn_began } = result.recv().expect("a report");
    let deadline = last_turn_began.saturating_duration_since(deadline);
    let closing = exit.saturating_duration_since(last_turn_began);
    println!(
        "{PEERS} peers, {name}: longest of {turns} turns {longest:.1?}; a short client waited \
         {short_client:.1?}; the drain's deadline was seen {deadline:.1?} late, and {closing:.1?} \
         later everything was closed"
    );
    Delays { turn: longest, deadline, short_client }
}

/// Runs one client after the other, each with one message. Returns the longest wait.
fn short_clients(address: SocketAddr) -> Duration {
    let end = Instant::now() + LOAD;
    let mut longest = Duration::ZERO;
    while Instant::now() < end {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).expect("a place in the queue");
        stream.write_all(b"hello\n").expect("room for a line");
        stream.read_exact(&mut [0; 6]).expect("an echo");
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// Runs all peers in one thread. A peer whose connection is closed connects again if it can.
fn flood(address: SocketAddr, input: &[u8], stop: &AtomicBool) {
    let mut peers: Vec<Option<TcpStream>> = (0..PEERS).map(|_| connect(address)).collect();
    let mut replies = vec![0; 256 * 1024];
    while !stop.load(Ordering::Relaxed) {
        for peer in &mut peers {
            let goes_on =
                peer.as_mut().is_some_and(|stream| talk(stream, input, &mut replies).is_ok());
            if !goes_on {
                *peer = connect(address);
            }
        }
    }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

fn talk(stream: &mut TcpStream, input: &[u8], replies: &mut [u8]) -> io::Result<()> {
    let is_over = |result: &io::Result<usize>| match result {
        Ok(_) => false,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    let sent = stream.write(input);
    if is_over(&sent) {
        return sent.map(|_| ());
    }
    let read = stream.read(replies);
    if is_over(&read) { read.map(|_| ()) } else { Ok(()) }
}
