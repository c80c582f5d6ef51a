//! The real client against small servers that the tests write themselves.

mod addresses;
mod client;
mod command_line;
mod faults;
mod json;
mod rounds;
mod signals;
