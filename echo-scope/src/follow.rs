//! What a browser gets that follows a connection: its steps, as the server tells them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use echo_status::{Lines, Request, Step, StepLine};

use crate::http::Events;
use crate::watch::is_timeout;

/// After so long without a step the browser is asked whether it is still there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has the server follow its next connection, and sends each step, until the connection is closed or
/// the browser has gone.
///
/// # Errors
/// The browser has gone, or does not read.
pub fn send(events: &mut Events, server: SocketAddr) -> io::Result<()> {
    let mut lines = match Lines::ask(server, Request::Follow, PATIENCE) {
        Ok(lines) => lines,
        Err(error) => return events.send("problem", &one_line(&error.to_string())),
    };
    loop {
        match lines.next_step() {
            Ok(Some(line)) => {
                events.send("step", &json(&line)?)?;
                if matches!(line.step, Step::Closed { .. }) {
                    return Ok(());
                }
            }
            Ok(None) => return events.send("problem", "the server has ended the report"),
            Err(error) if is_timeout(&error) => events.keep_alive()?,
            Err(error) => return events.send("problem", &one_line(&error.to_string())),
        }
    }
}

fn json(line: &StepLine) -> io::Result<String> {
    Ok(serde_json::to_string(line)?)
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
