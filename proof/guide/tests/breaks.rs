//! Each of the five breaks still applies to the server, and is still noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every source of the server, with its content.
fn sources(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else {
            let content = fs::read_to_string(&path).expect("a text");
            sources.insert(path, content);
        }
    }
    sources
}

#[test]
#[ignore = "builds the server five times: make test-guide"]
fn each_break_applies_and_is_noticed_and_the_checkout_stays_as_it_is() {
    let server = checkout().join("echo-reactor");
    let before = sources(&server);
    for number in 1..=5 {
        let mut program = Command::new(env!("CARGO_BIN_EXE_echo-guide"));
        let output = program.args(["break", &number.to_string()]).current_dir(checkout()).output();
        let output = output.expect("the program can start");
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "break {number}:\n{text}{complaint}");
        assert!(text.starts_with(&format!("Break {number} of 5: ")), "{text}");
        assert!(sources(&server) == before, "break {number} has changed the checkout");
    }
}
