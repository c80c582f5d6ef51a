//! The machine of a run: what it is, what its limits allow, and which versions are on it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::peers::Places;

/// Descriptors that a program needs beside its connections, with room to spare.
const SPARE_DESCRIPTORS: u64 = 100;

/// Raises this process' soft descriptor limit to the hard one; servers inherit it. The number of
/// connections that fit one process then.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_descriptor_limit() -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised)?;
    let descriptors = limit.maximum.unwrap_or(u64::from(u32::MAX));
    Ok(usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX))
}

/// The longest listen queue that the kernel grants, in connections.
///
/// # Errors
/// When `/proc` can't be read.
pub fn somaxconn() -> io::Result<u32> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn")?;
    text.trim().parse().map_err(io::Error::other)
}

/// How many connections the kernel's firewall can track, if it tracks those of this loopback: that adds
/// to the cost of every packet, and when the table is full, connections fail.
#[must_use]
pub fn connections_tracked_max() -> Option<u64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let _connection = TcpStream::connect(listener.local_addr().ok()?).ok()?;
    let read = |name: &str| -> Option<u64> {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    (read("count")? > 0).then(|| read("max")).flatten()
}

/// What the machine is: name and value.
#[must_use]
pub fn describe() -> Vec<[String; 2]> {
    let kernel = rustix::system::uname();
    let mut rows = vec![
        row("processors", &processors()),
        row("memory", &memory()),
        row(
            "kernel",
            &format!(
                "{} {}",
                kernel.sysname().to_string_lossy(),
                kernel.release().to_string_lossy()
            ),
        ),
    ];
    if let Ok(backlog) = somaxconn() {
        rows.push(row("net.core.somaxconn", &backlog.to_string()));
    }
    let tracking = connections_tracked_max();
    let tracking = tracking.map_or("off".into(), |max| format!("on, {max} connections at most"));
    rows.push(row("connection tracking", &tracking));
    if let Some(descriptors) = getrlimit(Resource::Nofile).maximum {
        rows.push(row("descriptors per process", &descriptors.to_string()));
    }
    rows
}

/// Versions of what the servers are made of: name and value. What is not here has no row.
#[must_use]
pub fn versions(places: &Places) -> Vec<[String; 2]> {
    let python = places.built.join("venv/bin/python");
    let python = if python.exists() { python.as_path() } else { Path::new("python3") };
    let libuv = "import ctypes; u = ctypes.CDLL('libuv.so.1').uv_version_string; \
        u.restype = ctypes.c_char_p; print(u().decode())";
    let found = [
        ("echo-reactor", first_line(&places.reactor, &["--version"])),
        ("rustc", first_line(Path::new("rustc"), &["--version"])),
        ("tokio", tokio_version(&places.sources.join("tokio-echo/Cargo.lock"))),
        ("gcc", first_line(Path::new("gcc"), &["--version"])),
        ("libuv", first_line(python, &["-c", libuv])),
        ("go", first_line(Path::new("go"), &["version"])),
        ("python", first_line(python, &["--version"])),
        ("uvloop", first_line(python, &["-c", "import uvloop; print(uvloop.__version__)"])),
    ];
    let found = found.into_iter();
    found.filter_map(|(name, version)| Some(row(name, &version?))).collect()
}

fn row(name: &str, value: &str) -> [String; 2] {
    [name.to_string(), value.to_string()]
}

/// All of the machine's: this process may be pinned to one of them.
fn processors() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let values = |key: &'static str| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.filter(move |(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    let name = values("model name").next().unwrap_or(std::env::consts::ARCH);
    format!("{} x {name}", values("processor").count())
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or("unknown".into(), |kibibytes| format!("{} GiB", (kibibytes + (1 << 19)) >> 20))
}

fn first_line(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_string())
}

fn tokio_version(lock: &Path) -> Option<String> {
    locked_version(&fs::read_to_string(lock).ok()?, "tokio")
}

fn locked_version(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_tells_a_version() {
        let lock = "[[package]]\nname = \"mio\"\nversion = \"1.2.3\"\n\n\
            [[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\nsource = \"x\"\n";
        assert_eq!(locked_version(lock, "tokio").as_deref(), Some("1.54.1"));
        assert_eq!(locked_version(lock, "tok"), None);
    }

    #[test]
    fn the_machine_is_described() {
        let rows = describe();
        assert!(rows.iter().any(|[name, value]| name == "kernel" && value.starts_with("Linux ")));
        assert!(rows.iter().any(|[name, value]| name == "memory" && value.ends_with("GiB")));
    }
}
