//! The servers that are measured: what each one is and how it is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Echoes every line until the client leaves.
    Stream,
    /// Echoes one line, then closes.
    Oneshot,
}

impl Behaviour {
    fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Oneshot => "oneshot",
        }
    }
}

/// How a server is told its port and behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// echo-reactor: by its environment.
    Environment { log_level: &'static str },
    /// The peers: `PORT stream|oneshot BACKLOG` and perhaps one more word.
    Arguments { last: Option<&'static str> },
}

/// A server under test.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The name in tables, results and on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Whether it serves one connection at a time and knows no stream.
    pub one_at_a_time: bool,
    /// Whether it writes a log that has to be read.
    pub logs: bool,
    program: PathBuf,
    script: Option<PathBuf>,
    dialect: Dialect,
}

/// The name of the server that this project is about.
pub const REACTOR: &str = "echo-reactor";
/// The same server, logging at INFO.
pub const REACTOR_LOGGING: &str = "echo-reactor-info";
/// The floor: C with the fewest system calls.
pub const FLOOR: &str = "c-epoll";
/// The floor of a closed connection: reply and FIN in one segment.
pub const FLOOR_MORE: &str = "c-epoll-more";

/// The same, and no reply is lost when its peer sends one more byte.
pub const FLOOR_SHUTDOWN: &str = "c-epoll-shutdown";

/// The server of a beginner, as this project's exercise starts with.
pub const PYTHON: &str = "python-blocking";
/// The same, logging.
pub const PYTHON_LOGGING: &str = "python-blocking-info";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The binary of echo-reactor.
    pub reactor: PathBuf,
    /// The directory with the peers that were built, and perhaps `venv/`.
    pub built: PathBuf,
    /// The directory with the peers' sources.
    pub sources: PathBuf,
}

/// All servers, in the order in which tables show them.
#[must_use]
pub fn all(places: &Places) -> Vec<Peer> {
    let reactor = |name, about, log_level| Peer {
        name,
        about,
        one_at_a_time: false,
        logs: log_level != "off",
        program: places.reactor.clone(),
        script: None,
        dialect: Dialect::Environment { log_level },
    };
    let built = |name, about, binary: &str, last| Peer {
        name,
        about,
        one_at_a_time: false,
        logs: false,
        program: places.built.join(binary),
        script: None,
        dialect: Dialect::Arguments { last },
    };
    let python = python(&places.built);
    let scripted = |name, about, script: &str, last, one_at_a_time| Peer {
        name,
        about,
        one_at_a_time,
        logs: false,
        program: python.clone(),
        script: Some(places.sources.join(script)),
        dialect: Dialect::Arguments { last },
    };
    let asyncio = "asyncio_echo.py";
    vec![
        reactor(REACTOR, "this project, logging off", "off"),
        reactor(REACTOR_LOGGING, "this project, logging at INFO", "info"),
        built(FLOOR, "C, epoll: the floor", "c-epoll", None),
        built(FLOOR_MORE, "C, epoll: reply and FIN in one segment", "c-epoll", Some("more")),
        built(
            FLOOR_SHUTDOWN,
            "the same, with a shutdown before the close",
            "c-epoll",
            Some("shutdown"),
        ),
        built("tokio", "Rust, tokio current_thread", "tokio-echo", None),
        built("libuv", "C, libuv", "libuv-echo", None),
        built("go", "Go, net package", "go-echo", None),
        scripted("uvloop", "Python, uvloop", asyncio, Some("uvloop"), false),
        scripted("asyncio", "Python, asyncio", asyncio, None, false),
        scripted(PYTHON, "Python, one connection at a time", "blocking_echo.py", None, true),
        Peer {
            logs: true,
            ..scripted(
                PYTHON_LOGGING,
                "the same, logging three lines a message",
                "blocking_echo.py",
                Some("log"),
                true,
            )
        },
    ]
}

/// The interpreter that all Python peers share: that of `venv/`, which has uvloop, or the system's.
fn python(built: &Path) -> PathBuf {
    let own = built.join("venv/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}

impl Peer {
    /// A peer of a test's own: `program script PORT stream|oneshot BACKLOG`.
    #[must_use]
    pub fn scripted(name: &'static str, program: &str, script: &Path) -> Self {
        Self {
            name,
            about: "a test's own",
            one_at_a_time: false,
            logs: false,
            program: PathBuf::from(program),
            script: Some(script.to_path_buf()),
            dialect: Dialect::Arguments { last: None },
        }
    }

    /// Why it can't be measured here, if so.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let program = self.program.display();
        if self.script.is_some() {
            let import = match self.dialect {
                Dialect::Arguments { last: Some("uvloop") } => "import uvloop",
                _ => "",
            };
            let mut python = Command::new(&self.program);
            let works = python.args(["-c", import]).output();
            let works = works.is_ok_and(|output| output.status.success());
            return (!works).then(|| format!("`{program} -c '{import}'` fails"));
        }
        (!self.program.exists()).then(|| format!("{program} is not built"))
    }

    /// The command that starts it on `127.0.0.1:port`.
    #[must_use]
    pub fn command(&self, port: u16, behaviour: Behaviour, limits: Limits) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.args(self.script.as_ref());
        match self.dialect {
            Dialect::Arguments { last } => {
                command.args([port.to_string().as_str(), behaviour.word()]);
                command.arg(limits.backlog.to_string()).args(last);
            }
            Dialect::Environment { log_level } => {
                command.args(["--config", "/dev/null"]);
                command.envs(settings(port, behaviour, limits));
                command.env("RUST_LOG", log_level);
            }
        }
        command
    }
}

/// What a server must be able to hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest listen queue, in connections.
    pub backlog: u32,
    /// Most connections at once.
    pub connections: usize,
}

fn settings(port: u16, behaviour: Behaviour, limits: Limits) -> Vec<(&'static str, OsString)> {
    let messages = match behaviour {
        Behaviour::Stream => "0",
        Behaviour::Oneshot => "1",
    };
    vec![
        ("SERVER_IP", "127.0.0.1".into()),
        ("SERVER_PORT", port.to_string().into()),
        ("SERVER_LISTEN_BACKLOG", limits.backlog.to_string().into()),
        ("SERVER_CONNECTIONS_MAX", limits.connections.to_string().into()),
        ("SERVER_MESSAGES_PER_CONNECTION", messages.into()),
        // On, as in production, but longer than any round: idle connections have to stay.
        ("SERVER_IDLE_TIMEOUT", "1h".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            reactor: "/r/echo-reactor".into(),
            built: "/nowhere/built".into(),
            sources: "/s".into(),
        }
    }

    const LIMITS: Limits = Limits { backlog: 9, connections: 77 };

    fn named(name: &str) -> Peer {
        let found = all(&places()).into_iter().find(|peer| peer.name == name);
        found.expect("a known name")
    }

    fn arguments(command: &Command) -> Vec<&str> {
        command.get_args().map(|arg| arg.to_str().unwrap()).collect()
    }

    #[test]
    fn peers_get_arguments() {
        let command = named("uvloop").command(5, Behaviour::Stream, LIMITS);
        assert_eq!(command.get_program(), "python3");
        let expected = ["/s/asyncio_echo.py", "5", "stream", "9", "uvloop"];
        assert_eq!(arguments(&command), expected);

        let command = named(FLOOR_MORE).command(5, Behaviour::Oneshot, LIMITS);
        assert_eq!(arguments(&command), ["5", "oneshot", "9", "more"]);
    }

    #[test]
    fn the_reactor_gets_an_environment() {
        let command = named(REACTOR_LOGGING).command(5, Behaviour::Oneshot, LIMITS);
        let value = |key: &str| {
            let found = command.get_envs().find(|(name, _)| *name == key);
            found.and_then(|(_, value)| value?.to_str())
        };
        assert_eq!(value("SERVER_PORT"), Some("5"));
        assert_eq!(value("SERVER_MESSAGES_PER_CONNECTION"), Some("1"));
        assert_eq!(value("SERVER_CONNECTIONS_MAX"), Some("77"));
        assert_eq!(value("RUST_LOG"), Some("info"));
    }

    #[test]
    fn what_is_not_there_says_so() {
        let reason = named("go").missing().unwrap();
        assert!(reason.contains("/nowhere/built/go-echo"), "{reason}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all(&places()).iter().map(|peer| peer.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
