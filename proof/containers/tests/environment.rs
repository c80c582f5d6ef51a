//! The Compose environment as a user sees it, in real containers.

use std::process::Stdio;
use std::time::Duration;
use std::{env, fs, io};

use echo_containers::{Environment, checkout, command, is_like, run, wait_until, with_clients};
use echo_harness::child::OwnedChild;
use echo_harness::command::is_available;
use echo_harness::fixture::Shared;
use echo_harness::log_lines::LogLines;
use echo_harness::scratch::ScratchFile;
use echo_harness::wait::{PATIENCE, Patience, try_until};

static ENVIRONMENT: Shared<Environment> = Shared::new();

/// The clients outlive a test.
const LONG: &str = "client: {loop_lapse: 10m}";

/// The clients finish after two messages.
const SHORT: &str = "client: {loop_amount: 2, loop_period: 100ms}";

#[test]
#[ignore = "needs Docker: make test-containers"]
fn up_starts_the_server_and_two_clients_without_privileges() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(LONG);
    environment.script("up", &[]).succeeded().says("*make docker-compose-logs*");
    assert_eq!(environment.services(&["--all"]), with_clients(2));
    for service in with_clients(2) {
        let properties = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} \
            {{.HostConfig.PortBindings}} {{.HostConfig.SecurityOpt}} {{.Config.User}}";
        let wanted = "true [ALL] map[] [no-new-privileges:true] 65534:65534";
        assert_eq!(environment.inspect(&service, properties), wanted, "{service}");
        // An exposed port is listed, but no port of the host belongs to it.
        let published = "{{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}}{{end}}{{end}}";
        assert_eq!(environment.inspect(&service, published), "", "{service}");
    }
    for image in ["echo-reactor", "echo-client"] {
        let image = environment.image(image);
        let size = environment.engine(&["image", "inspect", "--format", "{{.Size}}", &image]);
        assert!(size.parse::<u64>().is_ok_and(|bytes| bytes < 2_200_000), "{image}: {size} bytes");
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_clients_finish_and_the_logs_tell_of_every_connection() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(SHORT, 2);
    for client in ["client1", "client2"] {
        wait_until("a client finished", || environment.has_exited(client, 0));
    }
    let mut following = environment.start_script("logs", &[]);
    let logs = LogLines::gather(following.stdout().expect("a pipe"));
    let peer = format!("('{}', *)", environment.address("*"));
    let accepted = format!("Got connection from {peer}");
    let received = format!(
        "Message received from connection {peer}. Msg: b'[CLIENT 1] Message number 2 sent'"
    );
    for (service, text) in [
        ("server", "Proceed to accept new connections"),
        ("server", &accepted),
        ("server", &received),
        ("client2", "[CLIENT 2] Message from server: [CLIENT 2] Message number 1 sent"),
        ("client1", "[CLIENT 1] Main loop finished"),
    ] {
        let line = format!("{}*| 20*-*-* *:*:* INFO     {text}", environment.named(service));
        let shown = || logs.containing(service).iter().any(|shown| is_like(shown, &line));
        wait_until(&format!("{line:?} in the logs"), shown);
    }
    let connections = logs.containing("Got connection").len();
    environment.docker("start", "client1");
    wait_until("what happens next in the logs", || {
        logs.containing("Got connection").len() > connections
    });

    // One address finds a connection from its accept to its close.
    let log = environment.log("server");
    let (_, peer) = log.text.split_once("Got connection from ").expect("a connection");
    let peer = peer.lines().next().expect("an address");
    let connections = log.count(&format!("*Got connection from {peer}"));
    assert_eq!(log.count(&format!("*{peer}*")), 3 * connections, "{log}");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn netcat_test_passes_and_leaves_everything_as_it_was() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let before = environment.everything();
    let output = environment.script("netcat-test", &[]).succeeded();
    assert_eq!(output.count("case: * | result: success"), 6, "{output}");
    output.says("action: test_echo_server | result: success");
    assert_eq!(environment.everything(), before);
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_missing_server_is_started_for_netcat_test_and_taken_away_again() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    let before = environment.everything();
    environment.configure(LONG);
    environment.script("netcat-test", &[]).succeeded();
    assert_eq!(environment.everything(), before);
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn netcat_test_fails_where_the_server_does_not_answer() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    environment.docker("pause", "server");
    let output = environment.script("netcat-test", &[]);
    environment.docker("unpause", "server");
    let output = output.failed().says("action: test_echo_server | result: fail");
    output.says("* is paused: docker unpause *").says("No answer from server, port 12345");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn an_edited_configuration_takes_effect_at_a_restart_and_without_echo_netcat_test_fails() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let image = environment.inspect("server", "{{.Image}}");
    environment.configure("server: {reply: acknowledge}");
    environment.server_listens_after("restart -t 1");
    environment.log("server").says("*Configuration: *reply: acknowledge*");
    assert_eq!(environment.inspect("server", "{{.Image}}"), image);
    let output = environment.script("netcat-test", &[]).failed();
    let output = output.says("case: short_line | result: fail");
    output.says("action: test_echo_server | result: fail");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn netcat_test_passes_where_a_connection_may_have_many_messages() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    environment.configure("server: {messages_per_connection: 0}");
    environment.server_listens_after("restart -t 1");
    environment.log("server").says("*Configuration: *messages_per_connection: 0*");
    environment.script("netcat-test", &[]).succeeded();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn scale_goes_up_and_down_beside_the_same_server() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let server = environment.inspect("server", "{{.Id}}");
    environment.script("scale", &["20"]).succeeded().says("Started client1 to client20 of 20");
    assert_eq!(environment.services(&[]), with_clients(20));
    let answer = "*[CLIENT 20] Message from server: [CLIENT 20] Message number 1 sent";
    wait_until("an answer", || environment.log("client20").count(answer) == 1);
    environment.script("scale", &["901"]).complains("use 0 to 900");
    assert_eq!(environment.services(&[]), with_clients(20));
    environment.script("scale", &["2"]).succeeded();
    assert_eq!(environment.services(&["--all"]), with_clients(2));
    assert_eq!(environment.inspect("server", "{{.Id}}"), server);
}

/// As the head of the definition says it.
#[test]
#[ignore = "needs Docker: make test-containers"]
fn what_compose_alone_has_started_serves_and_is_ended_by_down() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    environment.configure(LONG);
    let has_plugin =
        environment.run(command("docker").args(["compose", "version"])).code == Some(0);
    let mut compose = if has_plugin { command("docker") } else { command("docker-compose") };
    compose.args(has_plugin.then_some("compose")).current_dir(checkout());
    // Without a name it is that of the folder, which the user's own environment may have.
    compose.args(["--project-name", &environment.named("docker")]);
    compose.args(["--file", "docker/docker-compose-dev.yaml", "up", "--detach"]);
    if is_available(&["docker", "image", "inspect", "rust:1.95-slim-bookworm"]) {
        compose.arg("--build");
    }
    environment.run(&mut compose).succeeded();
    let answer = "*[CLIENT 2] Message from server: *";
    wait_until("an answer", || environment.log("client2").count(answer) > 0);
    environment.script("netcat-test", &[]).succeeded();
    environment.script("down", &[]).succeeded().says("Stopping 3 containers");
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_images_say_what_they_are() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    for (program, port) in [("echo-reactor", "map[12345/tcp:{}]"), ("echo-client", "map[]")] {
        let image = environment.image(program);
        let inspect =
            |format: &str| environment.engine(&["image", "inspect", "--format", format, &image]);
        let label = |name: &str| {
            inspect(&format!("{{{{index .Config.Labels \"org.opencontainers.image.{name}\"}}}}"))
        };
        assert_eq!(label("title"), program);
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
        for name in ["description", "revision", "source"] {
            assert_ne!(label(name), "", "{name}");
        }
        assert_eq!(inspect("{{.Config.ExposedPorts}}"), port);
        assert_ne!(inspect("{{index .Config.Labels \"echo-reactor.compiler\"}}"), "");
    }
}

/// With a path in it, a program would change with the folder that it was built in.
#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_programs_in_the_images_name_no_folder_of_their_build() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME")).expect("a home");
    let folders = [checkout().display().to_string(), home, "/usr/local/cargo".to_owned()];
    for program in ["echo-reactor", "echo-client"] {
        let container = environment.named("copied");
        environment.engine(&["create", "--name", &container, &environment.image(program)]);
        let file = environment.directory().join(program).display().to_string();
        environment.engine(&["cp", &format!("{container}:/{program}"), &file]);
        environment.docker("rm", "copied");
        let bytes = fs::read(file).unwrap();
        // These are the names that such folders get.
        for folder in folders.iter().filter(|folder| !["/src", "/cargo"].contains(&&***folder)) {
            let is_named = bytes.windows(folder.len()).any(|part| part == folder.as_bytes());
            assert!(!is_named, "{program} names {folder}");
        }
        // It does tell where its sources were, by names that are the same everywhere.
        assert!(bytes.windows(7).any(|part| part == b"/cargo/"), "{program}");
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn images_run_whatever_the_umask_was() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    for umask in ["077", "027"] {
        let mut build = command("sh");
        build.args(["-c", &format!("umask {umask} && sh docker/build-images.sh")]);
        environment.run(build.current_dir(checkout())).succeeded();
        for program in ["echo-reactor", "echo-client"] {
            let version =
                environment.engine(&["run", "--rm", &environment.image(program), "--version"]);
            assert_eq!(
                version,
                format!("{program} {}", env!("CARGO_PKG_VERSION")),
                "umask {umask}"
            );
        }
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn sigterm_ends_a_client_with_code_0_and_it_says_so() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    environment.docker("kill --signal TERM", "client2");
    wait_until("the client's end", || environment.has_exited("client2", 0));
    environment.log("client2").says("*SIGTERM received*");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn stop_closes_every_connection_and_all_exit_with_0() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    environment.connect_idle_clients();
    environment.script("compose", &["stop", "-t", "1"]).succeeded();
    for service in with_clients(2) {
        assert!(environment.has_exited(&service, 0), "{service}");
    }
    let log = environment.log("server");
    for peer in [format!("('{}', *)", environment.idle_address()), "*".to_owned()] {
        let accepted = log.count(&format!("*Got connection from {peer}"));
        assert!(accepted >= 3, "{log}");
        assert_eq!(log.count(&format!("*Connection {peer} closed: *")), accepted, "{log}");
    }
    log.ends_with("INFO     All sockets closed, server stopped");
    environment.remove_idle_clients();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_server_with_a_drain_delay_has_the_time_for_it_when_it_is_stopped() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(&format!("server: {{drain_delay: 2s}}\n{LONG}"));
    environment.script("up", &[]).succeeded();
    // The delay, the drain, and some time to spare.
    assert_eq!(environment.inspect("server", "{{.Config.StopTimeout}}"), "5");
    environment.script("down", &[]).succeeded().says("  exit code 0: 3");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_log_of_json_is_understood_by_the_commands() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.configure(&format!("log: {{format: json}}\n{LONG}"));
    environment.script("up", &[]).succeeded();
    environment.script("netcat-test", &[]).succeeded();
    for service in with_clients(2) {
        let log = environment.log(&service);
        let objects = log.count("{\"time\":\"*,\"level\":\"*,\"event\":\"*}");
        assert_eq!(objects, log.text.lines().count(), "{log}");
    }
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_containers_and_the_network_are_gone_after_down() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    environment.take_down();
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_run_of_these_tests_that_is_killed_leaves_nothing_behind() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    // With another directory for temporary files, that run does not wait for this one to end.
    let place = env::temp_dir().join(environment.named("place"));
    fs::create_dir(&place).expect("a directory of our own");
    let mut tests = command(env::current_exe().unwrap());
    tests.args(["--ignored", "a_missing_server_is_started_for_netcat_test"]);
    let tests = tests.env("TMPDIR", &place).stdout(Stdio::null()).stderr(Stdio::null());
    let mut tests = OwnedChild::spawn(tests).expect("the tests can start");
    let name = format!("name=^t{}-", tests.pid());
    let containers = || environment.engine(&["ps", "--all", "--filter", &name]);
    // That run builds its images first, which takes a while on a busy machine.
    let patience = Patience { limit: Duration::from_secs(10 * 60), ..PATIENCE };
    let at_work = || Ok::<_, io::Error>(containers().contains("netcat").then_some(()));
    try_until("a script of that run at work", patience, at_work).unwrap();
    tests.kill();
    // Its guardian removes the configuration in that directory last.
    wait_until("an empty place", || fs::remove_dir(&place).is_ok());
    assert_eq!(containers().lines().count(), 1, "{}", containers());
    assert_eq!(environment.engine(&["network", "ls", "--quiet", "--filter", &name]), "");
}

#[test]
fn without_an_engine_these_tests_are_skipped_and_say_so() {
    let list = ScratchFile::new("skipped", "");
    let mut tests = command(env::current_exe().unwrap());
    let tests = tests.arg("--ignored").env("PATH", "/nowhere").env("ECHO_SKIPPED", list.path());
    let output = run(tests).succeeded();
    let skipped = output.text.matches("skipped: no Docker engine answers (").count();
    assert_eq!(list.content(), "no Docker engine answers\n".repeat(skipped));
    output.says(&format!("test result: ok. {skipped} passed; 0 failed; *"));
}
