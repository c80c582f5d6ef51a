//! What is known of all servers at this moment. Those who watch servers write here, and those who
//! serve the page read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echo_status::Frame;

use crate::history::History;

/// No more servers are watched, whatever the names mean: each takes a thread.
const SERVERS_MAX: usize = 64;
/// How long a server that has gone is shown when no name means its address any more.
const GONE_IS_SHOWN: Duration = Duration::from_secs(60);

/// The board that all threads share.
#[derive(Debug)]
pub struct Board {
    known: Mutex<Known>,
    changed: Condvar,
}

/// What stands on the board.
#[derive(Debug, Default)]
pub struct Known {
    /// The names of the setting, in its order.
    pub names: Vec<Name>,
    /// The servers by the address of their status port.
    pub servers: BTreeMap<SocketAddr, Server>,
    /// Grows with every change.
    pub changes: u64,
}

/// A name of the setting.
#[derive(Debug)]
pub struct Name {
    /// As it is written.
    pub text: String,
    /// Why its servers are not watched, or not all of them.
    pub problem: Option<String>,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// The name by which it was found.
    pub name: String,
    /// The names, by their place in the setting, that mean its address now.
    found_by: BTreeSet<usize>,
    /// How it is reached.
    pub link: Link,
    /// What it has told.
    pub history: History,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has not answered yet.
    Connecting,
    /// It tells of itself.
    Watching,
    /// It is connected, and says nothing: it is stopped, paused, or out of reach.
    Silent {
        /// Since when.
        since: Instant,
    },
    /// There is no connection.
    Gone {
        /// Since when.
        since: Instant,
        /// In the words of the system.
        why: String,
    },
}

impl Board {
    /// A board on which nothing stands but the names.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Board {
        let names = names.into_iter().map(|text| Name { text, problem: None }).collect();
        Board { known: Mutex::new(Known { names, ..Known::default() }), changed: Condvar::new() }
    }

    /// What stands there now. Nothing changes until the guard is dropped.
    pub fn read(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are more changes than `seen`, for at most `patience`.
    pub fn wait_for_change(&self, seen: u64, patience: Duration) {
        let is_old = |known: &mut Known| known.changes == seen;
        drop(self.changed.wait_timeout_while(self.read(), patience, is_old));
    }

    /// Takes note of what a name means. Returns the addresses that nobody watches yet.
    pub fn found(
        &self,
        name: usize,
        addresses: Result<Vec<SocketAddr>, String>,
    ) -> Vec<SocketAddr> {
        self.write(|known| known.found(name, addresses))
    }

    /// Takes note of a frame.
    pub fn told(&self, address: SocketAddr, frame: Frame) {
        self.of_server(address, |server| {
            server.link = Link::Watching;
            server.history.add(frame);
        });
    }

    /// Takes note that a connected server says nothing.
    pub fn silent(&self, address: SocketAddr) {
        let since = Instant::now();
        self.of_server(address, |server| {
            if !matches!(server.link, Link::Silent { .. }) {
                server.link = Link::Silent { since };
            }
        });
    }

    /// Takes note that there is no connection. Returns whether the server is to be watched any longer.
    pub fn gone(&self, address: SocketAddr, why: String) -> bool {
        let now = Instant::now();
        self.write(|known| known.gone(address, now, why))
    }

    fn of_server(&self, address: SocketAddr, change: impl FnOnce(&mut Server)) {
        self.write(|known| {
            if let Some(server) = known.servers.get_mut(&address) {
                change(server);
            }
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.read();
        known.changes += 1;
        let result = change(&mut known);
        drop(known);
        self.changed.notify_all();
        result
    }
}

impl Known {
    fn found(
        &mut self,
        name: usize,
        addresses: Result<Vec<SocketAddr>, String>,
    ) -> Vec<SocketAddr> {
        let (addresses, mut problem) = match addresses {
            Ok(addresses) => (addresses, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        for server in self.servers.values_mut() {
            server.found_by.remove(&name);
        }
        let mut unwatched = Vec::new();
        for address in addresses {
            if let Some(server) = self.servers.get_mut(&address) {
                server.found_by.insert(name);
            } else if self.servers.len() < SERVERS_MAX {
                let server = Server::new(self.names[name].text.clone(), name);
                self.servers.insert(address, server);
                unwatched.push(address);
            } else {
                problem = Some(format!("more than {SERVERS_MAX} servers are not watched"));
            }
        }
        self.names[name].problem = problem;
        unwatched
    }

    fn gone(&mut self, address: SocketAddr, now: Instant, why: String) -> bool {
        let Some(server) = self.servers.get_mut(&address) else { return false };
        let since = match server.link {
            Link::Gone { since, .. } => since,
            _ => now,
        };
        if server.found_by.is_empty() && now.duration_since(since) >= GONE_IS_SHOWN {
            self.servers.remove(&address);
            return false;
        }
        server.link = Link::Gone { since, why };
        true
    }
}

impl Server {
    fn new(name_text: String, name: usize) -> Server {
        let found_by = BTreeSet::from([name]);
        Server { name: name_text, found_by, link: Link::Connecting, history: History::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> SocketAddr {
        ([127, 0, 0, 1], number).into()
    }

    fn board() -> Board {
        Board::new(["a:1".to_owned(), "b:1".to_owned()])
    }

    #[test]
    fn an_address_is_watched_once_whatever_names_mean_it() {
        let board = board();
        assert_eq!(board.found(0, Ok(vec![address(1), address(2)])), [address(1), address(2)]);
        assert_eq!(board.found(1, Ok(vec![address(2), address(3)])), [address(3)]);
        assert_eq!(board.found(0, Ok(vec![address(1), address(2)])), []);
        assert_eq!(board.read().servers[&address(2)].name, "a:1");
    }

    #[test]
    fn a_lookup_that_fails_is_a_problem_of_the_name_alone() {
        let board = board();
        board.found(0, Ok(vec![address(1)]));
        assert_eq!(board.found(0, Err("no such name".to_owned())), []);
        let known = board.read();
        assert_eq!(known.names[0].problem.as_deref(), Some("no such name"));
        assert_eq!(known.names[1].problem, None);
        assert!(known.servers.contains_key(&address(1)));
    }

    #[test]
    fn there_is_a_limit_to_the_servers() {
        let board = board();
        let found = board.found(0, Ok((1..=100).map(address).collect()));
        assert_eq!(found.len(), SERVERS_MAX);
        assert!(board.read().names[0].problem.is_some());
    }

    #[test]
    fn a_server_that_has_gone_stays_while_a_name_means_it_and_a_minute_longer() {
        let mut known = Known {
            names: vec![Name { text: "a:1".to_owned(), problem: None }],
            ..Known::default()
        };
        known.found(0, Ok(vec![address(1)]));
        let start = Instant::now();
        let long_after = start + 2 * GONE_IS_SHOWN;
        let why = || "refused".to_owned();
        assert!(known.gone(address(1), start, why()));
        assert!(known.gone(address(1), long_after, why()));
        let gone = Link::Gone { since: start, why: why() };
        assert_eq!(known.servers[&address(1)].link, gone);
        known.found(0, Ok(Vec::new()));
        assert!(known.gone(address(1), start + GONE_IS_SHOWN / 2, why()));
        assert!(!known.gone(address(1), long_after, why()));
        assert!(known.servers.is_empty());
        assert_eq!(known.found(0, Ok(vec![address(1)])), [address(1)]);
    }

    #[test]
    fn silence_lasts_from_its_beginning() {
        let board = board();
        board.found(0, Ok(vec![address(1)]));
        board.silent(address(1));
        let silent = board.read().servers[&address(1)].link.clone();
        assert!(matches!(silent, Link::Silent { .. }));
        board.silent(address(1));
        assert_eq!(board.read().servers[&address(1)].link, silent);
        board.silent(address(9));
        assert!(!board.read().servers.contains_key(&address(9)));
    }

    #[test]
    fn a_reader_sees_a_change_that_came_before_it_waited() {
        let board = board();
        let seen = board.read().changes;
        board.found(0, Ok(Vec::new()));
        // Would take an hour otherwise.
        board.wait_for_change(seen, Duration::from_secs(3600));
    }
}
