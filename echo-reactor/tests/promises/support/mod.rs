//! What the tests are made of: a server process, the peers that talk to it, and ways to look at both
//! from outside.

pub(crate) mod command;
pub(crate) mod log_lines;
pub(crate) mod peer;
pub(crate) mod proc;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod sockets;
pub(crate) mod stuck_peer;
pub(crate) mod wait;
