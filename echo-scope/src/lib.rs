//! A page that shows what echo servers are doing, turn by turn, and their numbers for Prometheus.
//!
//! It reads the status ports of the servers, as `echo-reactor --watch` does, and knows nothing of them
//! but what they tell there. Unlike the server it is a plain program of blocking threads: one for each
//! name that is looked up, one for each server that is watched, one for each browser's connection.
//!
//! Reading order:
//!
//! 1. [`config`]: what can be set
//! 2. [`supervisor`]: the start, and the way out at a signal
//! 3. [`watch`]: looks up names and reads what servers tell
//! 4. [`board`]: what is known of all servers; [`history`]: what one has told
//! 5. [`site`]: listens for browsers; [`http`]: a request and a response
//! 6. [`page`], [`events`], [`follow`], [`metrics`]: what a browser or Prometheus gets
//! 7. [`once`]: one look at all servers, as text
//! 8. [`log_events`]: every line that the program can print
//!
//! The page itself is in `page/`: `page.js` gives its reading order.
//!
//! # Who knows whom
//!
//! Each module uses only the modules behind its colon, all of them below it. A test checks this.
//!
//! ```text
//! supervisor: board, config, log_events, site, threads, watch
//! site: board, events, follow, http, log_events, metrics, page, places, threads
//! follow: http, watch
//! once: config, watch
//! watch: board, config, log_events, threads
//! events: board, http
//! metrics: board
//! page: http
//! board: history
//! history:
//! config:
//! http:
//! log_events:
//! places:
//! threads:
//! ```

#![warn(missing_docs)]

pub mod board;
pub mod config;
pub mod events;
pub mod follow;
pub mod history;
pub mod http;
pub mod log_events;
pub mod metrics;
pub mod once;
pub mod page;
pub mod places;
#[cfg(test)]
mod sample;
pub mod site;
pub mod supervisor;
pub mod threads;
pub mod watch;
