//! The house rules that the server's sources and documents have to keep.

use std::path::Path;

use echo_common::settings::Log;
use echo_harness::docs::{assert_promises_name_tests, assert_section_is_documented};
use echo_harness::house::{assert_named_only_in, assert_walls};
use echo_reactor::config::Config;

#[test]
fn every_key_of_the_server_is_documented() {
    assert_section_is_documented::<Config>();
}

#[test]
fn every_key_of_the_log_is_documented() {
    assert_section_is_documented::<Log>();
}

#[test]
fn a_module_uses_only_what_the_crate_says() {
    assert_walls(Path::new(env!("CARGO_MANIFEST_DIR")));
}

#[test]
fn mio_is_named_only_where_the_real_kernel_is() {
    let files = ["linux.rs", "log_outlet.rs", "source.rs"];
    assert_named_only_in(Path::new(env!("CARGO_MANIFEST_DIR")), "mio", &files);
}

#[test]
fn every_test_that_the_promises_name_is_there() {
    assert_promises_name_tests();
}
