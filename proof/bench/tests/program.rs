//! The program as its user runs it, with the C floor and with servers that lie.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use echo_harness::child::OwnedChild;
use echo_harness::command::{Finished, is_available, run};
use echo_harness::wait::{PATIENCE, until};
use echo_harness::{proc, strace};
use rustix::process::Signal;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// The directory with the C floor, or `None` with a line that says what is missing.
fn floor() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let out = format!("OUT={}", directory.display());
        let is_built = is_available(&["gcc", "--version"])
            && is_available(&["make", "-s", "-C", PEERS, "c", &out]);
        is_built.then_some(directory)
    };
    BUILT.get_or_init(build).as_deref()
}

/// An empty directory to run in.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn bench(directory: &Path, peers: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.current_dir(directory).arg("--quick").arg("--peers").arg(peers).args(arguments);
    command
}

#[test]
fn a_quick_run_leaves_results_tables_and_a_plot() {
    let Some(peers) = floor() else { return };
    let directory = directory("quick");
    let Finished { code, stdout, stderr } =
        run(&mut bench(&directory, peers, &["--servers", "c-epoll,c-epoll-shutdown,go"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("- go is skipped: "), "{stdout}");

    let part = directory.join("target/performance");
    let results = fs::read_to_string(part.join("results.tsv")).unwrap();
    let count = |start: &str| results.lines().filter(|line| line.starts_with(start)).count();
    let measures = ["burst", "stream", "pipeline", "bulk", "throughput", "idle"];
    assert_eq!(measures.map(count), [2, 1, 2, 1, 1, 1], "{results}");
    assert_eq!(count("fact\tkernel\tLinux "), 1, "{results}");
    let plot = fs::read_to_string(part.join("cpu-per-message.svg")).unwrap();
    assert!(plot.contains("c-epoll-shutdown"), "{plot}");

    if strace::can_count() {
        assert!(results.contains("calls\tburst\tc-epoll\t"), "{results}");
        let floor = "calls\tstream\tc-epoll\tread 1.000 sendto 1.000 epoll_wait 0.0";
        assert!(results.contains(floor), "{results}");
    }
}

#[test]
fn a_server_that_lies_is_noticed() {
    if !is_available(&["python3", "--version"]) {
        return;
    }
    let lies = [
        ("byte", "wrong reply"),
        ("stale", "wrong reply"),
        ("twice", "wrong reply"),
        ("short", "closed before it answered"),
    ];
    for (lie, complaint) in lies {
        let directory = directory(&format!("liar-{lie}"));
        let liar = directory.join("c-epoll");
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/liar.py"), &liar).unwrap();
        fs::set_permissions(&liar, fs::Permissions::from_mode(0o755)).unwrap();
        let only = ["--servers", "c-epoll", "--measures", "burst,stream,pipeline,bulk"];
        let Finished { code, stdout, .. } = run(&mut bench(&directory, &directory, &only));
        assert_eq!(code, Some(1), "{lie}: {stdout}");
        // A server that closes in the middle of a pipeline resets it.
        let measures = if complaint == "wrong reply" { 4 } else { 2 };
        for measure in ["burst", "stream", "pipeline", "bulk"].into_iter().take(measures) {
            let is_it = |line: &str| {
                line.starts_with(&format!("- Failed: {measure} ")) && line.contains(complaint)
            };
            assert!(stdout.lines().any(is_it), "{lie}, {measure}: {stdout}");
        }
    }
}

#[test]
fn an_interrupted_run_leaves_no_server() {
    let Some(peers) = floor() else { return };
    let mut command = bench(&directory("interrupted"), peers, &["--servers", "c-epoll"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = OwnedChild::spawn(&mut command).unwrap();
    let server = proc::wait_for_child(run.pid(), "c-epoll");
    run.signal(Signal::INT).unwrap();
    assert_eq!(run.wait(PATIENCE).unwrap().code(), Some(1));
    until("the server's end", || proc::activity(server).is_err());
}

#[test]
fn wrong_usage_is_named() {
    for (words, named) in [(["--servers", "nobody"], "nobody"), (["--measures", "speed"], "speed")]
    {
        let nowhere = directory("usage");
        let Finished { code, stderr, .. } = run(&mut bench(&nowhere, &nowhere, &words));
        assert_eq!(code, Some(2));
        assert!(stderr.contains(named), "{stderr}");
    }
}
