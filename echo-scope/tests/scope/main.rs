//! The real program between servers that the tests play, and browsers, real or played.

mod browser;
mod command_line;
mod fake;
mod follow;
mod http;
mod metrics;
mod once;
mod page;
mod reader;
mod real;
mod scope;
mod servers;
mod signals;
