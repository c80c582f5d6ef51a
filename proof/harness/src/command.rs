//! Programs: where they are, how to start them, and how to run one to its end.

use std::env;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::child::OwnedChild;
use crate::skip;
use crate::wait::PATIENCE;

/// A program of the package that is tested: cargo has built it beside the directory of the tests.
pub fn program(name: &str) -> PathBuf {
    let program = build_directory().join(name);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// A program of another package. It is built here, because cargo builds only those of the tested one.
pub fn build(package: &str) -> PathBuf {
    let directory = build_directory();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--package", package]);
    cargo.args(directory.ends_with("release").then_some("--release"));
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.arg("--target-dir").arg(directory.parent().expect("it lies in target"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
    match cargo.output() {
        Ok(output) => {
            assert!(output.status.success(), "{package} can't be built");
            let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
            // Whatever target cargo's configuration names.
            let program = messages.rsplit_once("\"executable\":\"").expect("a program").1;
            PathBuf::from(program.split('"').next().expect("the end of a string"))
        }
        // Without cargo, `make test` has had it built beside the tests.
        Err(error) if error.kind() == ErrorKind::NotFound => program(package),
        Err(error) => panic!("cargo cannot start: {error}"),
    }
}

/// Where the build has put the programs: tests lie in its `deps`.
fn build_directory() -> PathBuf {
    let test = env::current_exe().expect("this process has a program");
    test.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps").to_owned()
}

/// A command in an environment without settings of the programs.
pub fn without_settings(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let is_setting = |name: &str| {
            let prefixes = ["SERVER_", "CLI_", "SCOPE_", "LOG_"];
            name == "RUST_LOG" || prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
    command
}

/// The exit code and the output of a program that has ended.
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program that ends by itself.
pub fn run(command: &mut Command) -> Finished {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = OwnedChild::spawn(command).expect("the program can start");
    let stdout = child.stdout().expect("a pipe");
    let stderr = child.stderr().expect("a pipe");
    let stdout = thread::spawn(|| read(stdout));
    let stderr = thread::spawn(|| read(stderr));
    let code = child.wait(PATIENCE).expect("it ends").code();
    Finished {
        code,
        stdout: stdout.join().expect("output can be read"),
        stderr: stderr.join().expect("output can be read"),
    }
}

fn read(mut source: impl Read) -> String {
    let mut text = String::new();
    source.read_to_string(&mut text).expect("output is text");
    text
}

/// Whether `command` works on this machine; if not, says so where a captured test can't hide it.
pub fn is_available(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { panic!("a program") };
    let mut trial = Command::new(program);
    let trial = trial.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let works = trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !works {
        skip::say(&format!("no {program}"), &format!(": {} does not work", command.join(" ")));
    }
    works
}
