//! Files of a test, pipes and terminals.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A file that no other run of the tests uses; it is removed when this is dropped.
pub struct ScratchFile(PathBuf);

impl ScratchFile {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> ScratchFile {
        let path = path(name);
        fs::write(&path, content).expect("a file in the temporary directory");
        ScratchFile(path)
    }

    /// A FIFO, to which nobody writes.
    pub fn fifo(name: &str) -> ScratchFile {
        let path = path(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
        ScratchFile(path)
    }

    /// The path as text.
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }

    pub fn content(&self) -> String {
        fs::read_to_string(&self.0).expect("a file of text")
    }
}

impl AsRef<Path> for ScratchFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Fills a pipe whose writing end this is, so that the next write finds no room.
pub fn fill(pipe: &File) {
    let flags = fcntl_getfl(pipe).expect("flags");
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK).expect("flags");
    while { pipe }.write(&[b'.'; 4096]).is_ok() {}
    while { pipe }.write(b".").is_ok() {}
    fcntl_setfl(pipe, flags).expect("flags");
}

/// A terminal: the end of whoever looks at it, and the end for a program.
pub fn terminal() -> (File, OwnedFd) {
    // No program may have the viewer's end, or the terminal outlives its viewer.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let viewer = openpt(flags).expect("a terminal");
    grantpt(&viewer).and_then(|()| unlockpt(&viewer)).expect("a terminal of our own");
    let name = ptsname(&viewer, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = open(name, flags, Mode::empty()).expect("a terminal");
    (viewer.into(), program)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("echo-{}-{name}", process::id()))
}
