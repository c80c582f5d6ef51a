//! The descriptor limit, which has to allow `connections_max` connections.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::acceptor::ACCEPTS_PER_TURN;
use crate::source::WATCHERS;

/// Descriptors besides the open connections: the standard streams, epoll, the listeners, the signals,
/// the log, the watchers, and the connections that were closed in this turn but not reaped yet.
const RESERVE: usize = 16 + WATCHERS + ACCEPTS_PER_TURN;

/// Raises the soft limit to what `connections_max` connections need, as far as the hard limit
/// allows (`getrlimit(2)`).
pub fn make_room(connections_max: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = needed(connections_max).min(limit.maximum.unwrap_or(u64::MAX));
    if limit.current.is_some_and(|soft| soft < wanted) {
        limit.current = Some(wanted);
        // To raise the soft limit up to the hard one needs no privilege.
        let raised = setrlimit(Resource::Nofile, limit);
        debug_assert_eq!(raised, Ok(()));
    }
}

/// A warning, if the hard limit allows fewer than `connections_max` connections.
#[must_use]
pub fn shortage(connections_max: usize) -> Option<String> {
    let limit = getrlimit(Resource::Nofile).maximum?;
    let possible = limit.saturating_sub(RESERVE as u64);
    (limit < needed(connections_max)).then(|| {
        format!(
            "The descriptor limit of {limit} allows about {possible} connections, not \
             connections_max = {connections_max}: raise it (ulimit -n, or ulimits.nofile in compose)"
        )
    })
}

fn needed(connections_max: usize) -> u64 {
    (connections_max + RESERVE) as u64
}
