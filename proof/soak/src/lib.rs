//! The endurance run of echo-reactor: mixed load, faults and restarts at once, for as long as one
//! likes.
//!
//! Reading order: [`director`] goes through the run, [`faults`] says what befalls the server's
//! process, [`server`] is that process and [`server_log`] what it tells. In a thread of its own,
//! [`load`] holds the conversations: [`script`] says what each kind of peer does, [`talk`] is one
//! connection. [`board`] is where the two meet. What was seen is a [`record`]; [`flat`] judges it,
//! [`picture`] and [`summary`] show it.

pub mod arguments;
pub mod board;
pub mod director;
pub mod faults;
pub mod flat;
pub mod load;
pub mod picture;
pub mod record;
pub mod script;
pub mod server;
pub mod server_log;
pub mod summary;
pub mod talk;
