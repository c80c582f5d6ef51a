//! The house rules of the server, held by the sources and the documents.

use echo_common::settings::Log;
use echo_harness::docs::assert_section_is_documented;
use echo_reactor::config::Config;

#[test]
fn every_key_of_the_server_is_documented() {
    assert_section_is_documented::<Config>();
}

#[test]
fn every_key_of_the_log_is_documented() {
    assert_section_is_documented::<Log>();
}
