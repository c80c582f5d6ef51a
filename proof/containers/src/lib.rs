//! What the tests of the environment share.
