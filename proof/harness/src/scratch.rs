//! Files of a test, where the build puts what it needs no longer.

use std::path::PathBuf;
use std::process;

/// A path that no other run of the tests uses at the same time.
pub fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("echo-{}-{name}", process::id()))
}
