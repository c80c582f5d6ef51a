//! A child process that never outlives this one.

use std::io;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use crate::proc;
use crate::wait::{Patience, try_until};

/// Children that run now, for the panic hook.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a panic end the children too: with `panic = "abort"` no `Drop` ever runs.
pub fn end_all_in_a_panic() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        for pid in running().iter() {
            let _ = kill_process(*pid, Signal::KILL);
        }
        default_hook(panic);
    }));
}

/// A child process. Dropping it kills the process and waits for its end.
pub struct OwnedChild {
    pid: Pid,
    child: Child,
}

impl OwnedChild {
    pub fn spawn(command: &mut Command) -> io::Result<OwnedChild> {
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::new(error.kind(), format!("{program} can't be started: {error}"))
        })?;
        let pid = Pid::from_child(&child);
        running().push(pid);
        Ok(OwnedChild { pid, child })
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The reading end of its stdout, once, if that is a pipe.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The reading end of its stderr, once, if that is a pipe.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Stops it where it is, all its threads, until SIGCONT.
    pub fn stop(&self, patience: Patience) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        proc::wait_until_stopped(self.pid, patience)
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            // From now on another process may get the number.
            running().retain(|pid| *pid != self.pid);
        }
        Ok(status)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Patience) -> io::Result<ExitStatus> {
        try_until("the process ending", patience, || self.try_wait())
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        // Both fail if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        running().retain(|pid| *pid != self.pid);
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        self.kill();
    }
}
