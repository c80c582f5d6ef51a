//! Tests that are skipped, because this machine lacks something.

use std::env;
use std::fs::OpenOptions;
use std::io::{Write, stderr};
use std::thread;

/// The variable that names the file in which `make test` counts.
const LIST: &str = "ECHO_SKIPPED";

/// Says that this test is skipped: `lack` is what is missing, in the words that `make test` counts, and
/// `detail` is what else there is to say.
pub fn say(lack: &str, detail: &str) {
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    // Not eprintln!, which is shown for failed tests only. One write for a line, because other tests write too.
    let _ = stderr().write_all(format!("skipped: {lack}{detail} ({test})\n").as_bytes());
    if let Some(list) = env::var_os(LIST) {
        let list = OpenOptions::new().append(true).open(list);
        list.and_then(|mut list| list.write_all(format!("{lack}\n").as_bytes()))
            .expect("the list of make test");
    }
}
