//! The log of a process: gathered while it runs, and searched for lines.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::wait::PATIENCE;

/// How many lines a failing test shows, and how much of each.
const SHOWN_LINES: usize = 40;
const SHOWN_BYTES: usize = 160;

/// A log that grows, and the thread that reads it.
pub struct LogLines {
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    grown: Condvar,
}

impl LogLines {
    /// Reads the log from `source` to its end.
    pub fn gather(source: impl Read + Send + 'static) -> LogLines {
        let shared = Arc::<Shared>::default();
        let reader = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for line in BufReader::new(source).split(b'\n') {
                    shared.log.lock().unwrap().0.push(line.expect("a log can be read"));
                    shared.grown.notify_all();
                }
            }
        });
        LogLines { shared, reader }
    }

    /// Waits for a line that contains `text`, and returns the first one.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_count(text, 1).remove(0)
    }

    /// Waits for `count` lines that contain `text`, and returns all such lines.
    pub fn wait_for_count(&self, text: &str, count: usize) -> Vec<String> {
        let Shared { log, grown } = &*self.shared;
        let too_few = |log: &mut Log| log.count(text) < count;
        let log = log.lock().unwrap();
        let (log, waited) = grown.wait_timeout_while(log, PATIENCE.limit, too_few).unwrap();
        assert!(!waited.timed_out(), "no {count} lines with {text:?} in\n{log}");
        log.containing(text)
    }

    /// All lines so far that contain `text`.
    pub fn containing(&self, text: &str) -> Vec<String> {
        self.shared.log.lock().unwrap().containing(text)
    }

    /// The whole log, once its writer has closed it.
    pub fn whole(self) -> Log {
        self.reader.join().expect("a log can be read");
        std::mem::take(&mut *self.shared.log.lock().unwrap())
    }

    /// The log that ends with a line that contains `text`. Not every source tells of its end.
    pub fn whole_with(self, text: &str) -> Log {
        self.wait_for(text);
        std::mem::take(&mut *self.shared.log.lock().unwrap())
    }
}

/// The lines of a log, as bytes: a test may want to see what is no text.
#[derive(Default)]
pub struct Log(pub Vec<Vec<u8>>);

impl Log {
    pub fn of(text: &str) -> Log {
        Log(text.lines().map(Vec::from).collect())
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|line| String::from_utf8_lossy(line).into_owned())
    }

    /// The lines without time and level.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|line| String::from_utf8_lossy(text(line)).into_owned()).collect()
    }

    /// The lines of a log of JSON; panics unless each of them is an object.
    pub fn objects(&self) -> Vec<Value> {
        let object = |line: &Vec<u8>| match serde_json::from_slice::<Value>(line) {
            Ok(object) if object.is_object() => object,
            _ => panic!("no JSON object: {}", line.escape_ascii()),
        };
        self.0.iter().map(object).collect()
    }

    pub fn containing(&self, text: &str) -> Vec<String> {
        self.lines().filter(|line| line.contains(text)).collect()
    }

    pub fn count(&self, text: &str) -> usize {
        self.containing(text).len()
    }

    /// The sum of the numbers at the beginning of all lines that contain `text`.
    pub fn sum(&self, text: &str) -> usize {
        let texts = self.texts().into_iter().filter(|line| line.contains(text));
        let number = |line: &str| line.split(' ').next()?.parse::<usize>().ok();
        texts.map(|line| number(&line).unwrap_or_else(|| panic!("no number in {line}"))).sum()
    }

    /// Panics unless a line contains `text`.
    pub fn assert_contains(&self, text: &str) {
        assert!(self.count(text) > 0, "no line with {text:?} in\n{self}");
    }

    /// Panics if a line contains `text`.
    pub fn assert_lacks(&self, text: &str) {
        assert!(self.count(text) == 0, "a line with {text:?} in\n{self}");
    }

    /// Panics unless the last line contains all of `parts`.
    pub fn assert_ends_with(&self, parts: &[&str]) {
        let last = self.lines().last().unwrap_or_default();
        for part in parts {
            assert!(last.contains(part), "{part:?} is not in the last line of\n{self}");
        }
    }

    /// Panics unless every connection that was accepted was closed, once. A log of JSON is left to
    /// [`Log::objects`].
    pub fn assert_every_connection_closed_once(&self) {
        let accepted = self.peers("Got connection from ");
        let closed = self.peers("Connection ");
        assert_eq!(accepted, closed, "accepted and closed differ in\n{self}");
    }

    /// The `('ip', port)` of every line whose text begins with `event`.
    fn peers(&self, event: &str) -> Vec<String> {
        let peer_of = |text: String| {
            let (peer, _) = text.strip_prefix(event)?.strip_prefix("('")?.split_once(')')?;
            Some(peer.to_owned())
        };
        let mut peers: Vec<String> = self.texts().into_iter().filter_map(peer_of).collect();
        peers.sort();
        peers
    }
}

/// The last lines, as a failing test shows them.
impl fmt::Display for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let skipped = self.0.len().saturating_sub(SHOWN_LINES);
        writeln!(formatter, "(… {skipped} lines)")?;
        self.0[skipped..].iter().try_for_each(|line| {
            writeln!(formatter, "{}", line[..line.len().min(SHOWN_BYTES)].escape_ascii())
        })
    }
}

/// The text of a line, without time and level.
pub fn text(line: &[u8]) -> &[u8] {
    const COLUMN: usize = "2020-04-10 23:10:54 INFO     ".len();
    line.get(COLUMN..).unwrap_or_default()
}
