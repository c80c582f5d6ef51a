//! The scripts that need no Docker engine: the generator, what is found missing, the demo.

use std::fs::{self, Permissions, read_to_string};
use std::hint;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_containers::{
    Directory, Output, checkout, command, engine, run, run_as, run_with, script, script_beside,
    script_of,
};
use echo_harness::child::OwnedChild;
use echo_harness::command::is_available;
use echo_harness::log_lines::LogLines;
use echo_harness::proc;
use echo_harness::wait::{PATIENCE, until};
use serde_yaml::Value;

use rustix::process::{
    Pid, Signal, getpid, kill_process, kill_process_group, test_kill_process_group,
};

fn generate(output: &str, clients: &str) -> Output {
    run(&mut script("generate-compose", &[output, clients]))
}

/// The options that Compose gets.
const COMPOSE: &str =
    "--env-file * --project-name fake-echo-reactor --file *docker-compose-dev.yaml";

#[test]
fn the_committed_definition_is_what_the_generator_writes_for_two_clients() {
    // In the folder of the generator itself, the configuration has a relative path.
    let root = Directory::new();
    fs::create_dir(root.path("docker")).expect("a directory of our own");
    let generator = root.path("docker/generate-compose.sh");
    fs::copy(checkout().join("docker/generate-compose.sh"), &generator).expect("a copy");
    let file = root.path("docker/docker-compose-dev.yaml");
    run(command("sh").args([&*generator, &*file, "2"])).succeeded();
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
    generate("", "2").complains("usage: ");
}

#[test]
fn what_is_no_regular_file_is_written_through_and_never_replaced() {
    let directory = Directory::new();
    let [file, link, device] = ["file", "link", "device"].map(|name| directory.path(name));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    generate(&link, "2").succeeded();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(read_to_string(&file).unwrap().contains("client2:"));

    let pipe = directory.path("pipe");
    run(command("mkfifo").arg(&pipe)).succeeded();
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || read_to_string(pipe)
    });
    generate(&pipe, "2").succeeded();
    assert!(reader.join().unwrap().unwrap().contains("client2:"));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    // A /dev/null of our own, where this user may make one; where it cannot be opened, that is an error.
    if is_available(&["mknod", &device, "c", "1", "3"]) {
        generate(&device, "2");
        assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
    }
    assert_eq!(
        fs::read_dir(directory.path(""))
            .unwrap()
            .filter_map(Result::ok)
            .filter(|entry| { entry.file_name().to_string_lossy().contains('.') })
            .count(),
        0
    );
}

#[test]
fn a_prefix_that_compose_would_change_is_refused_before_anything_else() {
    let scripts = ["up", "down", "scale", "netcat-test", "logs", "clean", "stack-up", "stack-down"];
    let prefixes =
        ["A-", "-a", "_a", "a b", "a.b", "ñ-", "a/b", "$(x)", "a23456789012345678901234-"];
    for (name, prefix) in scripts.into_iter().cycle().zip(prefixes) {
        let output = run_as(&[], script(name, &["2"]).env("ECHO_PREFIX", prefix));
        output.complains(&format!("ECHO_PREFIX={prefix}"));
    }
}

/// Runs "up" where the engine has these networks, each `NAME SUBNET`. Compose fails, and prints its subnet.
fn up_beside(networks: &str, subnet: &str) -> Output {
    let engine = engine(&format!(
        "'network ls'*) echo 1 ;; 'network inspect --format {{{{$name'*) printf '{networks}\\n' ;;"
    ));
    let mut up = script_beside("up", "");
    if !subnet.is_empty() {
        up.env("ECHO_SUBNET", subnet);
    }
    run_as(&[("docker", &engine)], &mut up).failed()
}

#[test]
fn a_subnet_that_is_free_is_chosen() {
    for (networks, chosen) in [
        ("bridge 172.17.0.0/16", "172.24.125.0/24"),
        ("other 172.24.125.0/24", "172.24.124.0/24"),
        ("fake-echo-reactor_testing_net 172.24.125.0/24", "172.24.125.0/24"),
        ("other 172.24.124.0/22\\nhost \\nsix fd00::/64", "172.24.123.0/24"),
    ] {
        up_beside(networks, "")
            .says(&format!("error: not all containers could be started: *({chosen})"));
    }
    up_beside("wide 172.16.0.0/12", "").says("error: no subnet of 172.24.0.0/16 is free: *");
}

#[test]
fn a_subnet_that_is_wrong_or_taken_is_refused_and_named() {
    for subnet in [
        "x",
        "10.9.8.0",
        "10.9.8.1/24",
        "10.9.8.0/29",
        "10.9.8.0/7",
        "10.9.256.0/24",
        "010.9.8.0/24",
        "fd00::/64",
        "0.0.0.0/8",
        "127.0.0.0/24",
        "224.0.0.0/24",
    ] {
        // Before anything is built.
        up_beside("", subnet).complains(&format!("ECHO_SUBNET={subnet} is no IPv4 subnet"));
    }
    up_beside("theirs 10.9.0.0/16", "10.9.8.0/24")
        .says("error: ECHO_SUBNET=10.9.8.0/24 is taken by the network theirs (10.9.0.0/16)*");
    up_beside("theirs 10.9.0.0/16", "10.10.8.0/24").says("error: *(10.10.8.0/24)");
}

#[test]
fn a_subnet_that_this_machine_reaches_is_taken() {
    let ip = "echo 'default via 10.66.6.1 dev eth7'; echo '172.24.125.0/24 dev br-1 proto kernel'
        echo '172.24.124.0/23 dev eth7 proto kernel scope link src 172.24.124.9'";
    let commands = [("docker", &*engine("")), ("ip", ip)];
    let up = |subnet| run_as(&commands, script_beside("up", "").env("ECHO_SUBNET", subnet));
    up("172.24.125.0/24").says(
        "error: ECHO_SUBNET=172.24.125.0/24 is taken by the interface eth7 (172.24.124.0/23)*",
    );
    // Another one is chosen.
    up("").says("error: *(172.24.123.0/24)");
}

#[test]
fn what_is_no_port_for_the_page_is_refused() {
    for port in ["nonsense", "0", "080", "65536", "99999999999999999999", "127.0.0.1:90", " 90"] {
        for name in ["up", "watch", "stack-watch"] {
            let mut script = script_beside(name, "");
            let output = run_as(&[("docker", &engine(""))], script.env("ECHO_PAGE_PORT", port));
            output.complains(&format!("ECHO_PAGE_PORT={port} is no port"));
        }
    }
}

#[test]
fn a_variable_of_the_user_is_no_file_of_ours() {
    let directory = Directory::new();
    let precious = directory.add_config("precious");
    for name in ["up", "down", "scale", "netcat-test", "watch"] {
        let mut script = script_beside(name, "2");
        run_as(&[("docker", &engine(""))], script.env("wanted", &precious));
    }
    assert!(Path::new(&precious).exists());
}

#[test]
fn without_room_for_temporary_files_one_line_says_where() {
    let docker = ("docker", &*engine(""));
    let mut down = script_beside("down", "");
    run_as(&[docker], down.env("TMPDIR", "/missing"))
        .complains("no temporary folder can be made in /missing: set TMPDIR");
    run_as(&[docker, ("head", "exit 1")], &mut script_beside("down", ""))
        .complains("no room in */tmp*: make some, or set TMPDIR");
}

#[test]
fn a_path_that_is_no_line_is_refused() {
    let directory = Directory::new();
    for name in ["line\nbreak", "a\ttab"] {
        let elsewhere = directory.path(name);
        let docker = format!("{elsewhere}/docker");
        fs::create_dir_all(&docker).unwrap();
        for file in fs::read_dir(checkout().join("docker")).unwrap() {
            let file = file.unwrap();
            // The files of another test come and go.
            let _ = fs::copy(file.path(), format!("{docker}/{}", file.file_name().display()));
        }
        let mut down = script_of(Path::new(&elsewhere), "down", &[]);
        let down = down.env("ECHO_PREFIX", "fake-");
        run_as(&[("docker", &engine(""))], down).complains("control character");
    }
}

/// Make hands on a signal that the script has got already. Where the second one finds it depends on the moment.
#[test]
fn of_two_signals_the_second_does_not_stop_the_cleaning_up() {
    let script = ". docker/lib.sh; clean_up() { say cleaned; }; say ready; attend sleep 10";
    for delay in (0..200).map(|round| Duration::from_micros(2 * round)) {
        let mut shell = command("sh");
        shell.args(["-c", script, "docker/lib.sh"]).current_dir(checkout()).process_group(0);
        let mut shell = OwnedChild::spawn(shell.stdout(Stdio::piped())).expect("sh can start");
        let lines = LogLines::gather(shell.stdout().expect("a pipe"));
        lines.wait_for("ready");
        kill_process(shell.pid(), Signal::TERM).unwrap();
        // To sleep would take longer.
        let begun = Instant::now();
        while begun.elapsed() < delay {
            hint::spin_loop();
        }
        // It may have ended.
        let _ = kill_process_group(shell.pid(), Signal::TERM);
        assert_eq!(shell.wait(PATIENCE).expect("it ends").code(), Some(143));
        until(&format!("the cleaning up, {delay:?}"), || !lines.containing("cleaned").is_empty());
    }
}

/// With an argument, make needs a shell between itself and the script; a signal to make would end only that one.
#[test]
fn a_signal_to_make_reaches_a_script_with_arguments() {
    let makefile = read_to_string(checkout().join("Makefile")).unwrap();
    let commands = makefile.lines().filter_map(|line| line.strip_prefix("\t@"));
    for command in commands.filter(|line| line.starts_with("sh docker/")) {
        assert!(!command.contains("$$"), "without exec: {command}");
    }
}

#[test]
fn a_relative_configuration_is_looked_for_where_the_user_stands() {
    let directory = Directory::new();
    let mut up = script_beside("up", "");
    let up = up.current_dir(directory.path("")).env("ECHO_CONFIG", "my.yaml");
    let engine = engine("run*) echo \"$*\" >&2; exit 125 ;;");
    let missing = format!("error: {} is not a file*", directory.path("my.yaml"));
    run_as(&[("docker", &engine)], up).failed().says(&missing);
    let config = directory.add_config("my.yaml");
    let mounted = format!("error: *source={config}*");
    run_as(&[("docker", &engine)], up).failed().says(&mounted);
}

#[test]
fn a_configuration_that_only_its_owner_can_read_is_refused_before_anything_is_built() {
    let directory = Directory::new();
    let config = directory.add_config("private.yaml");
    let engine = engine("");
    for mode in [0o600, 0o640] {
        fs::set_permissions(&config, Permissions::from_mode(mode)).unwrap();
        for (name, argument) in [("up", ""), ("scale", "2"), ("netcat-test", "")] {
            let mut script = script_beside(name, argument);
            let output = run_as(&[("docker", &engine)], script.env("ECHO_CONFIG", &config));
            output.complains(&format!("cannot read {config}: chmod a+r '{config}'"));
        }
    }
}

#[test]
fn an_engine_that_does_not_see_the_checkout_is_told() {
    for words in [
        "docker: Error response from daemon: invalid mount config: bind source path does not exist: /x.",
        "config.yaml cannot be read: it is a directory; was the file missing when a container mounted it?",
    ] {
        let engine = engine(&format!("run*) echo '{words}' >&2; exit 125 ;;"));
        let output = run_with(&[("docker", &engine)], "up", "").failed();
        output.says(
            "error: the Docker engine does not see *config.yaml: it runs on another machine*",
        );
    }
}

#[test]
fn docker_compose_is_preferred_to_its_old_name() {
    let both = [("docker", &*engine("")), ("docker-compose", "echo \"docker-compose $*\"")];
    run_with(&both, "compose", "ps").says(&format!("docker compose {COMPOSE} ps*"));
}

#[test]
fn the_old_name_of_docker_compose_serves_where_the_plugin_is_missing() {
    let engine = engine("compose*) exit 1 ;;");
    let old = [("docker", &*engine), ("docker-compose", "echo \"docker-compose $*\"")];
    run_with(&old, "compose", "ps").succeeded().says(&format!("docker-compose {COMPOSE} ps"));
}

#[test]
fn without_docker_compose_one_line_says_what_to_install() {
    let engine = engine("compose*) exit 1 ;;");
    run_with(&[("docker", &engine)], "compose", "ps").complains("docker-compose-plugin");
}

#[test]
fn without_docker_one_line_points_to_the_demo() {
    for name in ["up", "down", "scale", "netcat-test", "build-images"] {
        run_with(&[], name, "1").complains("make demo");
    }
}

#[test]
fn the_reason_of_the_engine_is_shown_with_what_to_do() {
    for (docker, line) in [
        (
            "echo 'Cannot connect to the Docker daemon' >&2; exit 1",
            "no Docker engine answers: Cannot connect*make demo",
        ),
        ("echo 'permission denied while trying to connect' >&2; exit 1", "group \"docker\""),
        (
            "echo 'The command docker could not be found in this WSL 2 distro'; exit 1",
            "WSL integration",
        ),
        ("echo 'context \"gone\" does not exist' >&2; exit 1", "\"gone\"*docker context ls"),
        ("echo 'x509: certificate has expired' >&2; exit 1", "expired*DOCKER_CERT_PATH"),
        ("echo 'client version 1.99 is too new' >&2; exit 1", "1.99*DOCKER_API_VERSION"),
        ("echo '1.47 windows'", "runs windows containers"),
        ("", "no Docker engine answers"),
    ] {
        run_with(&[("docker", docker)], "up", "").complains(line);
    }
}

#[test]
fn without_builder_image_and_cargo_one_is_told_what_to_do() {
    for (words, remedy) in [
        (
            "Error: toomanyrequests: slow down",
            "wait, or log in (docker login), then: docker pull rust:*",
        ),
        (
            "write: no space left on device",
            "make room *docker system df*, then: docker pull rust:*",
        ),
        ("dial tcp: no such host", "connect this machine, then: docker pull rust:*"),
    ] {
        let offline = format!("pull*) echo '{words}' >&2; exit 1 ;; image*) exit 1 ;;");
        let output = run_with(&[("docker", &engine(&offline))], "build-images", "").failed();
        output
            .says(&format!("*cannot be pulled ({words})*"))
            .says(&format!("error: cargo is not installed: *, or {remedy}"));
    }
}

#[test]
fn with_the_builder_image_docker_alone_builds_both() {
    let output = run_with(&[("docker", &engine(""))], "build-images", "").succeeded();
    let output = output.says("BUILD *--file *docker/Dockerfile --target echo-client*");
    output.says("echo-reactor:fake-latest is ready, 1.00 MB");
}

#[test]
fn what_is_no_exercise_or_no_image_is_refused() {
    let engine = engine("'image inspect my-server') exit 1 ;;");
    for (exercise, image, complaint) in [
        ("", "my-server", "which exercise? *N=3, 4 and 5"),
        ("2", "my-server", "which exercise?"),
        ("4", "", "which image?"),
        ("4", "my-server", "no image my-server here: docker build"),
    ] {
        let mut check = script("check-exercise", &[exercise, image]);
        let check = check.env("ECHO_PREFIX", "fake-");
        run_as(&[("docker", &engine)], check).complains(complaint);
    }
    for option in ["--name mine", "--rm", "--network=host"] {
        let mut check = script("check-exercise", &["4", "my-server"]);
        let check = check.env("ECHO_PREFIX", "fake-").env("OPTIONS", option);
        run_as(&[("docker", &engine)], check).complains("OPTIONS: the test itself decides");
    }
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

/// Starts the demo with this shell command, calls `end` with its process group, and waits for its end.
fn demo_that_is_ended(command_line: &str, end: impl FnOnce(Pid)) -> ExitStatus {
    let mut demo = command("sh");
    demo.args(["-c", command_line]).current_dir(checkout()).process_group(0);
    let demo = demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = OwnedChild::spawn(demo).expect("the demo can start");
    let lines = LogLines::gather(demo.stdout().expect("a pipe"));
    until("the first client's first answer", || !lines.containing("client1 ").is_empty());
    end(demo.pid());
    let status = demo.wait(PATIENCE).expect("it ends");
    // No process of the demo is left.
    until("an empty group", || test_kill_process_group(demo.pid()).is_err());
    status
}

#[test]
#[ignore = "needs the programs of make build: make test-containers"]
fn a_demo_that_is_ended_before_its_time_leaves_no_process_behind() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        if proc::ignores(getpid(), signal).unwrap() {
            // The script would ignore it too.
            continue;
        }
        let interrupted = |group| kill_process_group(group, signal).unwrap();
        let status = demo_that_is_ended("exec sh docker/demo.sh", interrupted);
        assert_eq!(status.code(), Some(code), "{signal:?}");
    }
    let alone = |process| kill_process(process, Signal::TERM).unwrap();
    assert_eq!(demo_that_is_ended("exec sh docker/demo.sh", alone).code(), Some(143));
    demo_that_is_ended("sh docker/demo.sh | sed '/^client1 /q'", |_| ());
}

/// If one manifest is missing, cargo builds no member at all.
#[test]
fn the_build_of_the_images_gets_every_member_of_the_workspace() {
    let manifest = read_to_string(checkout().join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").expect("a list of members");
    let (members, _) = members.split_once(']').expect("its end");
    let ignored = read_to_string(checkout().join(".dockerignore")).unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        let exception = if member.starts_with("proof/") {
            format!("!{member}/Cargo.toml")
        } else {
            format!("!{member}")
        };
        assert!(ignored.lines().any(|line| line == exception), ".dockerignore: no {exception}");
    }
}

/// Each phrase, up to a name in it, stands in a script or in a source.
#[test]
fn troubleshooting_names_lines_that_there_are() {
    let texts = command("sh")
        .args(["-c", "cat docker/*.sh && find echo-*/src -name '*.rs' -exec cat {} +"])
        .current_dir(checkout())
        .output()
        .expect("sh can start");
    let texts = String::from_utf8_lossy(&texts.stdout);
    for (readme, head) in
        [("README.md", "| the line says |"), ("README.es.md", "| la línea dice |")]
    {
        let readme = read_to_string(checkout().join(readme)).unwrap();
        let (_, table) = readme.split_once(head).expect("the table");
        let (table, _) = table.split_once("\n\n").expect("its end");
        for row in table.lines().skip(2) {
            let (phrases, _) = row[1..].split_once('|').expect("a first column");
            for phrase in phrases.split('`').skip(1).step_by(2) {
                let known = phrase.split('"').next().expect("a part");
                assert!(texts.contains(known), "nothing says {phrase:?}");
            }
        }
    }
}

/// The engine of a Swarm's manager, which does nothing with a stack. `cases` come first.
fn manager(cases: &str) -> String {
    engine(&format!(
        "{cases}
        'info --format {{{{.Swarm.'*) echo 'active true' ;;
        info*) uname -r ;;
        create* | cp* | tag* | 'config '* | 'node ls'* | 'service ps'*) ;;
        'start --attach '*) echo '# stop_grace_period: 5s' ;;
        'stack deploy '*) echo \"$ECHO_REPLICAS $ECHO_CLIENTS $ECHO_ENDPOINT $ECHO_STOP_GRACE $*\" >&2; exit 1 ;;"
    ))
}

#[test]
fn without_a_swarm_one_line_says_how_to_have_one() {
    for name in ["stack-up", "stack-status", "stack-scale", "stack-update", "stack-down"] {
        for (membership, line) in [
            ("inactive false", "this engine is in no Swarm (it is inactive): docker swarm init"),
            ("active false", "give the command on a manager"),
        ] {
            let engine = manager(&format!("info*) echo '{membership}' ;;"));
            run_with(&[("docker", &engine)], name, "1").complains(line);
        }
    }
}

#[test]
fn a_stack_that_is_not_up_is_no_stack() {
    let engine = manager("'service inspect '*) exit 1 ;;");
    for name in ["stack-status", "stack-scale", "stack-update"] {
        run_with(&[("docker", &engine)], name, "1").complains("the stack is not up: make stack-up");
    }
    let gone = run_with(&[("docker", &engine)], "stack-down", "").succeeded();
    gone.says("Nothing of the stack fake-echo-reactor is there");
}

#[test]
fn what_is_no_number_of_replicas_or_clients_is_refused() {
    for name in ["stack-up", "stack-scale"] {
        for number in ["-1", "x", "1.5", "1001", "10000000000000000000"] {
            let line = format!("REPLICAS={number} is no number from 0 to 1000");
            run_with(&[("docker", &manager(""))], name, number).complains(&line);
        }
    }
    run_with(&[("docker", &manager(""))], "stack-scale", "")
        .complains("make stack-scale REPLICAS=6");
}

/// Runs "stack-up" on a manager that does not deploy; it says what it was to deploy.
fn stack_up(cases: &str, variables: &[(&str, &str)]) -> Output {
    let mut up = script_beside("stack-up", "3");
    run_as(&[("docker", &manager(cases))], up.envs(variables.iter().copied())).failed()
}

#[test]
fn a_stack_is_stopped_with_the_time_that_its_configuration_asks_for() {
    let output = stack_up("", &[("ECHO_ENDPOINT", "dnsrr")]);
    let deploy = "stack deploy --compose-file *stack.yaml --resolve-image never fake-echo-reactor";
    output.says(&format!("error: the stack was not deployed: 3 2 dnsrr 5s {deploy}"));
}

#[test]
fn one_address_for_all_replicas_needs_ipvs_here_and_is_expected_elsewhere() {
    let elsewhere = "'info --format {{.KernelVersion}}') echo another ;;";
    stack_up(elsewhere, &[]).says("error: the stack was not deployed: 3 2 vip *");
    if !Path::new("/proc/net/ip_vs").exists() && !is_available(&["modprobe", "--dry-run", "ip_vs"])
    {
        let output = stack_up("", &[]).says("This kernel has no IPVS: *");
        output.says("error: the stack was not deployed: 3 2 dnsrr *");
    }
    stack_up("", &[("ECHO_ENDPOINT", "both")])
        .complains("ECHO_ENDPOINT=both is neither vip nor dnsrr");
}

#[test]
fn a_registry_gets_the_images_and_the_stack_takes_them_from_there() {
    let registry = [("ECHO_REGISTRY", "registry.example/me"), ("ECHO_ENDPOINT", "vip")];
    let output = stack_up("push*) ;;", &registry);
    let output = output.says("Pushing registry.example/me/echo-client:fake-*");
    output.says("error: the stack was not deployed: *--with-registry-auth fake-echo-reactor");

    let denied = stack_up("push*) echo 'denied: no access' >&2; exit 1 ;;", &registry);
    denied.says(
        "error: registry.example/me/echo-reactor:fake-* cannot be pushed: denied: no access; *",
    );
}

#[test]
fn a_stack_has_a_definition_like_the_one_for_one_machine() {
    let definition = |name: &str| {
        let text = read_to_string(checkout().join("docker").join(name)).unwrap();
        let mut yaml: Value = serde_yaml::from_str(&text).expect("YAML");
        yaml.apply_merge().expect("merges");
        yaml
    };
    let (one, many) = (definition("docker-compose-dev.yaml"), definition("stack.yaml"));
    for (one, many) in [
        (&one["services"]["server"], &many["services"]["server"]),
        (&one["services"]["client1"], &many["services"]["client"]),
    ] {
        for key in ["read_only", "cap_drop", "logging", "ulimits", "stop_grace_period"] {
            assert_eq!(one.get(key), many.get(key), "{key}");
        }
        let limits = &many["deploy"]["resources"]["limits"];
        let memory = limits["memory"].as_str().map(str::to_lowercase);
        assert_eq!(one["mem_limit"].as_str(), memory.as_deref());
        assert_eq!(one["pids_limit"], limits["pids"]);
        assert!(many.get("ports").is_none(), "a port of a Swarm listens on every address");
    }
    let health =
        |definition: &Value| definition["services"]["server"]["healthcheck"]["test"].clone();
    assert_eq!(health(&one), health(&many));
    let status = many["services"]["server"]["environment"]["SERVER_STATUS"].as_str().unwrap();
    let variables = one["services"]["server"]["environment"].as_sequence().unwrap();
    assert!(variables.contains(&format!("SERVER_STATUS={status}").into()), "{variables:?}");
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
        "watch",
        "demo",
        "lesson",
        "break",
        "check-exercise",
        "first-solution",
        "test",
        "test-containers",
        "test-swarm",
        "stack-up",
        "stack-status",
        "stack-scale",
        "stack-update",
        "stack-down",
        "soak",
        "clean",
    ] {
        output = output.says(&format!("make {target}  *"));
    }
}

#[test]
fn shellcheck_has_no_complaint() {
    if is_available(&["shellcheck", "--version"]) {
        let scripts = "shellcheck docker/*.sh proof/tools/*.sh proof/*/src/*.sh .ci/run";
        run(command("sh").args(["-c", scripts]).current_dir(checkout())).succeeded();
    }
}
