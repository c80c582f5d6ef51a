//! What the kernel knows about a process: its processor time, its memory, and what it is doing.

use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// Processor time of a process, all its threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Nanoseconds on a processor, from `/proc/PID/task/*/schedstat`.
    pub total_ns: u64,
    /// The part in user space, from `/proc/PID/stat`, in ticks of 10 ms: only sums over long times
    /// mean something.
    pub user_ticks: u64,
    /// The part in the kernel, as coarse as `user_ticks`.
    pub system_ticks: u64,
}

impl CpuTime {
    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }
}

impl std::ops::AddAssign for CpuTime {
    fn add_assign(&mut self, other: Self) {
        self.total_ns += other.total_ns;
        self.user_ticks += other.user_ticks;
        self.system_ticks += other.system_ticks;
    }
}

/// What the threads of a process do, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// At least one thread runs or wants to.
    Running,
    /// Every thread is stopped by a signal.
    Stopped,
    /// Nobody runs: the threads wait for something.
    Waiting,
}

/// Processor time that `pid` has used. A running thread's part can be a scheduler tick (some
/// milliseconds) old, so read it when the process is quiet.
///
/// # Errors
/// When the process is gone.
pub fn cpu_time(pid: Pid) -> io::Result<CpuTime> {
    let mut time = CpuTime::default();
    for task in fs::read_dir(proc_path(pid, "task"))? {
        let text = match fs::read_to_string(task?.path().join("schedstat")) {
            Ok(text) => text,
            // A thread that ended since the listing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        time.total_ns += first_number(&text)?;
    }
    let (user_ticks, system_ticks) = ticks(&fs::read_to_string(proc_path(pid, "stat"))?)?;
    Ok(CpuTime { user_ticks, system_ticks, ..time })
}

/// Resident memory of `pid` in bytes.
///
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: Pid) -> io::Result<u64> {
    kibibytes("Rss:", &fs::read_to_string(proc_path(pid, "smaps_rollup"))?)
}

/// The most memory that was ever resident of `pid`, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn peak_resident_bytes(pid: Pid) -> io::Result<u64> {
    kibibytes("VmHWM:", &fs::read_to_string(proc_path(pid, "status"))?)
}

/// How many descriptors `pid` has open.
///
/// # Errors
/// When the process is gone, or belongs to another user.
pub fn descriptors(pid: Pid) -> io::Result<usize> {
    Ok(fs::read_dir(proc_path(pid, "fd"))?.count())
}

/// What `pid` is doing right now.
///
/// # Errors
/// When the process is gone.
pub fn activity(pid: Pid) -> io::Result<Activity> {
    let mut states = Vec::new();
    for task in fs::read_dir(proc_path(pid, "task"))? {
        if let Ok(text) = fs::read_to_string(task?.path().join("stat")) {
            states.push(state(&text)?);
        }
    }
    Ok(combine(&states))
}

fn combine(states: &[char]) -> Activity {
    if states.contains(&'R') {
        Activity::Running
    } else if states.iter().all(|state| matches!(state, 'T' | 't')) {
        Activity::Stopped
    } else {
        Activity::Waiting
    }
}

fn proc_path(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{name}", pid.as_raw_nonzero()))
}

fn strange(what: &str, text: &str) -> io::Error {
    io::Error::other(format!("{what} is not as expected: {text:?}"))
}

fn first_number(text: &str) -> io::Result<u64> {
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| strange("schedstat", text))
}

/// The fields of `stat` from the third one on: the second, a program's name, can hold anything.
fn stat_fields(text: &str) -> io::Result<Vec<&str>> {
    let (_, fields) = text.rsplit_once(')').ok_or_else(|| strange("stat", text))?;
    Ok(fields.split_whitespace().collect())
}

fn state(text: &str) -> io::Result<char> {
    stat_fields(text)?
        .first()
        .and_then(|word| word.chars().next())
        .ok_or_else(|| strange("stat", text))
}

fn ticks(text: &str) -> io::Result<(u64, u64)> {
    let fields = stat_fields(text)?;
    let field = |index: usize| fields.get(index).and_then(|word| word.parse().ok());
    // utime and stime are fields 14 and 15 of proc(5), counted from 1; the third is our first.
    match (field(11), field(12)) {
        (Some(user), Some(system)) => Ok((user, system)),
        _ => Err(strange("stat", text)),
    }
}

/// The line with this name, which ends in kB, in bytes.
fn kibibytes(name: &str, text: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| strange(name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) b (c) S 1 42 42 0 -1 4194304 90 0 0 0 17 23 0 0 20 0 1 0 5 6 7";

    #[test]
    fn stat_is_read_behind_any_program_name() {
        assert_eq!(state(STAT).unwrap(), 'S');
        assert_eq!(ticks(STAT).unwrap(), (17, 23));
        assert!(ticks("42 (a) S 1 2").is_err());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "00400000-7fff rollup\nRss:                1604 kB\nPss:  1 kB\n";
        assert_eq!(kibibytes("Rss:", text).unwrap(), 1604 * 1024);
        assert!(kibibytes("Rss:", "Rss: many").is_err());
    }

    #[test]
    fn one_running_thread_makes_a_running_process() {
        assert_eq!(combine(&['S', 'R', 'T']), Activity::Running);
        assert_eq!(combine(&['S', 'T']), Activity::Waiting);
        assert_eq!(combine(&['T', 't']), Activity::Stopped);
    }

    #[test]
    fn own_time_grows_with_work() {
        let me = rustix::process::getpid();
        let before = cpu_time(me).unwrap();
        while cpu_time(me).unwrap().since(before).total_ns < 1_000_000 {}
        assert!(resident_bytes(me).unwrap() > 100_000);
        assert!(descriptors(me).unwrap() >= 3);
    }
}
