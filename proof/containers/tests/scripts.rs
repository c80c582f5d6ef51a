//! The scripts that need no Docker engine: the generator, what is found missing, the demo.

use std::fs::{self, Permissions, read_to_string};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::{env, process, thread};

use echo_containers::{Output, checkout, command, run, script};
use echo_harness::command::is_available;

/// A directory of the test that makes it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        let test = thread::current().name().unwrap_or_default().to_owned();
        let path = env::temp_dir().join(format!("echo-{}-{test}", process::id()));
        fs::create_dir(&path).expect("a directory of our own");
        Directory(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn generate(output: &str, clients: &str) -> Output {
    run(&mut script("generate-compose", &[output, clients]))
}

/// Runs a script on a machine without Docker and cargo, but with these commands: each is a script.
fn run_with(commands: &[(&str, &str)], name: &str, argument: &str) -> Output {
    const MISSING: [&str; 3] = ["docker", "docker-compose", "cargo"];
    let directory = Directory::new();
    let path = env::var_os("PATH").expect("a path");
    let places = env::split_paths(&path).filter_map(|place| fs::read_dir(place).ok());
    for tool in places.flatten().flatten() {
        let name = tool.file_name();
        if !MISSING.iter().any(|missing| name == *missing) {
            // It fails where an earlier place has the tool too.
            let _ = symlink(tool.path(), directory.0.join(name));
        }
    }
    for (command, text) in commands {
        let file = directory.path(command);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a command");
        fs::set_permissions(file, Permissions::from_mode(0o755)).expect("a command");
    }
    run(script(name, &[argument]).env("PATH", &directory.0))
}

#[test]
fn the_committed_definition_is_what_the_generator_writes_for_two_clients() {
    // In the folder of the generator itself, the configuration has a relative path.
    let root = Directory::new();
    fs::create_dir(root.path("docker")).expect("a directory of our own");
    let generator = root.path("docker/generate-compose.sh");
    fs::copy(checkout().join("docker/generate-compose.sh"), &generator).expect("a copy");
    let file = root.path("docker/docker-compose-dev.yaml");
    run(command(generator).args([&*file, "2"])).succeeded();
    let committed = checkout().join("docker/docker-compose-dev.yaml");
    assert_eq!(read_to_string(file).unwrap(), read_to_string(committed).unwrap());
}

#[test]
fn elsewhere_a_definition_names_the_configuration_by_its_whole_path() {
    let directory = Directory::new();
    let file = directory.path("compose.yaml");
    generate(&file, "2").succeeded();
    let definition = read_to_string(file).unwrap();
    let config = checkout().join("config.yaml").display().to_string();
    assert!(definition.contains(&config), "{definition}");
}

#[test]
fn a_definition_has_as_many_clients_as_wanted_and_a_subnet_for_them() {
    let directory = Directory::new();
    let file = directory.path("compose.yaml");
    for (clients, subnet) in [
        (0, "172.24.125.0/24"),
        (250, "172.24.125.0/24"),
        (251, "172.24.124.0/22"),
        (900, "172.24.124.0/22"),
    ] {
        generate(&file, &clients.to_string()).succeeded();
        let definition = read_to_string(&file).unwrap();
        let services = definition.lines().filter(|line| line.starts_with("  client"));
        let names = (1..=clients).map(|id| format!("  client{id}:"));
        assert!(services.eq(names), "{clients} clients:\n{definition}");
        let ids = definition.lines().filter(|line| line.contains("CLI_ID="));
        assert!(ids.eq((1..=clients).map(|id| format!("      - CLI_ID={id}"))), "{definition}");
        assert!(definition.contains(subnet), "{clients} clients:\n{definition}");
    }
}

#[test]
fn what_is_no_number_of_clients_is_refused_and_the_file_stays_as_it_is() {
    let directory = Directory::new();
    let file = directory.path("compose.yaml");
    fs::write(&file, "unchanged").unwrap();
    for clients in ["", "-1", "abc", "1.5", "901", "1000000000000000000000", "2; true"] {
        generate(&file, clients).complains("use 0 to 900");
        assert_eq!(read_to_string(&file).unwrap(), "unchanged", "{clients} clients");
    }
}

#[test]
fn a_directory_is_no_output_and_one_that_is_missing_is_named() {
    let directory = Directory::new();
    generate(&directory.path(""), "2").complains("is a directory");
    generate(&directory.path("missing/compose.yaml"), "2").complains("missing");
}

#[test]
fn docker_compose_is_preferred_to_its_old_name() {
    let both = [("docker", "echo \"docker $*\""), ("docker-compose", "echo \"docker-compose $*\"")];
    let output = run_with(&both, "compose", "ps");
    output.says("docker compose --project-name echo-reactor * ps");
}

#[test]
fn the_old_name_of_docker_compose_serves_where_the_plugin_is_missing() {
    let old =
        [("docker", "[ \"$1\" != compose ]"), ("docker-compose", "echo \"docker-compose $*\"")];
    let output = run_with(&old, "compose", "ps");
    output.says("docker-compose --project-name echo-reactor * ps");
}

#[test]
fn without_docker_compose_one_line_says_what_to_install() {
    run_with(&[("docker", "[ \"$1\" != compose ]")], "compose", "ps")
        .complains("docker-compose-plugin");
}

#[test]
fn without_docker_one_line_points_to_the_demo() {
    for name in ["up", "down", "scale", "netcat-test", "build-images"] {
        run_with(&[], name, "1").complains("make demo");
    }
}

#[test]
fn an_engine_that_does_not_answer_is_one_line_that_points_to_the_demo() {
    let dead = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";
    run_with(&[("docker", dead)], "up", "").complains("no Docker engine*make demo");
}

#[test]
fn a_user_whom_docker_refuses_gets_one_line_that_names_the_group() {
    let closed = "echo 'permission denied while trying to connect' >&2; exit 1";
    run_with(&[("docker", closed)], "up", "").complains("group \"docker\"");
}

#[test]
fn without_builder_image_and_cargo_one_is_told_what_to_install() {
    let offline = "case $1 in info) ;; *) exit 1 ;; esac";
    let output = run_with(&[("docker", offline)], "build-images", "").failed();
    output.says("error: cargo is not installed*docker pull rust:*");
}

#[test]
fn with_the_builder_image_docker_alone_builds_both() {
    let online =
        "case \"$1 $2\" in 'image inspect') echo 1000000 ;; build*) echo \"BUILD $*\" ;; esac";
    let output = run_with(&[("docker", online)], "build-images", "").succeeded();
    let output = output.says("BUILD *--file docker/Dockerfile --target echo-client*");
    output.says("echo-reactor:latest is ready, 1.00 MB");
}

#[test]
#[ignore = "needs the programs of make build: make test-containers"]
fn the_demo_ends_with_its_clients_finished_and_its_server_drained() {
    let output = run(&mut script("demo", &[])).succeeded();
    output.says("client3 *[CLIENT 3] Main loop finished").says("server *All sockets closed*");
}

#[test]
#[ignore = "needs the programs of make build: make test-containers"]
fn a_server_that_does_not_start_fails_the_demo() {
    run(script("demo", &[]).env("SERVER_CONNECTIONS_MAX", "none")).failed();
}

#[test]
fn make_lists_its_commands() {
    let mut output = run(command("make").current_dir(checkout())).succeeded();
    for target in [
        "docker-compose-up",
        "docker-compose-down",
        "docker-compose-logs",
        "docker-image",
        "build",
        "netcat-test",
        "scale",
        "demo",
        "test",
        "test-containers",
        "soak",
        "clean",
    ] {
        output = output.says(&format!("make {target}  *"));
    }
}

#[test]
fn shellcheck_has_no_complaint() {
    if is_available(&["shellcheck", "--version"]) {
        let scripts = "shellcheck docker/*.sh proof/tools/*.sh proof/containers/src/*.sh .ci/run";
        run(command("sh").args(["-c", scripts]).current_dir(checkout())).succeeded();
    }
}
