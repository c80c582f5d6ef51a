//! A server with a status port, those who look at it, and a port that only looks like one.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use echo_harness::child::OwnedChild;
use echo_harness::command::{program, without_settings};
use echo_harness::log_lines::LogLines;
use echo_harness::ports::free_address;
use echo_harness::server::{Server, Setup};
use echo_harness::wait::PATIENCE;

/// How a server is started that can be watched at this address.
pub(crate) fn watched(status: SocketAddr) -> Setup {
    Setup::new().set("status", status)
}

/// A running server, and the address of its status port.
pub(crate) fn serve() -> (Server, SocketAddr) {
    let status = free_address();
    (watched(status).start(), status)
}

/// The program that looks at the server at this address.
pub(crate) fn look(status: &impl ToString, switches: &[&str]) -> Command {
    let mut command = without_settings(program("echo-reactor"));
    command.args(["--config", "/dev/null", "--status", &status.to_string()]).args(switches);
    // Those of whoever runs the tests count for nothing.
    command.env_remove("NO_COLOR");
    command
}

/// A port that answers every visitor like this, once it has said its word.
pub(crate) fn port_that(answer: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for visitor in listener.incoming() {
            let mut visitor = visitor.expect("a connection");
            let mut word = String::new();
            if BufReader::new(&visitor).read_line(&mut word).is_ok() {
                answer(&mut visitor);
            }
        }
    });
    address
}

/// A port that says this and ends.
pub(crate) fn port_that_says(text: &'static str) -> SocketAddr {
    port_that(move |visitor| {
        let _ = visitor.write_all(text.as_bytes());
    })
}

/// A program whose output is gathered.
pub(crate) struct Reading {
    pub(crate) child: OwnedChild,
    pub(crate) lines: LogLines,
}

impl Reading {
    pub(crate) fn start(command: &mut Command) -> Reading {
        let mut child = OwnedChild::spawn(command.stdout(Stdio::piped())).expect("it can start");
        let lines = LogLines::gather(child.stdout().expect("a pipe"));
        Reading { child, lines }
    }

    /// Waits for its end, and returns its exit code and its lines.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait(PATIENCE).expect("it ends").code();
        let lines = self.lines.whole().containing("");
        (code, lines)
    }
}
