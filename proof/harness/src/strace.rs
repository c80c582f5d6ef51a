//! `strace`: makes system calls fail, holds them up, and counts them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::child::OwnedChild;
use crate::command::is_available;
use crate::server::Setup;

/// With a filter in the kernel no other calls than those that are traced stop the process.
const STRACE: [&str; 3] = ["strace", "-f", "--seccomp-bpf"];

/// Whether `strace` can make system calls fail here.
pub fn can_inject_faults() -> bool {
    let getpid = ["-e", "trace=getpid", "-e", "inject=getpid:error=EPERM"];
    is_available(&[&STRACE[..], &getpid, &["-o", "/dev/null", "true"]].concat())
}

/// Whether `strace` can count system calls here.
pub fn can_count() -> bool {
    is_available(&["strace", "-c", "-o", "/dev/null", "true"])
}

/// A server some of whose system calls return something else, or late, from the start; `None` where
/// `strace` can't do that.
pub fn with_faults(fault: &str) -> Option<Setup> {
    if !can_inject_faults() {
        return None;
    }
    let traced = fault.split(':').next().expect("system calls").to_owned();
    let (trace, inject) = (format!("trace={traced}"), format!("inject={fault}"));
    // With -D the server, not strace, is the process that was started.
    let strace = ["-D", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    Some(Setup::new().under(&[&STRACE[..], &strace].concat()))
}

/// `strace` while it is attached to a process. Dropping it ends it; the process goes on.
pub struct Tracer {
    strace: OwnedChild,
    output: BufReader<ChildStderr>,
}

impl Tracer {
    /// Has system calls of the process return something else, or late, from here on.
    pub fn inject(pid: Pid, fault: &str) -> io::Result<Tracer> {
        Tracer::attach(pid, &["-o", "/dev/null", "-e", &format!("inject={fault}")])
    }

    /// Counts the system calls of all threads of the process from here on.
    pub fn count(pid: Pid) -> io::Result<Tracer> {
        Tracer::attach(pid, &["-f", "-c"])
    }

    fn attach(pid: Pid, arguments: &[&str]) -> io::Result<Tracer> {
        let mut strace = Command::new("strace");
        strace.args(arguments).arg("-p").arg(pid.to_string()).env("LC_ALL", "C");
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut strace = OwnedChild::spawn(&mut strace)?;
        let output = strace.stderr().ok_or_else(|| io::Error::other("no stderr"))?;
        let mut tracer = Tracer { strace, output: BufReader::new(output) };
        let mut line = String::new();
        tracer.output.read_line(&mut line)?;
        if line.contains("attached") {
            Ok(tracer)
        } else {
            Err(io::Error::other(format!("strace: {}", line.trim())))
        }
    }

    /// Detaches; what was counted, by the calls' names.
    pub fn counts(mut self) -> io::Result<BTreeMap<String, u64>> {
        self.strace.signal(Signal::INT)?;
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        parse(&text)
    }
}

/// Reads the rows `% time, seconds, usecs/call, calls, [errors,] syscall` between the two rules.
fn parse(text: &str) -> io::Result<BTreeMap<String, u64>> {
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("------"))
        .skip(1)
        .take_while(|line| !line.starts_with("------"));
    let counts: Option<_> = rows
        .map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            let name = words.last()?;
            Some(((*name).to_owned(), words.get(3)?.parse().ok()?))
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
        let expected = [("accept4".to_owned(), 7), ("read".to_owned(), 1000)];
        assert_eq!(parse(text).unwrap(), BTreeMap::from(expected));
    }

    #[test]
    fn a_strange_table_is_an_error_and_none_has_no_counts() {
        assert!(parse("------ -\n 1 2 3 many read\n------ -\n").is_err());
        assert!(parse("strace: Process 1 detached\n").unwrap().is_empty());
    }
}
