//! The servers that are measured: what each is and how it is started.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use echo_harness::server::Setup;

/// The server that this project is about, with its log off.
pub(crate) const REACTOR: &str = "echo-reactor";
/// Another build of it, to compare with.
pub(crate) const AGAINST: &str = "against";
/// The server with a reader at its status port.
pub(crate) const WATCHED: &str = "watched";
/// The server whose log is JSON, and the one whose log is text.
pub(crate) const JSON: &str = "json";
pub(crate) const TEXT: &str = "text";
/// The floor: C with as few system calls as Linux allows.
pub(crate) const FLOOR: &str = "c-epoll";
/// The floor of a server that closes connections and loses no reply.
pub(crate) const FAIR_FLOOR: &str = "c-epoll-shutdown";
/// The floor in bulk of a server whose visits are bounded, so that no peer waits long for another.
pub(crate) const FAIR_FLOOR_IN_BULK: &str = "c-epoll-fair";

/// The kernel gives a process 65,530 mappings by default (`vm.max_map_count`), and a thread takes four.
const THREADS_MAX: usize = 16_000;

/// What a server does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Echoes every line until the client leaves.
    Lines,
    /// Echoes one line, then closes.
    Oneshot,
    /// Echoes every byte.
    Bytes,
}

/// What a server must be able to hold.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) backlog: u32,
    pub(crate) connections: usize,
}

/// Where a server listens on 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) service: u16,
    /// Where it can be watched, if somebody watches.
    pub(crate) status: Option<SocketAddrV4>,
}

/// A server under test.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Whether it writes a log, which has to be read.
    pub(crate) logs: bool,
    /// The log's form, where it is the reactor's.
    log_format: &'static str,
    /// The only mode in which it is measured; all modes if `None`.
    pub(crate) only: Option<Mode>,
    /// How many idle connections it can hold.
    pub(crate) idle_max: usize,
    /// Whether somebody watches it meanwhile.
    pub(crate) is_watched: bool,
    program: PathBuf,
    start: Start,
}

/// How a server is told what it must do.
enum Start {
    /// echo-reactor: by its environment.
    Reactor,
    /// `PROGRAM PORT lines|oneshot|bytes BACKLOG [WORD]`.
    Program { word: Option<&'static str> },
    /// `python SCRIPT PORT lines|oneshot|bytes BACKLOG [WORD]`.
    Script { script: &'static str, word: Option<&'static str> },
}

/// The interpreter of all Python peers: that of `venv/`, which has uvloop, or the system's.
pub(crate) fn python(built: &Path) -> PathBuf {
    let own = built.join("venv/bin/python");
    if own.exists() { own } else { "python3".into() }
}

/// All servers, in the order in which the tables show them. `built` has the peers that were built.
pub(crate) fn all(reactor: &Path, built: &Path) -> Vec<Peer> {
    let python = python(built);
    let reactor = |name| Peer::new(name, reactor, Start::Reactor);
    let program = |name, file, word| Peer::new(name, &built.join(file), Start::Program { word });
    let script = |name, script, word| Peer::new(name, &python, Start::Script { script, word });
    let oneshot = |peer| Peer { only: Some(Mode::Oneshot), ..peer };
    let logging = |peer| Peer { logs: true, ..oneshot(peer) };
    let bytes = |peer| Peer { only: Some(Mode::Bytes), ..peer };
    // What a thread has spent is known as long as it lives: here, as long as its connection.
    let threads = |peer| Peer { only: Some(Mode::Lines), idle_max: THREADS_MAX, ..peer };
    vec![
        reactor(REACTOR),
        logging(reactor("echo-reactor-info")),
        program(FLOOR, "c-epoll", None),
        oneshot(program("c-epoll-more", "c-epoll", Some("more"))),
        oneshot(program(FAIR_FLOOR, "c-epoll", Some("shutdown"))),
        bytes(program(FAIR_FLOOR_IN_BULK, "c-epoll", Some("fair"))),
        bytes(program("c-splice", "c-splice", None)),
        program("tokio", "tokio-echo", None),
        program("libuv", "libuv-echo", None),
        program("go", "go-echo", None),
        threads(program("threads", "threads-echo", None)),
        script("uvloop", "asyncio_echo.py", Some("uvloop")),
        script("asyncio", "asyncio_echo.py", None),
        oneshot(script("python-blocking", "blocking_echo.py", None)),
        logging(script("python-blocking-info", "blocking_echo.py", Some("log"))),
    ]
}

/// Two builds of the server.
pub(crate) fn builds(reactor: &Path, against: &Path) -> Vec<Peer> {
    let build = |name, program| Peer::new(name, program, Start::Reactor);
    vec![build(REACTOR, reactor), build(AGAINST, against)]
}

/// The server with somebody who watches, and without.
pub(crate) fn watched(reactor: &Path) -> Vec<Peer> {
    let peer = |name| Peer::new(name, reactor, Start::Reactor);
    vec![Peer { is_watched: true, ..peer(WATCHED) }, peer(REACTOR)]
}

/// The server with its log in either form. Each message has its own connection, so that all lines are about that.
pub(crate) fn formats(reactor: &Path) -> Vec<Peer> {
    let peer = |name| {
        let peer = Peer::new(name, reactor, Start::Reactor);
        Peer { logs: true, log_format: name, only: Some(Mode::Oneshot), ..peer }
    };
    vec![peer(JSON), peer(TEXT)]
}

impl Peer {
    fn new(name: &'static str, program: &Path, start: Start) -> Peer {
        Peer {
            name,
            logs: false,
            log_format: TEXT,
            only: None,
            idle_max: usize::MAX,
            is_watched: false,
            program: program.to_path_buf(),
            start,
        }
    }

    /// Why it can't be measured here, if so.
    pub(crate) fn missing(&self) -> Option<String> {
        let program = self.program.display();
        let Start::Script { word, .. } = self.start else {
            return (!self.program.exists()).then(|| format!("{program} is not built"));
        };
        let import = if word == Some("uvloop") { "import uvloop" } else { "" };
        let mut python = Command::new(&self.program);
        let tried = python.args(["-c", import]).stderr(Stdio::null()).status();
        let works = tried.is_ok_and(|status| status.success());
        (!works).then(|| format!("`{program} -c '{import}'` fails"))
    }

    /// The command that starts it on these ports.
    pub(crate) fn command(&self, ports: Ports, mode: Mode, limits: Limits) -> Command {
        let mut command = match &self.start {
            Start::Reactor => return self.reactor(ports, mode, limits),
            Start::Program { .. } => Command::new(&self.program),
            Start::Script { script, .. } => {
                let mut command = Command::new(&self.program);
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script));
                command
            }
        };
        let behaviour = match mode {
            Mode::Lines => "lines",
            Mode::Oneshot => "oneshot",
            Mode::Bytes => "bytes",
        };
        command.args([&ports.service.to_string(), behaviour, &limits.backlog.to_string()]);
        if let Start::Program { word } | Start::Script { word, .. } = self.start {
            command.args(word);
        }
        command
    }

    fn reactor(&self, ports: Ports, mode: Mode, limits: Limits) -> Command {
        // 0 is no limit.
        let (framing, messages) = match mode {
            Mode::Lines => ("line", 0),
            Mode::Oneshot => ("line", 1),
            Mode::Bytes => ("stream", 0),
        };
        let setup = Setup::of(&self.program);
        let setup = match ports.status {
            Some(address) => setup.set("status", address),
            None => setup,
        };
        setup
            .set("port", ports.service)
            .set("listen_backlog", limits.backlog)
            .set("connections_max", limits.connections)
            .set("framing", framing)
            .set("messages_per_connection", messages)
            // Deadlines as in production, but longer than any round.
            .set("idle_timeout", "1h")
            .set("message_timeout", "1h")
            .log_level(if self.logs { "info" } else { "off" })
            .log_format(self.log_format)
            .command()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let nowhere = Path::new("/nowhere");
        let reasons: Vec<_> =
            all(nowhere, nowhere).iter().map(|peer| (peer.name, peer.missing())).collect();
        let reason = |name| reasons.iter().find(|(peer, _)| *peer == name).unwrap().1.as_deref();
        assert_eq!(reason("go"), Some("/nowhere/go-echo is not built"));
        assert_eq!(reason(REACTOR), Some("/nowhere is not built"));
    }
}
