//! The live page beside the environment, in real containers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use echo_containers::{Environment, Output, script, wait_until, with_clients};
use echo_harness::fixture::Shared;

static ENVIRONMENT: Shared<Environment> = Shared::new();

/// The clients outlive a test.
const LONG: &str = "client: {loop_lapse: 10m, loop_period: 100ms}";

/// The port of this machine that a line names.
fn port_in(output: &Output) -> u16 {
    let (_, behind) = output.text.split_once("The page is on http://127.0.0.1:").expect("a line");
    let (port, _) =
        behind.split_once("/ and the numbers for Prometheus on /metrics").expect("more");
    port.parse().expect("a port")
}

/// The lines of `/metrics` with this name.
fn numbers(port: u16, name: &str) -> Vec<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a page");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").expect("room");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let begin = format!("{name}{{");
    text.lines().filter(|line| line.starts_with(&begin)).map(str::to_owned).collect()
}

/// How many servers the page watches, and how many are gone.
fn up(port: u16) -> (usize, usize) {
    let lines = numbers(port, "echo_reactor_up");
    let count = |value: &str| lines.iter().filter(|line| line.ends_with(value)).count();
    (count(" 1.0"), count(" 0.0"))
}

/// The script, with a certain port.
fn watch_at(environment: &Environment, port: u16) -> Output {
    environment.run(script("watch", &[]).env("ECHO_PAGE_PORT", port.to_string()))
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_page_is_for_this_machine_alone_outlives_the_server_and_goes_with_the_environment() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 2);
    let port = port_in(&environment.script("watch", &[]).succeeded());
    let properties = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} \
        {{.HostConfig.SecurityOpt}} {{.Config.User}} {{.HostConfig.PortBindings}}";
    let wanted = format!(
        "true [ALL] [no-new-privileges:true] 65534:65534 map[8080/tcp:[{{127.0.0.1 {port}}}]]"
    );
    assert_eq!(environment.inspect("scope", properties), wanted);
    wait_until("a server on the page", || up(port) == (1, 0));
    wait_until("messages", || {
        numbers(port, "echo_reactor_messages_total").iter().any(|line| !line.ends_with(" 0"))
    });

    // The second time it is there already.
    let page = environment.inspect("scope", "{{.Id}}");
    assert_eq!(port_in(&environment.script("watch", &[]).succeeded()), port);
    environment.server_listens_after("restart -t 1");
    wait_until("the server on the page again", || up(port) == (1, 0));
    environment.script("scale", &["3"]).succeeded();
    assert_eq!(environment.inspect("scope", "{{.Id}}"), page);
    wait_until("the page as before", || up(port) == (1, 0));

    environment.take_down();
    assert_eq!(environment.everything(), "\n");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn the_image_of_the_page_is_small() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    let image = environment.image("echo-scope");
    let size = environment.engine(&["image", "inspect", "--format", "{{.Size}}", &image]);
    assert!(size.parse::<u64>().is_ok_and(|bytes| bytes < 6_000_000), "{size} bytes");
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_name_of_several_servers_is_several_servers_and_one_that_goes_is_gone() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.bring_up(LONG, 0);
    let port = port_in(&environment.script("watch", &[]).succeeded());
    let (second, network) = (environment.named("second"), environment.network());
    let run = ["run", "--detach", "--name", &second, "--network", &network];
    let image = environment.image("echo-reactor");
    let server = ["--network-alias", "server", &image, "--status", "0.0.0.0:12346"];
    environment.engine(&[&run[..], &server].concat());
    wait_until("both servers", || up(port) == (2, 0));
    environment.docker("kill", "second");
    wait_until("one that is gone", || up(port) == (1, 1));
    environment.docker("rm", "second");
    environment.take_down();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn without_an_environment_there_is_no_page_and_a_taken_port_is_named() {
    let Some(environment) = ENVIRONMENT.take() else { return };
    environment.take_down();
    environment.script("watch", &[]).complains("no server is up*make docker-compose-up");
    assert_eq!(environment.everything(), "\n");

    environment.bring_up(LONG, 1);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    watch_at(&environment, port).complains(&format!("port {port} of 127.0.0.1 is taken"));
    assert_eq!(environment.services(&["--all"]), with_clients(1));
    drop(taken);
    assert_eq!(port_in(&watch_at(&environment, port).succeeded()), port);

    environment.configure("scope: {servers: nowhere}");
    environment.script("watch", &[]).complains("scope.servers: \"nowhere\" is not");
    environment.take_down();
}
