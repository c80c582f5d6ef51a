//! What the scripts refuse and what they leave alone, in real containers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::{env, iter};

use echo_containers::{
    Environment, Output, checkout, command, script, script_of, wait_until, with_clients,
};
use echo_harness::command::is_available;
use echo_harness::fixture::Shared;
use echo_harness::log_lines::LogLines;
use echo_harness::proc;
use echo_harness::wait::PATIENCE;
use rustix::process::{Signal, getpid, kill_process, kill_process_group};

static ENVIRONMENT: Shared<Environment> = Shared::new();

/// The clients outlive a test.
const LONG: &str = "client: {loop_lapse: 10m}";

/// The script has printed exactly one error, whatever else it has printed.
fn assert_refused(output: Output, reason: &str) {
    let output = output.failed().says(&format!("error: *{reason}*"));
    assert_eq!(output.count("error: *"), 1, "{output}");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_configuration_that_cannot_serve_is_refused_while_the_old_environment_runs() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let before = environment.everything();
    let config = environment.directory().join("config.yaml");
    let name = config.display();
    let refuse = |reason: &str| {
        for (script, argument) in [("up", ""), ("scale", "3")] {
            environment.script(script, &[argument]).complains(reason);
            assert_eq!(environment.everything(), before, "{script}");
        }
    };
    environment.configure("server: {\n  prot: 12345}");
    refuse(&format!("{name}:2: *prot"));
    environment.configure("client: {loop_lapse: soon}");
    refuse(&format!("{name}:1: *loop_lapse"));
    environment.configure("server: {port: 12346}");
    refuse("0.0.0.0:12346 is where clients are served*");
    environment.configure(LONG);
    fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    refuse(&format!("cannot read {name}: chmod a+r '{name}'"));
    fs::remove_file(&config).unwrap();
    refuse(&format!("{name} is not a file"));
    assert!(!config.exists());
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn what_ends_right_after_its_start_is_not_up() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    for (yaml, reason) in [
        ("server: {ip: 192.0.2.1}", "server has ended, exit code 1: *Cannot listen on*"),
        (
            "client: {server_address: 'server:1', retry_timeout: 100ms}",
            "client* has ended, exit code 1: *given up*",
        ),
    ] {
        environment.configure(yaml);
        let output = environment.script("up", &[]);
        assert_eq!(output.count("*are up*"), 0, "{output}");
        assert_refused(output, reason);
    }
    environment.take_down();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_client_that_has_done_its_work_is_no_failure() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure("client: {loop_lapse: 100ms, loop_period: 50ms}");
    environment.script("up", &[]).succeeded().says("The server and 2 clients are up");
    wait_until("the clients' end", || environment.has_exited("client2", 0));
    environment.script("scale", &["2"]).succeeded().says("The server and 2 clients are up");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn netcat_test_fails_in_a_checkout_that_does_not_compile() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    environment.configure(LONG);
    let broken = environment.another_checkout("broken");
    fs::write(broken.join("echo-reactor/Cargo.toml"), "[broken").unwrap();
    for (name, argument) in [("netcat-test", ""), ("scale", "1")] {
        let output =
            environment.run(script_of(&broken, name, &[argument]).env("PULL_TIMEOUT", "0"));
        assert_eq!(output.count("*result: success*"), 0, "{output}");
        output.failed().says("error: the * were not built: *");
    }
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_second_checkout_leaves_the_first_ones_containers_alone_and_names_it() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let before = environment.everything();
    let second = environment.another_checkout("second");
    let owner = format!(
        "belongs to {}/docker: make docker-compose-down there*ECHO_PREFIX",
        checkout().display()
    );
    for (name, argument) in
        [("up", ""), ("scale", "3"), ("down", ""), ("netcat-test", ""), ("logs", ""), ("clean", "")]
    {
        environment.run(&mut script_of(&second, name, &[argument])).complains(&owner);
        assert_eq!(environment.everything(), before, "{name}");
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_container_of_others_that_has_our_name_is_named_and_not_touched() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    environment.configure(LONG);
    for (words, service) in [
        ("run --detach --name * echo-netcat:latest sleep 600", "server"),
        ("create --name * echo-netcat:latest sleep 600", "client2"),
        ("run --detach --restart always --name * echo-netcat:latest sleep 0", "client1"),
    ] {
        let name = environment.named(service);
        let words = words.replace('*', &name);
        let id = environment.engine(&words.split(' ').collect::<Vec<_>>());
        for (script, argument) in [("up", ""), ("scale", "2"), ("netcat-test", "")] {
            let output = environment.script(script, &[argument]);
            output
                .complains(&format!("another container is named \"{name}\": *docker rm -f {name}"));
        }
        environment.script("down", &[]).succeeded();
        let left = environment.everything();
        assert!(left.starts_with(&id) && left.lines().count() == 1, "{left}");
        environment.docker("rm --force", service);
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_network_of_others_is_not_touched_and_a_subnet_that_is_taken_is_named() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    environment.configure(LONG);
    for (name, reason) in [
        (environment.network(), "that Compose did not make: docker network rm"),
        (environment.named("taken"), "is taken by the network"),
    ] {
        let subnet = environment.address("0/24");
        let id = environment.engine(&["network", "create", "--subnet", &subnet, &name]);
        environment.script("up", &[]).complains(
            &format!("{name}*{reason}").replace(&format!("{name}*is taken"), "is taken"),
        );
        environment.script("down", &[]).succeeded();
        assert_eq!(environment.engine(&["network", "inspect", "--format", "{{.Id}}", &name]), id);
        environment.engine(&["network", "rm", &name]);
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn containers_whose_network_was_pruned_are_replaced() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 1);
    environment.script("compose", &["stop", "-t", "1"]).succeeded();
    wait_until("the network gone", || {
        let rm = ["network", "rm", &environment.network()];
        environment.run(command("docker").args(rm)).code == Some(0)
    });
    environment.script("scale", &["1"]).succeeded().says("The server and 1 client are up");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_paused_container_is_named_before_anything_is_started() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 1);
    environment.docker("pause", "client1");
    let before = environment.everything();
    let name = environment.named("client1");
    environment.script("scale", &["3"]).complains(&format!("docker unpause {name}"));
    assert_eq!(environment.everything(), before);
    environment.docker("unpause", "client1");
    environment.script("scale", &["3"]).succeeded();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_start_that_is_ended_before_its_time_leaves_nothing_behind() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    environment.take_down();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        if proc::ignores(getpid(), signal).unwrap() {
            // The script would ignore it too.
            continue;
        }
        let mut up = environment.start_script("up", &[]);
        let lines = LogLines::gather(up.stdout().expect("a pipe"));
        wait_until("the first container", || !environment.services(&["--all"]).is_empty());
        if signal == Signal::INT {
            // A terminal signals the whole group.
            kill_process_group(up.pid(), signal).unwrap();
        } else {
            kill_process(up.pid(), signal).unwrap();
        }
        let status = up.wait(PATIENCE).expect("it ends");
        assert_eq!(status.code(), Some(code), "{signal:?}: {:?}", lines.containing(""));
        assert_eq!(environment.everything(), "\n", "{signal:?}");
    }
    let mut up = command("sh");
    up.args(["-c", "sh docker/up.sh | head -n 1"]).current_dir(checkout());
    environment.run(&mut up).succeeded().says("Started client1 to client2 of 2");
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn what_is_removed_during_a_start_is_not_up() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    for service in ["client1", "server"] {
        environment.take_down();
        let mut scale = environment.start_script("scale", &["8"]);
        let lines = LogLines::gather(scale.stdout().expect("a pipe"));
        wait_until("it runs", || environment.services(&[]).contains(service));
        environment.docker("rm --force", service);
        let status = scale.wait(PATIENCE).expect("it ends");
        assert_eq!(status.code(), Some(1), "{service}: {:?}", lines.containing(""));
        assert!(lines.containing("are up").is_empty(), "{service}");
    }
    environment.take_down();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_netcat_test_or_a_scale_that_is_ended_takes_away_what_it_has_made_and_nothing_else() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    for (clients, name, arguments, its_container) in [
        (None, "netcat-test", &[][..], "echo-reactor-netcat-"),
        (Some(1), "scale", &["8"], "client3"),
    ] {
        environment.take_down();
        if let Some(clients) = clients {
            environment.bring_up(LONG, clients);
        }
        let before = environment.everything();
        let mut script = environment.start_script(name, arguments);
        let made = environment.named(its_container);
        wait_until("its container", || environment.everything().contains(&made));
        kill_process(script.pid(), Signal::TERM).unwrap();
        assert_eq!(script.wait(PATIENCE).expect("it ends").code(), Some(143), "{name}");
        assert_eq!(environment.everything(), before, "{name}");
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn of_two_commands_at_once_one_waits() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    environment.take_down();
    let mut up = environment.start_script("up", &[]);
    let lines = LogLines::gather(up.stdout().expect("a pipe"));
    wait_until("the first container", || !environment.services(&["--all"]).is_empty());
    let down = environment.script("down", &[]).succeeded();
    assert!(up.wait(PATIENCE).expect("it ends").success());
    assert!(!lines.containing("The server and 2 clients are up").is_empty());
    down.says("Waiting for another command on * to end (process *)").says("Stopping 3 containers");
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_checkout_may_be_anywhere_and_variables_of_others_change_nothing() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    environment.take_down();
    let place = environment.another_checkout("a ñ: b");
    fs::write(place.join("docker/.env"), "COMPOSE_PROJECT_NAME=other\nECHO_PREFIX=other-\n")
        .unwrap();
    // Some ways to copy a folder lose this.
    let mut chmod = command("find");
    chmod.arg(&place).args(["-type", "f", "-exec", "chmod", "a-x", "{}", "+"]);
    environment.run(&mut chmod).succeeded();
    let make = |target: &str| {
        let mut make = command("make");
        make.args(["-C", "a ñ: b", target]).current_dir(environment.directory());
        for (variable, value) in [
            ("CDPATH", "/tmp:."),
            ("COMPOSE_FILE", "/nowhere.yaml"),
            ("COMPOSE_PROJECT_NAME", "other"),
            ("COMPOSE_PROFILES", "other"),
            ("DOCKER_DEFAULT_PLATFORM", "linux/s390x"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("MAKEFLAGS", "-j4 -k"),
        ] {
            make.env(variable, value);
        }
        environment.run(&mut make).succeeded()
    };
    make("docker-compose-up").says("The server and 2 clients are up");
    assert_eq!(environment.services(&[]), with_clients(2));
    make("netcat-test").says("action: test_echo_server | result: success");
    make("docker-compose-down");
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker and the programs of make build: make test-containers"]
fn the_tools_of_busybox_are_enough() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    environment.take_down();
    let tools = environment.directory().join("tools");
    fs::create_dir(&tools).unwrap();
    let busybox = tools.join("busybox").display().to_string();
    // The image of netcat contains BusyBox.
    environment.engine(&[
        "create",
        "--name",
        &environment.named("busybox"),
        "echo-netcat:latest",
        "sh",
    ]);
    environment.engine(&[
        "cp",
        &format!("{}:/bin/busybox", environment.named("busybox")),
        &busybox,
    ]);
    environment.docker("rm", "busybox");
    if !is_available(&[&busybox, "--list"]) {
        return;
    }
    for applet in environment.run(command(&busybox).arg("--list")).succeeded().text.lines() {
        let _ = symlink(&busybox, tools.join(applet));
    }
    let path = env::var_os("PATH").expect("a path");
    let path = env::join_paths(iter::once(tools).chain(env::split_paths(&path))).unwrap();
    let run = |name: &str| environment.run(script(name, &[]).env("PATH", &path)).succeeded();
    run("up");
    let answer = "*[CLIENT 2] Message from server: *";
    wait_until("an answer", || environment.log("client2").count(answer) > 0);
    run("netcat-test").says("action: test_echo_server | result: success");
    run("down");
    run("demo").says("Every process ended by itself, with code 0");
}
