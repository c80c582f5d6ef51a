//! A client process whose log can be waited for, and a server that does what a test wants.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

/// A test that waits so long has failed. Far more than a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives a value.
pub(crate) fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The client's program, with nothing of this process's environment that it looks at.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-client"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name == "RUST_LOG" || name.starts_with("CLI_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running client; it is killed when the test ends before it.
pub(crate) struct Client {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Client {
    /// Starts a client for the server at `address` with these settings, as `id: 7`.
    pub(crate) fn start(address: &impl ToString, settings: &[&str]) -> Self {
        let mut command = program();
        command.args(["--config", "/dev/null"]);
        command.env("CLI_SERVER_ADDRESS", address.to_string());
        for setting in settings {
            let (key, value) = setting.split_once(": ").expect("key: value");
            command.env(format!("CLI_{}", key.to_uppercase()), value);
        }
        Self::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the client starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            log.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// The state letter of proc(5): `T` is stopped.
    pub(crate) fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let state = stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
        state.expect("the client runs")
    }

    /// Sends a signal to a child of what was started, for example the child of `unshare`.
    pub(crate) fn signal_child(&self, signal: Signal) {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let child = children.expect("a list of children").trim().parse().expect("one child");
        kill_process(Pid::from_raw(child).expect("a process id"), signal).expect("it runs");
    }

    /// Waits for a line that contains `text`, behind those that were waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {text:?} ({error}) after {:#?}", self.seen),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the client runs");
    }

    /// Waits for the end; gives the exit code and the whole log.
    pub(crate) fn wait(mut self) -> (i32, Vec<String>) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end after {:#?}", self.seen),
            }
        }
        (exit_code(&mut self.child), std::mem::take(&mut self.seen))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process; killed by a signal counts as in a shell, 128 + its number.
pub(crate) fn exit_code(child: &mut Child) -> i32 {
    let status = wait_until("the end of the client", || child.try_wait().expect("a child"));
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// The texts of log lines, without time and level.
pub(crate) fn texts(log: &[String]) -> Vec<&str> {
    log.iter().map(|line| line.get(29..).unwrap_or(line)).collect()
}

/// A listener on a free port.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A port that is taken and on which nobody listens yet: connections are refused.
pub(crate) struct Port {
    socket: Socket,
    pub(crate) address: SocketAddr,
}

impl Port {
    pub(crate) fn new() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// The same port once more, for a server that starts again: nobody else can get it meanwhile.
    pub(crate) fn again(&self) -> Self {
        Self::at(self.address)
    }

    fn at(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option");
        socket.bind(&address.into()).expect("a free port");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        Self { socket, address: address.expect("an address") }
    }

    pub(crate) fn listen(self, backlog: i32) -> TcpListener {
        self.socket.listen(backlog).expect("a listener");
        self.socket.into()
    }
}

/// The server's end of a connection on which one message has arrived.
pub(crate) struct Received {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) message: String,
}

/// Accepts a connection and reads a message.
pub(crate) fn receive(listener: &TcpListener) -> Received {
    let (stream, peer) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut message = String::new();
    BufReader::new(&stream).read_line(&mut message).expect("a message");
    Received { stream, peer, message }
}

impl Received {
    /// Answers and closes.
    pub(crate) fn answer(mut self, reply: impl AsRef<[u8]>) {
        self.stream.write_all(reply.as_ref()).expect("the client reads");
    }

    /// Answers as an echo server, closes, and gives the message.
    pub(crate) fn echo(self) -> String {
        let message = self.message.clone();
        self.answer(&message);
        message
    }

    /// Waits until the client has closed.
    pub(crate) fn wait_for_close(mut self) {
        let rest = self.stream.read_to_end(&mut Vec::new());
        assert_eq!(rest.expect("a clean close"), 0);
    }
}

/// Whether a process catches SIGTERM by now.
pub(crate) fn catches_sigterm(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (Signal::TERM.as_raw() - 1)) != 0)
}
