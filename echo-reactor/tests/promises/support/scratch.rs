//! Files of a test, where the build puts what it needs no longer.

use std::path::PathBuf;
use std::process;

/// A path that no other run of the tests uses at the same time.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", process::id()))
}
