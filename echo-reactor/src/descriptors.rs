//! The descriptor limit, without which `connections_max` is only a wish.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::acceptor::ACCEPTS_PER_TURN;

/// Descriptors beside the open connections: the standard streams, epoll, the listener, the signals,
/// the log, and the connections that were closed in this turn but not reaped yet.
const RESERVE: usize = 16 + ACCEPTS_PER_TURN;

/// Fewer connections are possible than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many connections fit.
    pub possible: usize,
    /// The hard limit, in descriptors.
    pub limit: u64,
}

/// Raises the soft limit to what `connections_max` connections need, as far as the hard limit
/// allows (`getrlimit(2)`).
///
/// # Errors
/// The hard limit is too low; all that it allows has been taken.
pub fn make_room(connections_max: usize) -> Result<(), Shortage> {
    let needed = (connections_max + RESERVE) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let wanted = needed.min(hard);
    if limit.current.is_some_and(|soft| soft < wanted) {
        limit.current = Some(wanted);
        // To raise the soft limit up to the hard one needs no privilege.
        let raised = setrlimit(Resource::Nofile, limit);
        debug_assert_eq!(raised, Ok(()));
    }
    if hard < needed {
        let possible = usize::try_from(hard).unwrap_or(usize::MAX).saturating_sub(RESERVE);
        return Err(Shortage { possible, limit: hard });
    }
    Ok(())
}
