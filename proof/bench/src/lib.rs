//! The benchmark of echo-reactor beside its peers.
//!
//! Reading order: [`plan`] says what is measured, [`runner`] goes through it, [`jobs`] does one
//! measurement with one server, [`workload`] holds the ways of loading it. [`results`] is what comes
//! out; [`statistics`], [`targets`], [`table`], [`plot`] and [`report`] make something of it.
//!
//! The measure that counts is the server's processor time per message, not throughput: on a machine
//! with two processors the load generator is the slower part of many a workload.

pub mod arguments;
pub mod child;
pub mod connection;
pub mod cpu;
pub mod crowd;
pub mod interrupt;
pub mod jobs;
pub mod machine;
pub mod message;
pub mod peers;
pub mod plan;
pub mod plot;
pub mod processors;
pub mod progress;
pub mod report;
pub mod results;
pub mod runner;
pub mod server_process;
pub mod statistics;
pub mod syscalls;
pub mod table;
pub mod tables;
pub mod targets;
pub mod workload;
