//! Files of a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// A file that no other run of the tests uses; it is removed when this is dropped.
pub struct ScratchFile(PathBuf);

impl ScratchFile {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> ScratchFile {
        let path = std::env::temp_dir().join(format!("echo-{}-{name}", process::id()));
        fs::write(&path, content).expect("a file in the temporary directory");
        ScratchFile(path)
    }

    /// As text.
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
