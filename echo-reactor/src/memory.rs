//! How much memory the connections may take in the worst case, and how much there is.

use std::fs;
use std::path::Path;

use crate::config::{Framing, Reply, Rules};
use crate::echo;

/// A warning, if the connections may take more memory than there is.
#[must_use]
pub fn shortage(rules: &Rules, connections_max: usize) -> Option<String> {
    shortage_in(limit()?, rules, connections_max as u64)
}

fn shortage_in(memory: u64, rules: &Rules, connections_max: u64) -> Option<String> {
    let each = per_connection(rules);
    // One more reply may be in the scratch memory.
    let left = memory.saturating_sub(BASE + each);
    let fits = left / each;
    (fits < connections_max).then(|| {
        let has_messages = rules.framing == Framing::Line;
        let cause = match rules.message_max_bytes {
            bytes if has_messages => format!(" with message_max_bytes = {bytes}"),
            _ => String::new(),
        };
        let remedy = match (fits, has_messages) {
            (0, true) => "message_max_bytes has to be smaller".to_owned(),
            (0, false) => "no connection would fit".to_owned(),
            (fits, true) => {
                format!("connections_max = {fits} would fit, or a smaller message_max_bytes")
            }
            (fits, false) => format!("connections_max = {fits} would fit"),
        };
        format!(
            "connections_max = {connections_max}{cause} may take {} of memory, and there is {}: {remedy}",
            mebibytes(BASE + each + each.saturating_mul(connections_max)),
            mebibytes(memory),
        )
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

/// What one connection may hold, in bytes: its place in the slab, a partial message, and the reply to
/// one read that its peer does not take. The kernel's buffers are not counted.
fn per_connection(rules: &Rules) -> u64 {
    let (message, read) = (rules.message_max_bytes as u64, echo::read_max_bytes(rules) as u64);
    let held = match (rules.framing, rules.reply) {
        // A stream has no messages, so nothing waits for its end.
        (Framing::Stream, _) => read,
        (Framing::Line, Reply::Echo) => message + read,
        (Framing::Line, Reply::Acknowledge) => {
            echo::acknowledgement_max_bytes(message) + read * SHORTEST_REPLY
        }
    };
    // The partial message has become a part of the reply. A new one is the rest of the same read, which
    // is counted already.
    SLOT + held
}

/// A connection without heap memory, with its deadline.
const SLOT: u64 = 160;

/// The acknowledgement of the shortest message, which is only a newline, in bytes.
const SHORTEST_REPLY: u64 = 36;

/// What the process takes without connections: program, log and tables, in bytes.
const BASE: u64 = 8 * 1024 * 1024;

/// How much memory this process may have, in bytes: the memory of the machine or the smallest limit of
/// its control groups (`cgroups(7)`), of version 1 or 2. `None` where the system does not tell.
fn limit() -> Option<u64> {
    limit_below(Path::new("/"))
}

fn limit_below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limits_of_group(root, line));
    limits.chain(machine(root)).min()
}

/// `7:memory:/docker/1a2b` in version 1, `0::/user.slice` in version 2.
fn limits_of_group(root: &Path, line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        list if list.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    // In a container the mount may begin at the container's own group, whatever the path says. Then
    // the path's directories do not exist, and the mount's own file counts.
    let directories = Path::new(path.trim_start_matches('/')).ancestors();
    let read = |directory: &Path| {
        let text = fs::read_to_string(root.join(mount).join(directory).join(file)).ok()?;
        text.trim().parse().ok()
    };
    directories.filter_map(read).collect()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths and contents.
    type Files<'a> = &'a [(&'a str, &'a str)];

    /// A root directory with these files in it. Dropping it removes them.
    struct Root(std::path::PathBuf);

    impl Root {
        fn new(name: &str, files: Files) -> Root {
            let root =
                std::env::temp_dir().join(format!("echo-memory-{}-{name}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
                fs::write(path, content).expect("writable");
            }
            Root(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_counts() {
        let cases: &[(&str, Files, Option<u64>)] = &[
            ("machine", &[MEMINFO, ("proc/self/cgroup", "0::/\n")], Some(1_024_000)),
            (
                "version-2",
                &[
                    MEMINFO,
                    ("proc/self/cgroup", "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                    ("sys/fs/cgroup/a/memory.max", "500000\n"),
                ],
                Some(500_000),
            ),
            (
                "version-1",
                &[
                    MEMINFO,
                    ("proc/self/cgroup", "3:cpu,memory:/docker/1a\n1:name=systemd:/\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "400000\n"),
                ],
                Some(400_000),
            ),
            (
                "none-of-version-1",
                &[
                    MEMINFO,
                    ("proc/self/cgroup", "3:memory:/\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(1_024_000),
            ),
            ("nothing", &[("proc/other", "")], None),
        ];
        for (name, files, limit) in cases {
            assert_eq!(limit_below(&Root::new(name, files).0), *limit, "{name}");
        }
    }

    const CONTAINER: u64 = 256 * 1024 * 1024;

    fn rules(framing: Framing, reply: Reply, message_max_bytes: usize) -> Rules {
        let (messages_per_connection, messages_are_logged) = (1, true);
        Rules { framing, reply, messages_per_connection, message_max_bytes, messages_are_logged }
    }

    #[test]
    fn the_defaults_fit_the_container() {
        let rules = rules(Framing::Line, Reply::Echo, 16 * 1024);
        assert_eq!(shortage_in(CONTAINER, &rules, 1000), None);
    }

    #[test]
    fn a_shortage_names_its_keys_and_what_would_fit() {
        let large = 16 * 1024 * 1024;
        let acknowledged = rules(Framing::Line, Reply::Acknowledge, large);
        let stream = rules(Framing::Stream, Reply::Echo, large);
        for (rules, memory, connections_max, shortage) in [
            (
                &acknowledged,
                CONTAINER,
                1000,
                "connections_max = 1000 with message_max_bytes = 16777216 may take 64107 MiB of memory, \
                 and there is 256 MiB: connections_max = 2 would fit, or a smaller message_max_bytes",
            ),
            (
                &acknowledged,
                1,
                1000,
                "connections_max = 1000 with message_max_bytes = 16777216 may take 64107 MiB of memory, \
                 and there is 0 MiB: message_max_bytes has to be smaller",
            ),
            // The length of a message does not count.
            (
                &stream,
                CONTAINER,
                10_000,
                "connections_max = 10000 may take 634 MiB of memory, and there is 256 MiB: \
                 connections_max = 3957 would fit",
            ),
            (
                &stream,
                1,
                1,
                "connections_max = 1 may take 8 MiB of memory, and there is 0 MiB: no connection would fit",
            ),
        ] {
            assert_eq!(shortage_in(memory, rules, connections_max).as_deref(), Some(shortage));
        }
        assert_eq!(shortage_in(CONTAINER, &stream, 1000), None);
    }
}
