//! Which processor runs what: the load generator stays away from the server's.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of a run, by the kernel's numbers.
#[derive(Clone, Copy)]
pub(crate) struct Processors {
    /// Runs the server under test, alone.
    server: usize,
    /// Runs the load generator and everything else of the benchmark.
    generator: usize,
}

impl Processors {
    /// The first and the last that this process may use. It is pinned to its own.
    pub(crate) fn divide() -> io::Result<Processors> {
        let allowed = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let server = allowed.next().ok_or_else(|| io::Error::other("no processor"))?;
        let generator = allowed.next_back().unwrap_or(server);
        pin(generator)?;
        Ok(Processors { server, generator })
    }

    /// Does `start`, whose process is pinned to the server's processor from its first instruction: a
    /// child inherits the affinity of the thread that starts it.
    pub(crate) fn start_on_server<T>(self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
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
