//! The echo client: a plain blocking program. It shares no protocol code with the server, so that
//! it can judge the server.
//!
//! Reading order:
//!
//! 1. [`config`]: what can be set
//! 2. [`main_loop`]: the rounds, one for each message
//! 3. [`round`]: connect, send, read the reply, check it, close
//! 4. [`retry`]: when a message without a reply is sent again
//! 5. [`stop`]: how a signal reaches a blocked thread
//! 6. [`supervisor`]: the two threads, and the exit code
//! 7. [`log_events`]: every line that the client can print
//!
//! # Who knows whom
//!
//! Each module uses only the modules behind its colon, all of them below it. A test checks this.
//!
//! ```text
//! supervisor: config, log_events, main_loop, round, stop
//! main_loop: config, log_events, retry, round, stop
//! round: config, log_events, stop
//! log_events: config
//! config:
//! retry:
//! stop:
//! ```

#![warn(missing_docs)]

pub mod config;
pub mod log_events;
pub mod main_loop;
pub mod retry;
pub mod round;
pub mod stop;
pub mod supervisor;
