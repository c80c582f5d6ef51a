//! The clients' account: they number their messages, accept only the right reply, and log each.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What one client has done, by its log and by its kernel.
#[derive(Clone, Debug)]
pub struct Account {
    /// The container. Another one is another life.
    container: String,
    /// How many messages were answered: each once, rightly, and in order.
    pub answered: usize,
    /// How many tries had no answer.
    pub tried_again: usize,
    /// How many connections were refused, or led nowhere.
    pub refused: u64,
}

/// A client's log, read as far as it has been written. To have an engine tell all of it each time would keep this
/// machine from its work.
pub(crate) struct Reader {
    log: LogFile,
    pid: String,
    account: Account,
}

impl Reader {
    /// `pid` is the client's process, and `log` the file in which its engine keeps what it says.
    pub(crate) fn new(container: &str, pid: &str, log: &str) -> Reader {
        let account =
            Account { container: container.to_owned(), answered: 0, tried_again: 0, refused: 0 };
        Reader { log: LogFile::open(log.into()), pid: pid.to_owned(), account }
    }

    /// Reads on, and returns the account up to now. Panics unless every message, from the first to the last, was
    /// answered once and rightly.
    pub(crate) fn account(&mut self) -> Account {
        let account = &mut self.account;
        self.log.read_on(|line| account.take(line));
        account.refused = failed_attempts(&self.pid);
        account.clone()
    }
}

/// How many attempts to connect have failed in the network of a process.
fn failed_attempts(pid: &str) -> u64 {
    let table = fs::read_to_string(format!("/proc/{pid}/net/snmp")).expect("the process runs");
    let mut tcp = table.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().expect("names"), tcp.next().expect("values"));
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == "AttemptFails").expect("a counter");
    value.parse().expect("a number")
}

impl Account {
    fn take(&mut self, line: &str) {
        if let Some((_, reply)) = line.split_once("Message from server: ") {
            self.answered += 1;
            let end = format!("Message number {} sent", self.answered);
            assert!(reply.ends_with(&end), "no answer, or two: {end:?} was expected\n{line}");
        }
        for mistake in ["Wrong reply", " given up", " ERROR "] {
            assert!(!line.contains(mistake), "{mistake} in\n{line}");
        }
        self.tried_again += usize::from(line.contains(" not answered by "));
    }

    /// What has happened between two looks at the same clients. Panics if one of them has ended
    /// meanwhile, or if one has got no answer at all.
    pub fn since(before: &[Account], now: &[Account]) -> Account {
        let ids = |accounts: &[Account]| -> Vec<String> {
            accounts.iter().map(|account| account.container.clone()).collect()
        };
        assert_eq!(ids(before), ids(now), "a client has ended");
        let mut sum = Account { container: String::new(), answered: 0, tried_again: 0, refused: 0 };
        for (before, now) in before.iter().zip(now) {
            assert!(now.answered > before.answered, "no answer since: {before:?}, {now:?}");
            sum.answered += now.answered - before.answered;
            sum.tried_again += now.tried_again - before.tried_again;
            sum.refused += now.refused - before.refused;
        }
        sum
    }
}

/// A file in which an engine keeps the lines of a container, each in an object of JSON. The engine may begin a new file
/// under the same name.
struct LogFile {
    path: PathBuf,
    file: BufReader<File>,
    /// The beginning of a line that was not complete yet.
    partial: String,
}

impl LogFile {
    fn open(path: PathBuf) -> LogFile {
        let file = open(&path);
        LogFile { path, file, partial: String::new() }
    }

    /// Shows `seen` all lines that have come since.
    fn read_on(&mut self, mut seen: impl FnMut(&str)) {
        self.read_to_the_end(&mut seen);
        while self.has_a_successor() {
            // Nothing is written to the old file any more, but something may have been since.
            self.read_to_the_end(&mut seen);
            self.file = open(&self.path);
            self.read_to_the_end(&mut seen);
        }
    }

    /// Whether the name is another file's. For a moment it may be nobody's.
    fn has_a_successor(&self) -> bool {
        let own = self.file.get_ref().metadata().expect("it is open").ino();
        fs::metadata(&self.path).is_ok_and(|present| present.ino() != own)
    }

    fn read_to_the_end(&mut self, seen: &mut impl FnMut(&str)) {
        while self.file.read_line(&mut self.partial).expect("a file of lines") > 0 {
            if self.partial.ends_with('\n') {
                let object: Value = serde_json::from_str(&self.partial).expect("an object");
                seen(object["log"].as_str().expect("a line").trim_end());
                self.partial.clear();
            }
        }
    }
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::new(File::open(path).expect("the engine keeps the lines in a file"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use echo_harness::scratch::ScratchFile;

    use super::{LogFile, fs};

    #[test]
    fn lines_in_parts_and_in_the_next_file_are_read_once_and_in_order() {
        let first = ScratchFile::new("engine-log", "{\"log\":\"one\\n\"}\n{\"log\":");
        let mut log = LogFile::open(first.path().into());
        let mut seen = Vec::new();
        let mut look = |log: &mut LogFile| log.read_on(|line| seen.push(line.to_owned()));
        look(&mut log);
        let mut file = fs::OpenOptions::new().append(true).open(first.path()).unwrap();
        file.write_all(b"\"two\\n\"}\n").unwrap();
        let old = format!("{}.1", first.path());
        fs::rename(first.path(), &old).unwrap();
        look(&mut log);
        file.write_all(b"{\"log\":\"three\\n\"}\n").unwrap();
        fs::write(first.path(), "{\"log\":\"four\\n\"}\n").unwrap();
        look(&mut log);
        look(&mut log);
        fs::remove_file(old).unwrap();
        assert_eq!(seen, ["one", "two", "three", "four"]);
    }
}
