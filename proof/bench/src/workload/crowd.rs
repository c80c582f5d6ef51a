//! Crowd: this program once more, as a process of its own, whose memory is that of the crowd alone.

use std::io;
use std::process::{Command, Stdio};

use crate::crowd::Crowd;
use crate::processors::Processors;

/// Gathers `connections` in a process on the server's processor.
///
/// # Errors
/// When it can't be started, or a message or connection is lost.
pub fn run(connections: usize, processors: Processors) -> io::Result<Crowd> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--crowd", &connections.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = processors.start_on_server(|| command.spawn())?.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_string()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
