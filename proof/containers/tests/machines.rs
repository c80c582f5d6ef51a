//! The commands on the machines that people have: without Rust, without Docker, without Linux, in any clone.

use std::fs::{self, read_to_string};
use std::path::Path;
use std::process::Command;

use echo_containers::{
    Directory, Output, checkout, command, engine, run, run_as, run_with, script_beside,
};
use echo_harness::command::is_available;

/// What `uname` and `rustc` say elsewhere.
const MAC: (&str, &str) = ("uname", "echo Darwin");
const OLD_RUST: [(&str, &str); 2] =
    [("cargo", "echo cargo 1.75.0"), ("rustc", "echo 'rustc 1.75.0 (82e1608df 2023-12-21)'")];

fn make(target: &str) -> Command {
    let mut make = command("make");
    make.arg(target).current_dir(checkout()).env("ECHO_PREFIX", "fake-");
    make
}

/// Panics unless the command has told one error, like `reason`; make adds that it has failed.
#[track_caller]
fn assert_refused(output: Output, reason: &str) {
    let output = output.failed().says(&format!("error: *{reason}*"));
    let own = output.text.lines().filter(|line| !line.starts_with("make: *** ")).count();
    assert_eq!(own, 1, "{output}");
}

#[test]
fn on_another_system_one_line_says_what_works_there() {
    for target in ["build", "demo", "test", "test-containers", "simulate", "drill", "soak", "bench"]
    {
        let output = run_as(&[MAC], &mut make(target));
        assert_refused(output, "for Linux, not for Darwin: *make docker-compose-up");
    }
    for (docker, line) in [
        (None, "Docker is not installed: install Docker Desktop (*)"),
        (Some("exit 1"), "no Docker engine answers: *; start Docker Desktop, or*"),
        (Some("echo 'permission denied' >&2; exit 1"), "is Docker Desktop running as this user*"),
    ] {
        let commands: Vec<_> =
            [MAC].into_iter().chain(docker.map(|text| ("docker", text))).collect();
        let output = run_as(&commands, &mut make("docker-compose-up"));
        for elsewhere in ["*make demo*", "*systemctl*", "*sudo*"] {
            assert_eq!(output.count(elsewhere), 0, "{output}");
        }
        assert_refused(output, line);
    }
    // Not even with a cargo that could build for it.
    let offline = engine("pull*) echo 'no route' >&2; exit 1 ;; image*) exit 1 ;;");
    let commands = [MAC, ("docker", &offline), ("cargo", "exit 0"), ("rustc", "exit 0")];
    run_with(&commands, "build-images", "")
        .failed()
        .says("error: containers cannot run programs that Darwin builds: *docker pull rust:*");
}

#[test]
fn without_rust_or_with_an_old_one_a_build_says_what_to_install() {
    let broken = [
        ("cargo", "echo 'error: no default is configured' >&2; exit 1"),
        ("rustc", "echo 'error: no default is configured' >&2; exit 1"),
    ];
    for (commands, lack) in [
        (&[][..], "cargo is not installed"),
        (&OLD_RUST, "Rust 1.75.0 is too old"),
        (&broken, "cargo does not run (error: no default is configured)"),
    ] {
        let remedy = "install Rust 1.88 or later (https://rustup.rs)";
        for target in ["build", "demo", "soak", "bench"] {
            let output = run_as(commands, &mut make(target));
            assert_refused(output, &format!("{lack}: {remedy}; *make docker-compose-up"));
        }
        // The tests need one of the two.
        let output = run_as(commands, &mut make("test"));
        assert_refused(output, &format!("{lack}, and Docker is not installed: {remedy}, or *"));
        let stopped = [commands, &[("docker", "echo 'Cannot connect' >&2; exit 1")]].concat();
        let output = run_as(&stopped, &mut make("test"));
        assert_refused(
            output,
            &format!("no Docker engine answers: Cannot connect; *; or: {remedy}"),
        );
        let offline = engine("pull*) echo 'no route' >&2; exit 1 ;; image*) exit 1 ;;");
        let offline = [commands, &[("docker", &*offline)]].concat();
        let line = format!(
            "error: {lack}, and the image rust:* cannot be pulled (no route): {remedy}, or *"
        );
        run_as(&offline, &mut make("test")).failed().says(&line);
    }
}

/// Each program that the builder's image has compiled is run here, in the folder of its package.
#[test]
fn without_rust_the_builder_compiles_the_tests_and_this_machine_runs_them() {
    let place = Directory::new();
    let packages = ["echo-one", "proof/containers"].map(|name| place.path(name));
    let tests = packages.each_ref().map(|folder| {
        fs::create_dir_all(folder).unwrap();
        let name = folder.replace(['/', ' '], "-");
        place.add_program(&name, "echo \"RUN in $PWD: $*\"; echo 'no strace' >>\"$ECHO_SKIPPED\"")
    });
    let line =
        |profile: &str, which: usize| format!("{profile}\\t{}\\t{}", packages[which], tests[which]);
    let lines = [line("debug", 0), line("debug", 1), line("release", 0)].join("\\n");
    let builder =
        engine(&format!("'volume create '*) ;; run*) echo \"$*\" >&2; printf '{lines}\\n' ;;"));
    let docker = [("docker", &*builder)];
    let output = run_as(&docker, &mut make("test")).succeeded();
    let root = checkout().display();
    let output = output.says(&format!(
        "run --rm * --mount type=bind,\"source={root}\",\"target={root}\" --workdir {root} rust:* \
         sh docker/compile-tests.sh"
    ));
    let runs: Vec<&str> = output.text.lines().filter(|line| line.starts_with("RUN in ")).collect();
    let [one, containers] = &packages;
    let expected = [(one, ""), (containers, ""), (one, ""), (containers, "--ignored")]
        .map(|(folder, arguments)| format!("RUN in {folder}: {arguments}"));
    assert_eq!(runs, expected, "{output}");
    let output = output.says("All tests that can run here have passed.*");
    let output = output.says("* 4 no strace").says("* 1 no rustfmt*").says("* 1 no clippy*");
    // An old Rust is none.
    let old = [&docker[..], &OLD_RUST].concat();
    run_as(&old, &mut make("test")).succeeded().says("Rust 1.75.0 is too old: rust:* compiles *");
    // Where a warning is an error, so is a check that cannot be made.
    run_as(&docker, make("test").env("STRICT", "1")).failed().says("error: no rustfmt*STRICT*");
    assert_eq!(output.count("error: *"), 0, "{output}");
}

#[test]
fn a_test_that_fails_and_one_that_does_not_compile_fail_the_whole() {
    let place = Directory::new();
    let test = place.add_program("test", "exit 101");
    let folder = place.path("");
    let failing =
        engine(&format!("'volume create '*) ;; run*) printf 'debug\\t{folder}\\t{test}\\n' ;;"));
    let output = run_as(&[("docker", &failing)], &mut script_beside("test", ""));
    output.failed().says(&format!("error: a test has failed: cd {folder} && {test}*"));
    let broken = engine("'volume create '*) ;; run*) exit 101 ;;");
    let output = run_as(&[("docker", &broken)], &mut script_beside("test", ""));
    output.failed().says("error: the tests were not compiled: *");
}

#[test]
fn a_new_lint_is_a_warning_unless_warnings_are_errors() {
    // Cargo hands everything else to a shell that succeeds.
    let clippy = "case \"$*\" in
            --version) echo cargo 1.99.0 ;;
            'fmt --all --check') exit 1 ;;
            'clippy --workspace '*) echo \"LINTS $*\" ;;
            'build '*)
                mkdir -p target/release
                for word; do
                    case $word in echo-*) : >target/release/$word; chmod +x target/release/$word ;; esac
                done ;;
        esac";
    let place = Directory::new();
    let mut copy = command("cp");
    copy.args([
        "-R",
        "Makefile",
        "Cargo.toml",
        "Cargo.lock",
        ".dockerignore",
        "config.yaml",
        "docker",
    ]);
    run(copy.arg(place.path("")).current_dir(checkout())).succeeded();
    let rust = [("cargo", clippy), ("rustc", "echo rustc 1.99.0")];
    let output = run_as(&rust, make("test").current_dir(place.path(""))).succeeded();
    let output = output.says("warning: not formatted *").says("LINTS *-- --cap-lints warn");
    output.says("All tests have passed");
    let output = run_as(&rust, make("test").current_dir(place.path("")).env("STRICT", "1"));
    output.failed().says("error: not formatted: cargo fmt --all");
}

#[test]
fn a_command_that_ignores_sigterm_is_ended_at_its_limit() {
    let stubborn = "pull*) trap '' TERM; while :; do sleep 1; done ;; image*) exit 1 ;;";
    let mut images = script_beside("build-images", "");
    let output = run_as(&[("docker", &engine(stubborn))], images.env("PULL_TIMEOUT", "1"));
    output.failed().says("*cannot be pulled*").says("error: cargo is not installed*");
}

#[test]
fn an_image_that_stays_in_its_builder_is_no_image() {
    let docker = engine("build*) ;;");
    let output = run_with(&[("docker", &docker)], "build-images", "").failed();
    output
        .says("error: the engine did not get echo-reactor:fake-latest *docker buildx use default");
}

/// The words of the real command, where there is one. They need no engine.
#[test]
fn an_engine_that_cannot_be_reached_is_named_with_what_to_do() {
    if !is_available(&["docker", "--version"]) {
        return;
    }
    for (variables, line) in [
        (
            &[("DOCKER_CONTEXT", "gone")][..],
            "\"gone\"*docker context ls shows*unset DOCKER_CONTEXT*",
        ),
        (
            &[("DOCKER_HOST", "tcp://127.0.0.1:1")],
            "tcp://127.0.0.1:1*DOCKER_HOST=tcp://127.0.0.1:1 names the engine*",
        ),
        (
            &[("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nowhere")],
            "/nowhere*DOCKER_CERT_PATH*",
        ),
    ] {
        let mut up = script_beside("up", "");
        run(up.envs(variables.iter().copied()))
            .complains(&format!("no Docker engine answers: *{line}"));
    }
}

/// macOS cannot be tried here. These are what its tools, or those of `BusyBox`, lack.
#[test]
fn no_script_for_users_needs_gnu() {
    const COMMANDS: [&str; 7] = ["seq", "timeout", "realpath", "readlink", "stat", "tac", "setsid"];
    const OPTIONS: [&str; 10] = [
        "grep -vxF -f",
        "xargs -r",
        "sed -i",
        "sed -r",
        "grep -P",
        "date -d",
        "mktemp -t",
        "echo -",
        "cp -a",
        "\\|",
    ];
    // These run in an image.
    const ELSEWHERE: [&str; 4] =
        ["netcat-cases.sh", "netcat-kit.sh", "parallel-cases.sh", "compile-tests.sh"];
    let is_for_users = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "sh")
            && !ELSEWHERE.iter().any(|name| path.ends_with(name))
    };
    let files = fs::read_dir(checkout().join("docker")).unwrap().map(|entry| entry.unwrap().path());
    for script in files.filter(|path| is_for_users(path)) {
        for line in read_to_string(&script).unwrap().lines().map(str::trim) {
            let commands = line.split(['|', '&', ';', '(', '{', '!']);
            let mut first_words =
                commands.filter_map(|command| command.split(' ').find(|word| !word.is_empty()));
            let has_command = first_words.any(|word| COMMANDS.contains(&word));
            let has_option = OPTIONS.iter().any(|words| line.contains(words));
            assert!(!has_command && !has_option, "{}: {line}", script.display());
        }
    }
}

#[test]
fn systemd_knows_every_line_of_the_unit_in_the_readme() {
    if !is_available(&["systemd-analyze", "--version"]) {
        return;
    }
    let readme = read_to_string(checkout().join("README.md")).unwrap();
    let (_, unit) = readme.split_once("```ini\n").expect("the unit");
    let (unit, _) = unit.split_once("```").expect("its end");
    let place = Directory::new();
    let file = place.path("echo-reactor.service");
    // It has to be there, and is installed by hand.
    let program = "/usr/local/bin/echo-reactor";
    assert!(unit.contains(program));
    fs::write(&file, unit.replace(program, "/bin/sh")).unwrap();
    let output = run(command("systemd-analyze").args(["verify", &file])).succeeded();
    assert_eq!(output.text, "");
}

fn is_a_clone() -> bool {
    is_available(&["git", "-C", &checkout().display().to_string(), "rev-parse", "HEAD"])
}

/// A file that begins with its interpreter is to be run, any other is to be sourced.
#[test]
fn the_scripts_that_can_be_run_are_those_that_are_to_be_run() {
    if !is_a_clone() {
        return;
    }
    let list = ["ls-files", "--stage", "*.sh", ".ci/run"];
    let files = run(command("git").args(list).current_dir(checkout())).succeeded();
    for file in files.text.lines() {
        let (numbers, name) = file.split_once('\t').expect("mode, object and stage, then the name");
        let has_interpreter = read_to_string(checkout().join(name)).unwrap().starts_with("#!");
        assert_eq!(numbers.starts_with("100755 "), has_interpreter, "{name}");
    }
}

#[test]
fn a_clone_with_other_line_ends_has_none_where_they_matter() {
    if !is_a_clone() {
        return;
    }
    let place = Directory::new();
    let clone = place.path("clone");
    let settings = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"];
    let mut git = command("git");
    git.args(settings).args(["clone", "--quiet", "--no-hardlinks"]).arg(checkout()).arg(&clone);
    run(&mut git).succeeded();
    let files = run(command("git").args(["-C", &clone, "ls-files"])).succeeded();
    for file in files.text.lines() {
        let content = fs::read(format!("{clone}/{file}")).unwrap();
        let is_text = !content.contains(&0);
        assert!(!is_text || !content.contains(&b'\r'), "{file}");
    }
}
