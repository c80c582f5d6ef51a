//! Collects the log lines of each thread, because each thread runs other lives.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct LogBook;

impl Log for LogBook {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// From here on the log is collected, down to level debug.
pub(crate) fn open() {
    static OPEN: Once = Once::new();
    OPEN.call_once(|| {
        log::set_logger(&LogBook).expect("nothing else logs here");
        log::set_max_level(LevelFilter::Debug);
    });
}

/// The lines that this thread has logged since the last call.
pub(crate) fn take() -> Vec<String> {
    LINES.take()
}
