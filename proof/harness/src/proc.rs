//! What `/proc` tells of a process (`proc_pid(5)`), and its limits.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::wait::{self, Patience, try_until};

/// What the threads of a process do, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// At least one thread runs or wants to.
    Running,
    /// Every thread is stopped, by a signal or by a tracer.
    Stopped,
    /// No thread runs: they wait for something.
    Waiting,
}

pub fn activity(pid: Pid) -> io::Result<Activity> {
    let states: io::Result<Vec<char>> =
        of_threads(pid, "stat")?.iter().map(|text| state(text)).collect();
    Ok(combine(&states?))
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

/// Waits until a signal has stopped every thread of the process.
pub fn wait_until_stopped(pid: Pid, patience: Patience) -> io::Result<()> {
    wait_for_activity("the process stopped", pid, Activity::Stopped, 1, patience)
}

/// Waits until a tracer holds the process in a system call. A signal stops a traced process too, but
/// only for a moment, so that one look is not enough.
pub fn wait_until_held(pid: Pid, patience: Patience) -> io::Result<()> {
    wait_for_activity("the process held", pid, Activity::Stopped, 20, patience)
}

/// Waits until no thread runs: then all queued work is done, and the processor time is exact.
pub fn wait_until_quiet(pid: Pid, patience: Patience) -> io::Result<()> {
    wait_for_activity("the process at rest", pid, Activity::Waiting, 2, patience)
}

/// Waits until `looks` looks in a row find what is expected.
fn wait_for_activity(
    what: &str,
    pid: Pid,
    expected: Activity,
    looks: usize,
    patience: Patience,
) -> io::Result<()> {
    let mut in_a_row = 0;
    try_until(what, patience, || {
        in_a_row = if activity(pid)? == expected { in_a_row + 1 } else { 0 };
        Ok((in_a_row == looks).then_some(()))
    })
}

/// The time that the threads of the process have spent on a processor. For a thread that runs it can be
/// some milliseconds old: it is exact when the process is quiet.
pub fn processor_time(pid: Pid) -> io::Result<Duration> {
    let times = of_threads(pid, "schedstat")?;
    let times: Option<Vec<u64>> =
        times.iter().map(|text| text.split(' ').next()?.parse().ok()).collect();
    let nanoseconds = times.ok_or_else(|| strange("schedstat"))?.iter().sum();
    Ok(Duration::from_nanos(nanoseconds))
}

/// How often the threads of the process have given up a processor, or had to. Those of threads that have ended do not
/// count.
pub fn context_switches(pid: Pid) -> io::Result<u64> {
    let texts = of_threads(pid, "status")?;
    let counts = texts.iter().map(|text| switches(text).ok_or_else(|| strange("status")));
    counts.sum()
}

/// The sum of `voluntary_ctxt_switches` and `nonvoluntary_ctxt_switches`.
fn switches(status: &str) -> Option<u64> {
    let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
    let counts: Option<Vec<u64>> = lines.map(|(_, count)| count.trim().parse().ok()).collect();
    counts.filter(|counts| counts.len() == 2).map(|counts| counts.iter().sum())
}

pub fn threads(pid: Pid) -> io::Result<usize> {
    Ok(of_threads(pid, "comm")?.len())
}

/// The memory that the process occupies, in bytes.
pub fn resident_bytes(pid: Pid) -> io::Result<u64> {
    kibibytes("Rss:", &read(pid, "smaps_rollup")?)
}

/// The most memory that the process has ever occupied, in bytes.
pub fn peak_resident_bytes(pid: Pid) -> io::Result<u64> {
    kibibytes("VmHWM:", &read(pid, "status")?)
}

/// How many descriptors the process has open.
pub fn descriptors(pid: Pid) -> io::Result<usize> {
    Ok(open_descriptors(pid)?.len())
}

fn open_descriptors(pid: Pid) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path(pid, "fd"))? {
        let name = entry?.file_name();
        numbers
            .push(name.to_str().and_then(|name| name.parse().ok()).ok_or_else(|| strange("fd"))?);
    }
    Ok(numbers)
}

/// The descriptor limit that lets the process open exactly `more` further descriptors.
pub fn limit_for_more_descriptors(pid: Pid, more: usize) -> io::Result<u64> {
    let open = open_descriptors(pid)?;
    let mut free = (0..).filter(|number| !open.contains(number));
    free.nth(more).ok_or_else(|| strange("fd"))
}

/// The soft limit of open descriptors.
pub fn descriptor_limit(pid: Pid) -> io::Result<u64> {
    let text = read(pid, "limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.ok_or_else(|| strange("limits"))
}

/// Sets the soft limit of open descriptors of a child, and returns what it was. The hard limit stays
/// that of this process: to raise it again would need a privilege.
pub fn limit_descriptors(pid: Pid, count: u64) -> io::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(count), maximum };
    Ok(prlimit(Some(pid), Resource::Nofile, limit)?.current.unwrap_or(u64::MAX))
}

/// Whether the process has a handler for `signal`.
pub fn catches(pid: Pid, signal: Signal) -> io::Result<bool> {
    is_in_mask(pid, "SigCgt:", signal)
}

/// Whether the process ignores `signal`, and so does every shell that it starts (`trap` cannot change
/// that). A job in the background of a script ignores SIGINT.
pub fn ignores(pid: Pid, signal: Signal) -> io::Result<bool> {
    is_in_mask(pid, "SigIgn:", signal)
}

fn is_in_mask(pid: Pid, name: &str, signal: Signal) -> io::Result<bool> {
    let text = read(pid, "status")?;
    let mask = text.lines().find_map(|line| line.strip_prefix(name));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.ok_or_else(|| strange("status"))?;
    Ok(mask & (1 << (signal.as_raw() - 1)) != 0)
}

/// Waits for a child that runs `program`. A child that was just forked does not run it yet.
pub fn wait_for_child(parent: Pid, program: &str) -> Pid {
    wait::until_some(&format!("a child that runs {program}"), || {
        let children = of_threads(parent, "children").ok()?.concat();
        let mut children = children.split_whitespace().filter_map(|word| word.parse().ok());
        children.find_map(|child| {
            let child = Pid::from_raw(child)?;
            (read(child, "comm").ok()?.trim_end() == program).then_some(child)
        })
    })
}

fn path(pid: Pid, name: &str) -> String {
    format!("/proc/{pid}/{name}")
}

fn read(pid: Pid, name: &str) -> io::Result<String> {
    fs::read_to_string(path(pid, name))
}

/// The file `name` of each thread. A thread that has ended since it was listed is left out.
fn of_threads(pid: Pid, name: &str) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for thread in fs::read_dir(path(pid, "task"))? {
        match fs::read_to_string(thread?.path().join(name)) {
            Ok(text) => texts.push(text),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if texts.is_empty() {
        return Err(Errno::SRCH.into());
    }
    Ok(texts)
}

/// ENOENT where the file can't be opened, ESRCH where it was opened in time.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::SRCH))
}

fn strange(what: &str) -> io::Error {
    io::Error::other(format!("{what} is not as expected"))
}

/// The state in `stat`. It follows the program's name, which can hold anything.
fn state(text: &str) -> io::Result<char> {
    let state = text.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    state.ok_or_else(|| strange("stat"))
}

/// The number in the line `name`, which is in kB; in bytes.
fn kibibytes(name: &str, text: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| strange(name))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_state_is_found_after_any_program_name() {
        assert_eq!(state("42 (a) b (c) S 1 42 42 0").unwrap(), 'S');
        assert!(state("42 (a").is_err());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "00400000-7fff rollup\nRss:                1604 kB\nPss:  1 kB\n";
        assert_eq!(kibibytes("Rss:", text).unwrap(), 1604 * 1024);
        assert!(kibibytes("Rss:", "Rss: many").is_err());
    }

    #[test]
    fn switches_of_both_kinds_count() {
        let text = "Threads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(switches(text), Some(155));
        assert_eq!(switches("voluntary_ctxt_switches:\t150\n"), None);
    }

    #[test]
    fn one_running_thread_makes_a_running_process() {
        assert_eq!(combine(&['S', 'R', 'T']), Activity::Running);
        assert_eq!(combine(&['S', 'T']), Activity::Waiting);
        assert_eq!(combine(&['T', 't']), Activity::Stopped);
    }

    /// Threads that begin and end meanwhile must not make a look fail.
    #[test]
    fn own_time_grows_with_work_while_threads_come_and_go() {
        let me = rustix::process::getpid();
        let before = processor_time(me).unwrap();
        while processor_time(me).unwrap() < before + Duration::from_millis(50) {
            thread::spawn(|| {});
            assert_ne!(activity(me).unwrap(), Activity::Stopped);
        }
        assert!(resident_bytes(me).unwrap() > 100_000);
        assert!(descriptors(me).unwrap() >= 3);
    }
}
