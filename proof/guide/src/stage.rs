//! Where most lessons are played: a server under `strace`, and everything that happens in the order of time.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echo_harness::command::is_available;
use echo_harness::scratch::ScratchFile;
use echo_harness::server::{Server, Setup};
use echo_harness::wait;

use crate::brief::brief;

/// The calls that serve connections.
const CALLS: &str = "trace=epoll_wait,epoll_ctl,accept4,recvfrom,sendto,shutdown,close,setsockopt";

/// How many lines of one scene are shown at most: an act, and the calls that follow it.
const SHOWN_FIRST: usize = 12;
const SHOWN_LAST: usize = 4;

/// A server under `strace`.
pub(crate) struct Stage {
    pub(crate) server: Server,
    trace: ScratchFile,
    /// What peers have done, and when.
    acts: Vec<Happening>,
}

struct Happening {
    /// Since 1970.
    at: Duration,
    who: &'static str,
    what: String,
}

impl Stage {
    /// Starts the server, without a log. Its calls are shown from the first act on.
    pub(crate) fn open(setup: Setup) -> io::Result<Stage> {
        if !is_available(&["strace", "-o", "/dev/null", "true"]) {
            return Err(io::Error::other(
                "this lesson needs strace, which is not installed or not allowed here",
            ));
        }
        let trace = ScratchFile::new("trace", "");
        // With -D the server, not strace, is the process that was started.
        let strace =
            ["strace", "-D", "-q", "-ttt", "-T", "-s", "14", "-e", "signal=none", "-e", CALLS];
        let server = setup.under(&[&strace[..], &["-o", trace.path()]].concat()).start_silent();
        Ok(Stage { server, trace, acts: Vec::new() })
    }

    /// Takes note of what a peer does next.
    pub(crate) fn act(&mut self, what: impl Into<String>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.acts.push(Happening { at, who: "peer", what: what.into() });
    }

    /// Waits until the server is asleep again.
    pub(crate) fn rest(&self) {
        self.server.wait_until_quiet();
    }

    /// Ends the server, and returns what has happened since the first act, up to the last one.
    pub(crate) fn close(mut self) -> Picture {
        self.act("");
        let last = self.acts.pop().map_or(Duration::ZERO, |act| act.at);
        let first = self.acts.first().map_or(Duration::ZERO, |act| act.at);
        self.server.terminate();
        let calls = wait::until_some("the whole trace", || calls(self.trace.as_ref()));
        let is_shown = |call: &Happening| first <= call.at && call.at <= last;
        let mut happenings = self.acts;
        happenings.extend(calls.into_iter().filter(is_shown));
        happenings.sort_by_key(|happening| happening.at);
        Picture { first, happenings }
    }
}

/// What `strace` has written, once the server has ended.
fn calls(trace: &Path) -> Option<Vec<Happening>> {
    let text = fs::read_to_string(trace).ok()?;
    text.contains("+++ exited").then(|| text.lines().filter_map(call).collect())
}

/// `1764177600.123456 recvfrom(9, "hola\n", 16384, 0, NULL, NULL) = 5 <0.000020>`: it began at that time, and took
/// so long. What it returns is known at its end.
fn call(line: &str) -> Option<Happening> {
    let (began, rest) = line.split_once(' ')?;
    let (call, took) = rest.strip_suffix('>')?.rsplit_once(" <")?;
    let [began, took] = [began, took].map(|seconds| seconds.parse().ok());
    let at = Duration::from_secs_f64(began?) + Duration::from_secs_f64(took?);
    Some(Happening { at, who: "server", what: brief(call) })
}

/// What has happened, in the order of time.
pub(crate) struct Picture {
    first: Duration,
    happenings: Vec<Happening>,
}

impl Picture {
    /// The names of the server's calls.
    pub(crate) fn calls(&self) -> Vec<&str> {
        let calls = self.happenings.iter().filter(|happening| happening.who == "server");
        calls.map(|call| call.what.split('(').next().unwrap_or_default()).collect()
    }

    /// One line for each act of a peer and for each call. Of many calls between two acts, the middle is left out.
    pub(crate) fn show(&self) -> String {
        let is_act = |happening: &Happening| happening.who == "peer";
        let mut text = String::new();
        for scene in self.happenings.chunk_by(|_, next| !is_act(next)) {
            let hidden = scene.len().saturating_sub(SHOWN_FIRST + SHOWN_LAST);
            for (number, happening) in scene.iter().enumerate() {
                if hidden > 1 && number == SHOWN_FIRST {
                    let _ = writeln!(text, "        …            {hidden} calls more");
                }
                if hidden <= 1 || number < SHOWN_FIRST || number >= SHOWN_FIRST + hidden {
                    let _ = writeln!(text, "{}", self.line(happening));
                }
            }
        }
        text
    }

    fn line(&self, Happening { at, who, what }: &Happening) -> String {
        let millis = at.saturating_sub(self.first).as_secs_f64() * 1000.0;
        format!("{millis:8.1} ms  {who:<6}  {what}")
    }
}
