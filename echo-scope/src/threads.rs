//! Threads that run beside the main one until the process ends.

use std::io;
use std::thread::Builder;

/// Nothing here recurses, and buffers are on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// Starts a thread.
///
/// # Errors
/// The system has none left.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<()> {
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(work).map(drop)
}
