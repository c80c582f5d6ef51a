//! A child process that never outlives this one.

use std::io;
use std::process::{Child, ChildStderr, Command, ExitStatus};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};

/// Children that run now, for the panic hook: with `panic = "abort"` no `Drop` ever runs.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Makes a panic end the children too.
pub fn end_with_a_panic() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for pid in running.iter() {
            let _ = kill_process(*pid, Signal::KILL);
        }
        drop(running);
        default_hook(panic);
    }));
}

/// A running child. Dropping it kills the process and waits for its end.
pub struct OwnedChild {
    pid: Pid,
    child: Child,
}

impl OwnedChild {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        if let Ok(mut running) = RUNNING.lock() {
            running.push(pid);
        }
        Ok(Self { pid, child })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its stderr, if that is a pipe and was not taken before.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Whatever `waitpid(2)` says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it and waits for its end.
    pub fn end(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Ok(mut running) = RUNNING.lock() {
            running.retain(|pid| *pid != self.pid);
        }
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        self.end();
    }
}
