//! One look at all servers, as text: for scripts, and for whoever has no browser at hand.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use echo_status::{Frame, Lines, Phase, Request, VERSION};

use crate::config::Servers;
use crate::watch::{addresses_of, is_timeout, of_other_version, why_gone};

/// How long a server may take to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// What all servers told.
#[derive(Debug)]
pub struct Look {
    rows: Vec<Row>,
}

/// What one server told, or why it told nothing. A name that leads nowhere has a row too.
#[derive(Debug)]
struct Row {
    name: String,
    told: Result<Box<Frame>, String>,
}

/// Asks all servers at once.
#[must_use]
pub fn look(servers: &Servers) -> Look {
    let mut rows = Vec::new();
    let mut asked = Vec::new();
    for server in servers.iter() {
        match addresses_of(server) {
            Ok(addresses) => asked.extend(addresses),
            Err(why) => rows.push(Row { name: server.to_string(), told: Err(why) }),
        }
    }
    rows.extend(thread::scope(|scope| {
        let ask = |address| scope.spawn(move || ask(address));
        let asking: Vec<_> = asked.iter().copied().map(ask).collect();
        let told = asking
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let row = |(address, told): (&SocketAddr, _)| Row { name: address.to_string(), told };
        asked.iter().zip(told).map(row).collect::<Vec<Row>>()
    }));
    Look { rows }
}

fn ask(address: SocketAddr) -> Result<Box<Frame>, String> {
    let frame = Lines::ask(address, Request::Once, PATIENCE).and_then(|mut lines| {
        let frame = lines.next_frame()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if frame.version == VERSION { Ok(frame) } else { Err(of_other_version(frame.version)) }
    });
    frame.map(Box::new).map_err(|error| match error {
        error if is_timeout(&error) => format!("no answer within {} s", PATIENCE.as_secs()),
        error => why_gone(&error),
    })
}

impl Look {
    /// Whether every server has told how it is, and there is one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.told.is_ok())
    }
}

/// A line for each server, and the sum of all.
impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for Row { name, told } in &self.rows {
            match told {
                Ok(frame) => writeln!(
                    f,
                    "{name:width$}  {:8}  {:>6} open  {:>10} messages answered",
                    word(frame.phase),
                    frame.open.total,
                    frame.tally.messages
                )?,
                Err(why) => writeln!(f, "{name:width$}  {why}")?,
            }
        }
        let frames = self.rows.iter().filter_map(|row| row.told.as_ref().ok());
        let count = frames.clone().count();
        let messages: u64 = frames.map(|frame| frame.tally.messages).sum();
        let plural = if count == 1 { "" } else { "s" };
        writeln!(f, "{messages} messages answered by {count} server{plural}")
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Leaving => "leaving",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
    }
}
