//! What the server promises, tested on the real program from outside: a process, its sockets, its
//! signals, its log. `docs/promises.md` lists each promise with its test.
//!
//! Every test starts a server of its own on a free port, and waits for conditions, never for a fixed
//! time. What is needed for that is in `echo-harness`.

mod delay;
mod drain;
mod drill;
mod floods;
mod hostile;
mod json;
mod limits;
mod log;
mod log_outlet;
mod memory;
mod protocol;
mod start;
mod status;
mod system;
