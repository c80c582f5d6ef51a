//! A browser without a picture: it gets a path, or reads events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use echo_harness::wait::PATIENCE;
use serde_json::Value;

/// What came for a request.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Gets a path.
pub(crate) fn get(port: u16, path: &str) -> Reply {
    exchange(port, format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
}

/// Sends a request and reads the answer to its end.
pub(crate) fn exchange(port: u16, request: impl AsRef<[u8]>) -> Reply {
    let mut socket = connect(port);
    socket.write_all(request.as_ref()).expect("the program takes a request");
    reply(socket)
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the program listens");
    socket.set_read_timeout(Some(PATIENCE.limit)).expect("a timeout");
    socket
}

/// Reads an answer to its end.
pub(crate) fn reply(mut socket: TcpStream) -> Reply {
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer in text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Reply { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
}

impl Reply {
    pub(crate) fn has_header(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}

/// A stream of events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Panics unless the answer is a stream.
    pub(crate) fn open(port: u16, path: &str) -> Events {
        Events::try_open(port, path).unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// The status line, if the answer is no stream.
    pub(crate) fn try_open(port: u16, path: &str) -> Result<Events, String> {
        let mut socket = connect(port);
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the program takes a request");
        let mut events = Events(BufReader::new(socket));
        let status = events.line();
        if !status.starts_with("HTTP/1.1 200 ") {
            return Err(status);
        }
        let mut is_stream = false;
        loop {
            match events.line().as_str() {
                "" => break,
                header => is_stream |= header == "Content-Type: text/event-stream",
            }
        }
        if is_stream { Ok(events) } else { Err(status) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next event: its name and its data. `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(String, String)> {
        let (mut event, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("data", text)) => text.clone_into(&mut data),
                _ if !event.is_empty() => return Some((event, data)),
                // A comment and the empty line behind it.
                _ => {}
            }
        }
    }

    /// Reads states until `look` finds something in one.
    pub(crate) fn until_some<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        let start = std::time::Instant::now();
        loop {
            let (event, data) = self.next().unwrap_or_else(|| panic!("an end before {what}"));
            assert_eq!(event, "state", "{data}");
            let state: Value = serde_json::from_str(&data).expect("JSON");
            if let Some(found) = look(&state) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE.limit, "never saw {what}; the last state: {data}");
        }
    }

    /// Reads states until `condition` holds.
    pub(crate) fn until(&mut self, what: &str, mut condition: impl FnMut(&Value) -> bool) {
        self.until_some(what, |state| condition(state).then_some(()));
    }
}
