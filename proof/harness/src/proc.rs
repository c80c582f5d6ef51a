//! What `/proc` tells of a process (`proc_pid(5)`).

use std::fs;

use crate::wait;

/// Bytes in a page; the tests only compare sizes, so that a larger page makes them stricter.
const PAGE_BYTES: usize = 4096;

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
}

/// The memory that the process occupies, in bytes.
pub fn resident_bytes(pid: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).expect("the process runs");
    let pages = text.split(' ').nth(1).expect("the resident pages");
    pages.parse::<usize>().expect("a number") * PAGE_BYTES
}

/// The processor time that the process has used, in clock ticks, mostly of 10 ms.
pub fn processor_ticks(pid: u32) -> u64 {
    let fields = fields_behind_name(pid);
    // Counted from the state, which is field 3: utime is 14, stime 15.
    [11, 12].iter().map(|index| fields[*index].parse::<u64>().expect("a number")).sum()
}

/// Waits until the process is stopped by a signal.
pub fn wait_until_stopped(pid: u32) {
    wait::until("the process stopped", || fields_behind_name(pid)[0] == "T");
}

/// Waits until a tracer holds the process in a system call: for so many looks in a row, for a signal
/// makes it stop for a moment too.
pub fn wait_until_held(pid: u32) {
    const LOOKS: usize = 20;
    let mut held = 0;
    wait::until("the process held", || {
        held = if fields_behind_name(pid)[0] == "t" { held + 1 } else { 0 };
        held == LOOKS
    });
}

/// The soft limit of open descriptors.
pub fn descriptor_limit(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("the process runs");
    let line = text.lines().find(|line| line.starts_with("Max open files")).expect("the limit");
    line.split_whitespace().nth(3).expect("the soft limit").parse().expect("a number")
}

/// The only child of a process, once it has one.
pub fn wait_for_child(pid: u32) -> u32 {
    wait::until_some("a child", || {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        text.trim().parse().ok()
    })
}

/// The fields of `/proc/PID/stat` from the state on; the name before it may contain blanks.
fn fields_behind_name(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, fields) = text.rsplit_once(") ").expect("a name in brackets");
    fields.split(' ').map(str::to_owned).collect()
}

/// The descriptor limit that lets the process open just `more` descriptors beside those it has.
pub fn limit_for_more_descriptors(pid: u32, more: usize) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let open: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    let mut free = (0..).filter(|number| !open.contains(number));
    free.nth(more).expect("numbers do not end")
}
