//! The house rules of the page's program, held by the sources and the documents.

use std::path::Path;

use echo_harness::docs::assert_section_is_documented;
use echo_harness::house::assert_walls;
use echo_scope::config::Config;

#[test]
fn every_key_is_documented() {
    assert_section_is_documented::<Config>();
}

#[test]
fn a_module_uses_only_what_the_crate_says() {
    assert_walls(Path::new(env!("CARGO_MANIFEST_DIR")));
}
