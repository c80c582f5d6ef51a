//! A server's status port, as a test plays it: a thread for each reader, and a state that the test sets.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::ports::free_address;
use echo_harness::wait;
use echo_status::{
    Accepting, Frame, Measured, Open, Percentiles, Phase, Phases, Server, Step, StepLine, Tally,
    Turn, VERSION, WokenBy,
};

/// As often as a server tells.
const PERIOD: Duration = Duration::from_millis(250);

/// A status port. It is closed when this is dropped, and all its connections with it.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    frame: Mutex<Frame>,
    began: Instant,
    /// The steps that are told to one who follows, as they come.
    steps: Mutex<Vec<StepLine>>,
    steps_changed: Condvar,
    readers: Mutex<Vec<TcpStream>>,
    is_mute: AtomicBool,
    is_full: AtomicBool,
    is_over: AtomicBool,
    /// How many have asked for this since the start.
    watches: AtomicUsize,
    follows: AtomicUsize,
}

/// A frame of a server that has nothing to do.
pub(crate) fn frame() -> Frame {
    Frame {
        version: VERSION,
        server: Server {
            version: "0.1.0".to_owned(),
            host: "c0ffee".to_owned(),
            address: "0.0.0.0:12345".to_owned(),
            started_unix_us: 1_764_000_000_000_000,
            connections_max: 1000,
        },
        uptime_us: 60_000_000,
        phase: Phase::Running,
        delay: None,
        drain: None,
        open: Open::default(),
        accepting: Accepting::Waiting,
        log_waiting_bytes: 0,
        watchers: 1,
        frames_lost: 0,
        tally: Tally::default(),
        last_second: None,
        turns: Vec::new(),
    }
}

impl Fake {
    /// On a port of this host that nobody else has.
    pub(crate) fn start() -> Fake {
        Fake::start_at(free_address())
    }

    pub(crate) fn start_at(address: SocketAddr) -> Fake {
        let listener = wait::until_some("a free port", || TcpListener::bind(address).ok());
        let shared = Arc::new(Shared {
            frame: Mutex::new(frame()),
            began: Instant::now(),
            steps: Mutex::default(),
            steps_changed: Condvar::new(),
            readers: Mutex::default(),
            is_mute: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            watches: AtomicUsize::new(0),
            follows: AtomicUsize::new(0),
        });
        let fake = Fake { address, shared: Arc::clone(&shared) };
        thread::spawn(move || accept(&listener, &shared));
        fake
    }

    /// On the same port of another address of this host.
    pub(crate) fn start_beside(&self, last_byte: u8) -> Fake {
        let ip = IpAddr::from([127, 0, 0, last_byte]);
        Fake::start_at((ip, self.address.port()).into())
    }

    /// Changes what the next frames say.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Frame)) {
        change(&mut self.shared.frame.lock().unwrap());
    }

    /// Whether it says nothing, though it is connected.
    pub(crate) fn be_mute(&self, is: bool) {
        self.shared.is_mute.store(is, Ordering::SeqCst);
    }

    /// Whether other readers have all its places: one more gets a single frame.
    pub(crate) fn be_full(&self, is: bool) {
        self.shared.is_full.store(is, Ordering::SeqCst);
    }

    /// Tells one more step to those who follow, and to those who will.
    pub(crate) fn step(&self, us: u64, step: Step) {
        let line = StepLine { version: VERSION, us, turn: 7, step };
        self.shared.steps.lock().unwrap().push(line);
        self.shared.steps_changed.notify_all();
    }

    /// How many have asked to watch since the start.
    pub(crate) fn watches(&self) -> usize {
        self.shared.watches.load(Ordering::SeqCst)
    }

    /// How many have asked to follow since the start.
    pub(crate) fn follows(&self) -> usize {
        self.shared.follows.load(Ordering::SeqCst)
    }

    /// Ends all connections, but not the port.
    pub(crate) fn end_connections(&self) {
        for reader in self.shared.readers.lock().unwrap().drain(..) {
            let _ = reader.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.shared.steps_changed.notify_all();
        // The listener's thread looks at `is_over` when somebody comes.
        let _ = TcpStream::connect(self.address);
        self.end_connections();
        let is_closed = || Arc::strong_count(&self.shared) == 1;
        wait::until("the end of a played server", is_closed);
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// The frame of this moment.
    fn frame(&self) -> String {
        let mut frame = self.frame.lock().unwrap().clone();
        frame.uptime_us += u64::try_from(self.began.elapsed().as_micros()).expect("a short test");
        serde_json::to_string(&frame).expect("JSON") + "\n"
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.is_over() {
            return;
        }
        let (socket, shared) = (socket.expect("a connection"), Arc::clone(shared));
        shared.readers.lock().unwrap().push(socket.try_clone().expect("a descriptor"));
        thread::spawn(move || {
            // The reader may go at any time.
            let _ = serve(&socket, &shared);
            let _ = socket.shutdown(Shutdown::Both);
        });
    }
}

fn serve(socket: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(socket).read_line(&mut request)?;
    match request.as_str() {
        "follow\n" => tell_steps(socket, shared),
        _ => tell_frames(socket, shared),
    }
}

fn tell_frames(mut socket: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    shared.watches.fetch_add(1, Ordering::SeqCst);
    while !shared.is_over() {
        if !shared.is_mute.load(Ordering::SeqCst) {
            socket.write_all(shared.frame().as_bytes())?;
        }
        if shared.is_full.load(Ordering::SeqCst) {
            break;
        }
        thread::sleep(PERIOD);
    }
    Ok(())
}

fn tell_steps(mut socket: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    shared.follows.fetch_add(1, Ordering::SeqCst);
    let mut told = 0;
    while !shared.is_over() {
        let steps = shared.steps.lock().unwrap();
        let (steps, _) = shared
            .steps_changed
            .wait_timeout_while(steps, PERIOD, |steps| steps.len() == told)
            .unwrap();
        let lines = steps[told..].to_vec();
        drop(steps);
        told += lines.len();
        for line in lines {
            socket.write_all((serde_json::to_string(&line)? + "\n").as_bytes())?;
            if matches!(line.step, Step::Closed { .. }) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A turn under some load.
pub(crate) fn turn(number: u64) -> Turn {
    let events = u32::try_from(number % 9).expect("small");
    let busy = f64::from(events);
    Turn {
        number,
        at_us: number * 900,
        slept_us: if number.is_multiple_of(5) { 0 } else { 400 + number % 7 * 60 },
        phases: Phases {
            signals: 0.1,
            serve: 8.0 * busy,
            accept: if number.is_multiple_of(4) { 22.0 } else { 0.4 },
            expire: 0.2,
            reap: 0.9 * busy,
            status: 1.5,
            log: 3.0 + busy,
        },
        events,
        visits: events,
        accepted: u32::from(number.is_multiple_of(4)),
        reaped: u32::from(number % 4 == 1),
        woken_by: match number % 5 {
            0 => WokenBy::WorkLeft,
            1 => WokenBy::Deadline,
            _ => WokenBy::Event,
        },
        draining: false,
    }
}

/// What was timed in a second under some load.
pub(crate) fn measured() -> Measured {
    Measured {
        us: 1_000_000,
        turns: 1100,
        asleep_us: 630_000,
        phases: Phases {
            signals: 300.0,
            serve: 262_000.0,
            accept: 41_000.0,
            expire: 700.0,
            reap: 21_000.0,
            status: 2_000.0,
            log: 45_000.0,
        },
        turn_us: Percentiles { median: 84, p99: 611, max: 2100 },
        events: Percentiles { median: 7, p99: 31, max: 64 },
        sleep_us: Percentiles { median: 560, p99: 3100, max: 9000 },
    }
}
