//! `--watch --follow`.
