//! A machine that lacks something: a script runs with other commands than this machine has.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::run::{Output, run, script};

/// A directory of its own.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("echo-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a directory of our own");
        Directory(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// A script for sh, as a program.
    pub fn add_program(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        // Never what a link of this name leads to.
        let mut file = File::create_new(&path).expect("a new program");
        write!(file, "#!/bin/sh\n{text}\n").expect("a program");
        file.set_permissions(Permissions::from_mode(0o755)).expect("a program of our own");
        path
    }

    /// An empty configuration that every user can read.
    pub fn add_config(&self, name: &str) -> String {
        let path = self.path(name);
        fs::write(&path, "").expect("a file of our own");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a file of our own");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A `docker` whose engine has nothing yet. `cases` are tried first: cases of a shell's `case` on all arguments.
pub fn engine(cases: &str) -> String {
    format!(
        "case \"$*\" in
            {cases}
            'version --format '*) echo '1.47 linux' ;;
            'compose version' | ps* | 'network ls'*) ;;
            'image inspect --format {{{{.Size}}}}'*) echo 1000000 ;;
            'image inspect --format {{{{index'*) cat \"$0.sources\" ;;
            'image inspect --format '*) ;;
            'image inspect rust:'*) ;;
            build*)
                echo \"BUILD $*\"
                echo \"$*\" | sed 's/.*--label echo-reactor.sources=//; s/ .*//' >\"$0.sources\" ;;
            run*) echo '  level: info' ;;
            compose*) echo \"docker $* ($ECHO_SUBNET)\"; exit 3 ;;
            *) exit 1 ;;
        esac"
    )
}

/// Runs a script on a machine without Docker and Rust, but with these commands: each is a script.
pub fn run_with(commands: &[(&str, &str)], name: &str, argument: &str) -> Output {
    run_as(commands, &mut script_beside(name, argument))
}

/// A script that does not work on this user's environment.
pub fn script_beside(name: &str, argument: &str) -> Command {
    let mut script = script(name, &[argument]);
    script.env("ECHO_PREFIX", "fake-");
    script
}

/// Runs a command on such a machine. It has these tools, and no others.
pub fn run_as(commands: &[(&str, &str)], command: &mut Command) -> Output {
    const TOOLS: &str = "awk cat chmod cksum cmp cp cut date dirname env find git grep head id ln ls make mkdir mkfifo mktemp \
         mv rm rmdir sed sh sleep sort tail tee touch tr uname uniq wc xargs";
    let directory = Directory::new();
    let path = env::var_os("PATH").expect("a path");
    let is_replaced = |tool: &str| commands.iter().any(|(name, _)| tool == *name);
    for tool in TOOLS.split_whitespace().filter(|tool| !is_replaced(tool)) {
        let mut places = env::split_paths(&path).map(|place| place.join(tool));
        if let Some(found) = places.find(|place| place.is_file()) {
            symlink(found, directory.0.join(tool)).expect("a link of our own");
        }
    }
    for (name, text) in commands {
        directory.add_program(name, text);
    }
    let is_set = |command: &Command, variable: &str| {
        command.get_envs().any(|(name, value)| name == variable && value.is_some())
    };
    // That of the checkout may be for its owner's eyes only.
    if !is_set(command, "ECHO_CONFIG") {
        command.env("ECHO_CONFIG", directory.add_config("config.yaml"));
    }
    // Its user may know that this machine cannot pull.
    if !is_set(command, "PULL_TIMEOUT") {
        command.env_remove("PULL_TIMEOUT");
    }
    run(command.env("PATH", &directory.0))
}
