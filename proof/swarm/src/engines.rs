//! Three real engines on this machine. A script starts them, and removes them when its input ends: when
//! these tests are done, or were killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, ChildStdout, Stdio};

use echo_containers::command;

/// How many there are: one manager and two workers.
pub(crate) const NODES: usize = 3;

/// The engines, numbered from 1. The first is the manager.
pub(crate) struct Engines {
    folder: PathBuf,
    script: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Engines {
    /// Starts them and lets them join.
    pub(crate) fn start() -> Engines {
        // Short: the path of a socket has at most 108 bytes.
        let folder = std::env::temp_dir().join(format!("echo-swarm-{}", process::id()));
        fs::create_dir(&folder).expect("a directory of our own");
        let mut shell = command("sh");
        shell.args(["-c", include_str!("engines.sh"), "engines"]).arg(&folder);
        shell.arg(NODES.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C does not reach it in a process group of its own.
        let mut script = shell.process_group(0).spawn().expect("sh can start");
        let input = script.stdin.take();
        let output = BufReader::new(script.stdout.take().expect("a pipe"));
        let mut engines = Engines { folder, script, input, output };
        engines.expect("ready");
        engines
    }

    /// Changes the world: "kill 2", "start 2", "cut 3", "mend 3".
    pub(crate) fn tell(&mut self, what: &str) {
        writeln!(self.input.as_ref().expect("a pipe"), "{what}").expect("the script runs");
        self.expect("done");
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the script runs");
        assert_eq!(line.trim(), word, "the engines' script has said why");
    }

    /// Where an engine is, as `DOCKER_HOST` has it.
    pub(crate) fn host(&self, node: usize) -> String {
        format!("unix://{}/node{node}.sock", self.folder.display())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.script.wait();
    }
}
