//! A copy of the checkout, which may be spoiled. It stays for the next time, so that cargo builds only what differs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// What the copy leaves out: what cargo has built, and the history.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

pub(crate) struct Copy {
    pub(crate) root: PathBuf,
    /// Where cargo builds it.
    pub(crate) target: PathBuf,
    /// Held as long as this lives: another run waits.
    _lock: File,
}

impl Copy {
    /// Makes the copy the same as the checkout, in `target/break`.
    pub(crate) fn of(checkout: &Path) -> io::Result<Copy> {
        if !checkout.join("echo-reactor/src/reactor.rs").is_file() {
            let text = format!("{} is no checkout of echo-reactor", checkout.display());
            return Err(io::Error::other(text));
        }
        let place = checkout.join("target/break");
        let root = place.join("checkout");
        fs::create_dir_all(&root)?;
        let lock = File::open(&place)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        mirror(checkout, &root)?;
        Ok(Copy { root, target: place.join("target"), _lock: lock })
    }
}

/// Makes the directory `to` hold what `from` holds. A file that is the same already keeps its time, by which cargo
/// tells what has changed.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    let wanted = names(from)?;
    for name in names(to)?.difference(&wanted) {
        let path = to.join(name);
        if is_directory(&path) { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    for name in &wanted {
        let (from, to) = (from.join(name), to.join(name));
        if is_directory(&from) {
            fs::create_dir_all(&to)?;
            mirror(&from, &to)?;
        } else if from.is_file() && fs::read(&from)? != fs::read(&to).unwrap_or_default() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name()));
    let is_wanted = |name: &OsString| !LEFT_OUT.iter().any(|left_out| name == left_out);
    names.filter(|name| name.as_ref().map_or(true, is_wanted)).collect()
}
