//! What the integration tests share: the C floor, built once, and where it runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use echo_bench::processors::Processors;

/// The directory with the floor in it, or `None` with a line that says what is missing.
pub(crate) fn built_floor() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let make = Command::new("make")
            .args(["-s", "-C", concat!(env!("CARGO_MANIFEST_DIR"), "/peers"), "c"])
            .arg(format!("OUT={}", directory.display()))
            .status();
        let there = make.is_ok_and(|s| s.success()) && directory.join("c-epoll").exists();
        there.then_some(directory)
    });
    if built.is_none() {
        eprintln!("skipped: the C floor can't be built here; gcc and make are needed");
    }
    built.as_deref()
}

/// The server's and the generator's processor: two, where there are two.
pub(crate) fn processors() -> Processors {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    Processors { server: 0, generator: count - 1 }
}
