//! Commands that run to their end, and what they say.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, fmt};

use echo_harness::child::OwnedChild;
use echo_harness::wait::{PATIENCE, Patience};
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};

/// Enough to build the images on a small machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Variables whose names begin like this would change what a script does.
const SETTINGS: [&str; 10] = [
    "SERVER_", "CLI_", "SCOPE_", "LOG_", "RUST_LOG", "ECHO_", "COMPOSE_", "MAKE", "MFLAGS",
    "STRICT",
];

/// The root of the checkout that is tested.
pub fn checkout() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = env::current_dir().expect("a current directory");
        let mut places = here.ancestors().chain(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors());
        let root = places.find(|place| place.join("docker/lib.sh").is_file());
        root.expect("this runs inside the checkout").to_owned()
    });
    &ROOT
}

/// A command without the settings that this process happens to have in its environment.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    let is_setting = |name: &str| SETTINGS.iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_setting)) {
        command.env_remove(name);
    }
    command
}

/// The command `docker/NAME.sh`.
pub fn script(name: &str, arguments: &[&str]) -> Command {
    script_of(checkout(), name, arguments)
}

/// The same of another checkout. Like make, this needs no execute bit, which a clone may have lost.
pub fn script_of(checkout: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = command("sh");
    command.arg(checkout.join(format!("docker/{name}.sh"))).args(arguments);
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    try_run(command, LIMIT, |_| ()).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs a command, and fails if it takes longer than `limit`. `started` gets its process id.
pub(crate) fn try_run(
    command: &mut Command,
    limit: Duration,
    started: impl FnOnce(i32),
) -> io::Result<Output> {
    // A file and not a pipe: if this process is killed, a script can still take away what it made.
    let mut output = File::from(memfd_create("output", MemfdFlags::CLOEXEC)?);
    // Processes and threads write into it at once. The offset of such a file has no lock.
    fcntl_setfl(&output, OFlags::APPEND)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let mut child = OwnedChild::spawn(command)?;
    started(child.pid().as_raw_nonzero().get());
    let status = child.wait(Patience { limit, ..PATIENCE });
    let mut bytes = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match status {
        Ok(status) => Ok(Output { code: status.code(), text }),
        Err(error) => Err(io::Error::new(error.kind(), format!("{error}:\n{text}"))),
    }
}

/// A command's output on both streams, and its exit code.
pub struct Output {
    pub code: Option<i32>,
    pub text: String,
}

// In patterns, `*` stands for any text.
impl Output {
    /// Panics unless the command has ended with code 0.
    #[track_caller]
    pub fn succeeded(self) -> Output {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Panics unless the command has ended with another code.
    #[track_caller]
    pub fn failed(self) -> Output {
        assert!(self.code.is_some_and(|code| code != 0), "{self}");
        self
    }

    /// Panics unless a line is like `pattern`.
    #[track_caller]
    pub fn says(self, pattern: &str) -> Output {
        assert!(self.count(pattern) > 0, "no line is like {pattern:?}\n{self}");
        self
    }

    /// Panics unless the last line ends like this.
    #[track_caller]
    pub fn ends_with(&self, text: &str) {
        assert!(self.text.trim_end().ends_with(text), "{self}");
    }

    /// Panics unless the command has failed with one line, like `reason`.
    #[track_caller]
    pub fn complains(self, reason: &str) {
        let output = self.failed().says(&format!("error: *{reason}*"));
        // Another test may hold the lock of this checkout for a moment.
        let lines = output.text.lines().filter(|line| !line.starts_with("Waiting for another "));
        assert_eq!(lines.count(), 1, "{output}");
    }

    /// How many lines are like `pattern`.
    pub fn count(&self, pattern: &str) -> usize {
        self.text.lines().filter(|line| is_like(line, pattern)).count()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "exit code {:?}, output:\n{}", self.code, self.text)
    }
}

pub fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, pattern)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut rest) = text.strip_prefix(start) else { return false };
    let (middle, end) = pattern.rsplit_once('*').unwrap_or(("", pattern));
    let finds = |part: &str| rest.split_once(part).map(|(_, behind)| rest = behind).is_some();
    middle.split('*').all(finds) && rest.ends_with(end)
}
