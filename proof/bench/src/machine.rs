//! Where and when a run was, and what this machine allows.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::peers::Limits;

/// Longer than any burst. The kernel caps it.
const BACKLOG: u32 = 4096;
/// What a program needs besides its connections, with room to spare.
const SPARE_DESCRIPTORS: u64 = 100;

/// Raises this process's descriptor limit, which servers inherit, and returns what fits then.
pub(crate) fn raise_limits() -> io::Result<Limits> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let connections = maximum.unwrap_or(1 << 20).saturating_sub(SPARE_DESCRIPTORS);
    let somaxconn = fs::read_to_string("/proc/sys/net/core/somaxconn")?;
    Ok(Limits {
        backlog: BACKLOG.min(somaxconn.trim().parse().map_err(io::Error::other)?),
        connections: usize::try_from(connections.min(1 << 20)).map_err(io::Error::other)?,
    })
}

/// What a shell says of the machine and of what the servers are made of.
const FACTS: [(&str, &str); 14] = [
    (
        "processors",
        "awk -F ': ' '/^model name/ { n++; name = $2 } END { print n \" x \" name }' /proc/cpuinfo",
    ),
    ("memory", "awk '/^MemTotal/ { printf \"%.0f GiB\", $2 / 1048576 }' /proc/meminfo"),
    ("kernel", "uname -sr"),
    ("net.core.somaxconn", "cat /proc/sys/net/core/somaxconn"),
    ("network interfaces", "awk -F : 'NR > 2 { printf \"%s \", $1 }' /proc/net/dev"),
    ("descriptors per process", "ulimit -n"),
    ("echo-reactor", "\"$REACTOR\" --version"),
    ("rustc", "rustc --version"),
    (
        "tokio",
        "sed -n '/^name = \"tokio\"/ { n; s/.*\"\\(.*\\)\"/\\1/p }' \"$PEERS/tokio-echo/Cargo.lock\"",
    ),
    ("gcc", "gcc --version"),
    ("libuv", "sed -n 's/^Version: //p' /usr/lib/*/pkgconfig/libuv.pc"),
    ("go", "go version"),
    ("python", "\"$PYTHON\" --version"),
    ("uvloop", "\"$PYTHON\" -c 'import uvloop; print(uvloop.__version__)'"),
];

/// When and where the run begins: name and value. A tool that is missing has no row.
pub(crate) fn facts(reactor: &Path, python: &Path) -> Vec<(String, String)> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let fact = |(name, script): (&str, &str)| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("REACTOR", reactor).env("PYTHON", python);
        shell.env("PEERS", concat!(env!("CARGO_MANIFEST_DIR"), "/peers"));
        let text = String::from_utf8_lossy(&shell.output().ok()?.stdout).into_owned();
        let value = text.lines().next()?.trim().to_string();
        (!value.is_empty()).then_some((name.to_string(), value))
    };
    let date = ("date".to_string(), now);
    std::iter::once(date).chain(FACTS.into_iter().filter_map(fact)).collect()
}
