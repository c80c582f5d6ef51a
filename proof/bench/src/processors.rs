//! Which processor runs what: the load generator stays away from the server's.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two processors of a run, by the kernel's numbers.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    /// Runs the server under test, alone.
    pub server: usize,
    /// Runs the load generator and everything else of the benchmark.
    pub generator: usize,
}

impl Processors {
    /// Pins this process to the generator's processor.
    ///
    /// # Errors
    /// When this process may not use one of the two processors.
    pub fn pin_generator(self) -> io::Result<()> {
        let allowed = sched_getaffinity(None)?;
        for cpu in [self.server, self.generator] {
            if cpu >= CpuSet::MAX_CPU || !allowed.is_set(cpu) {
                return Err(io::Error::other(format!(
                    "processor {cpu} can't be used here; --server-cpu and --generator-cpu choose others"
                )));
            }
        }
        pin(self.generator)
    }

    /// Does `start`, a process that is pinned to the server's processor from its first instruction:
    /// a child inherits the affinity of the thread that starts it.
    ///
    /// # Errors
    /// What `start` or the kernel says.
    pub fn start_on_server<T>(self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        pin(self.server)?;
        let started = start();
        pin(self.generator)?;
        started
    }
}

fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}
