//! The log of a process, gathered while it runs.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::wait::PATIENCE;

/// How many lines a failing test shows, and how much of each.
const SHOWN_LINES: usize = 40;
const SHOWN_BYTES: usize = 160;

/// The lines of a log, and the thread that reads them.
pub struct LogLines {
    lines: Arc<Lines>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Lines {
    /// As bytes: what the log contains is for the tests to judge.
    lines: Mutex<Vec<Vec<u8>>>,
    grown: Condvar,
}

impl LogLines {
    /// Reads the log from `source` to its end.
    pub fn gather(source: impl Read + Send + 'static) -> LogLines {
        let lines = Arc::new(Lines::default());
        let shared = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                shared.lines.lock().unwrap().push(line.expect("a log can be read"));
                shared.grown.notify_all();
            }
        });
        LogLines { lines, reader }
    }

    /// Waits for a line that contains `text`, and returns it.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_count(text, 1).remove(0)
    }

    /// Waits for `count` lines that contain `text`, and returns all such lines.
    pub fn wait_for_count(&self, text: &str, count: usize) -> Vec<String> {
        let too_few = |lines: &mut Vec<Vec<u8>>| matching(lines, text).len() < count;
        let lines = self.lines.lines.lock().unwrap();
        let (lines, waited) =
            self.lines.grown.wait_timeout_while(lines, PATIENCE.limit, too_few).unwrap();
        assert!(!waited.timed_out(), "no {count} lines with {text:?} in\n{}", last(&lines));
        matching(&lines, text)
    }

    /// All lines so far that contain `text`.
    pub fn containing(&self, text: &str) -> Vec<String> {
        matching(&self.lines.lines.lock().unwrap(), text)
    }

    /// The whole log, once its writer has closed it.
    pub fn whole(self) -> Log {
        self.reader.join().expect("a log can be read");
        Log(std::mem::take(&mut self.lines.lines.lock().unwrap()))
    }
}

/// The log of a process that has ended.
pub struct Log(pub Vec<Vec<u8>>);

impl Log {
    /// All lines that contain `text`.
    pub fn containing(&self, text: &str) -> Vec<String> {
        matching(&self.0, text)
    }

    /// How many lines contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.containing(text).len()
    }

    /// Panics unless a line contains `text`.
    pub fn assert_contains(&self, text: &str) {
        assert!(self.count(text) > 0, "no line with {text:?} in\n{}", last(&self.0));
    }

    /// Panics if a line contains `text`.
    pub fn assert_lacks(&self, text: &str) {
        assert!(self.count(text) == 0, "a line with {text:?} in\n{}", last(&self.0));
    }

    /// Panics unless every connection that was accepted was closed, once.
    pub fn assert_every_connection_closed_once(&self) {
        let accepted = self.peers("Got connection from ");
        let closed = self.peers("Connection ");
        assert_eq!(accepted, closed, "accepted and closed differ in\n{}", last(&self.0));
    }

    /// Every `('ip', port)` that stands behind `event` where a line's text begins.
    fn peers(&self, event: &str) -> Vec<String> {
        let texts = self.0.iter().map(|line| String::from_utf8_lossy(text(line)));
        let mut peers: Vec<String> = texts
            .filter_map(|text| {
                let peer = text.strip_prefix(event)?;
                peer.starts_with("('")
                    .then(|| peer.split_inclusive(')').next().map(str::to_owned))?
            })
            .collect();
        peers.sort();
        peers
    }
}

/// The text of a line, behind time and level.
pub fn text(line: &[u8]) -> &[u8] {
    const COLUMN: usize = "2020-04-10 23:10:54 INFO     ".len();
    line.get(COLUMN..).unwrap_or_default()
}

fn matching(lines: &[Vec<u8>], text: &str) -> Vec<String> {
    let lines = lines.iter().map(|line| String::from_utf8_lossy(line));
    lines.filter(|line| line.contains(text)).map(String::from).collect()
}

fn last(lines: &[Vec<u8>]) -> String {
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    lines[skipped..].iter().fold(format!("(… {skipped} lines)\n"), |mut text, line| {
        let _ = writeln!(text, "{}", line[..line.len().min(SHOWN_BYTES)].escape_ascii());
        text
    })
}
