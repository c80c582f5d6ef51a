//! Counts a server's system calls by name, with strace.
//!
//! A traced server is many times slower, so that nothing is timed here; in stopped rounds and bursts
//! the work is queued beforehand, and the counts are those of an untraced server.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Calls by name.
pub type Counts = BTreeMap<String, u64>;

/// Why nothing can be counted here, if so.
#[must_use]
pub fn missing() -> Option<String> {
    let works = Command::new("strace")
        .args(["-c", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    (!works).then(|| "strace is not installed or may not trace".to_string())
}

/// A tracer that is attached to a server. Dropping it ends it; the server goes on.
pub struct Tracer {
    strace: Child,
    output: BufReader<ChildStderr>,
}

impl Tracer {
    /// Attaches to all threads of `pid` and returns when calls are being counted.
    ///
    /// # Errors
    /// When strace can't be started or may not attach.
    pub fn attach(pid: Pid) -> io::Result<Self> {
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-p", &pid.as_raw_nonzero().to_string()])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = strace.stderr.take().ok_or_else(|| io::Error::other("no stderr"))?;
        let mut tracer = Self { strace, output: BufReader::new(output) };
        let mut line = String::new();
        tracer.output.read_line(&mut line)?;
        if line.contains("attached") {
            Ok(tracer)
        } else {
            Err(io::Error::other(format!("strace: {}", line.trim())))
        }
    }

    /// Detaches; what was called since it attached.
    ///
    /// # Errors
    /// When strace's table can't be read.
    pub fn detach(mut self) -> io::Result<Counts> {
        kill_process(Pid::from_child(&self.strace), Signal::INT)?;
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.strace.wait()?;
        parse(&text)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // After `detach` it is gone already.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Reads `% time, seconds, usecs/call, calls, [errors,] syscall` rows between the two rules.
fn parse(text: &str) -> io::Result<Counts> {
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("------"))
        .skip(1)
        .take_while(|line| !line.starts_with("------"));
    let counts: Option<Counts> = rows
        .map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            let name = words.last()?;
            Some(((*name).to_string(), words.get(3)?.parse().ok()?))
        })
        .collect();
    counts.ok_or_else(|| io::Error::other(format!("strace's table is not as expected: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_with_and_without_errors() {
        let text = "strace: Process 5734 detached\n\
            % time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
             98.07    0.001116           1      1000           read\n\
              1.93    0.000022          22         7         1 accept4\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.001138           1      1007         1 total\n";
        let counts = parse(text).unwrap();
        assert_eq!(counts.len(), 2);
        assert_eq!((counts["read"], counts["accept4"]), (1000, 7));
    }

    #[test]
    fn a_strange_table_is_an_error() {
        assert!(parse("------ -\n 1 2 3 many read\n------ -\n").is_err());
    }

    #[test]
    fn a_server_that_called_nothing_has_no_counts() {
        assert!(parse("strace: Process 1 detached\n").unwrap().is_empty());
    }
}
