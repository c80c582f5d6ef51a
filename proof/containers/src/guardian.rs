//! Removes what a run has made when the run is over, whatever has ended it.

use std::env;
use std::fs::File;
use std::io::{Write, stderr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::fs::{FlockOperation, flock};

use crate::run::command;

/// A process that outlives this one. It cleans up when the guardian is dropped, and also when this process
/// is killed.
pub(crate) struct Guardian(Child);

impl Guardian {
    /// Guards all containers, networks and images whose names or tags begin with `prefix`, and the files. There is one
    /// guardian at a time on a machine: this waits for another run to end.
    pub(crate) fn new(prefix: &str, files: &[&Path]) -> Guardian {
        let mut shell = command("sh");
        shell.args(["-c", include_str!("guardian.sh"), "guardian", prefix]).args(files);
        // Its output is the lock: it is held as long as the process lives. It has a process group of its own, so
        // that Ctrl-C does not reach it.
        shell.stdin(Stdio::piped()).stdout(lock()).process_group(0);
        Guardian(shell.spawn().expect("sh can start"))
    }

    /// Tells the guardian which process group is at work; 0 is none.
    pub(crate) fn tell(&self, process_group: i32) {
        let mut input = self.0.stdin.as_ref().expect("a pipe");
        writeln!(input, "{process_group}").expect("the guardian lives");
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // This closes its input first.
        let _ = self.0.wait();
    }
}

/// The lock is on the directory for temporary files, because every user can open that.
fn lock() -> File {
    let directory = File::open(env::temp_dir()).expect("a directory for temporary files");
    if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
        let _ = writeln!(stderr(), "waiting: another run tests containers on this machine");
        flock(&directory, FlockOperation::LockExclusive).expect("a lock");
    }
    directory
}
