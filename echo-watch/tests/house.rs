//! The house rules of the live view, held by the sources.

use std::path::Path;

use echo_harness::house::{assert_named_only_in, assert_walls};

#[test]
fn a_module_uses_only_what_the_crate_says() {
    assert_walls(Path::new(env!("CARGO_MANIFEST_DIR")));
}

#[test]
fn two_modules_know_the_system() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_named_only_in(here, "rustix", &["output.rs", "watch.rs"]);
}
