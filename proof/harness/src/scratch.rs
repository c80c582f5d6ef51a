//! Files of a test, where the build puts what it needs no longer.

use std::path::PathBuf;
use std::process;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A path that no other run of the tests uses at the same time.
pub fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("echo-{}-{name}", process::id()))
}

/// A FIFO at such a path, which nobody writes to.
pub fn fifo(name: &str) -> PathBuf {
    let path = file(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
    path
}
