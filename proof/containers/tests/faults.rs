//! Faults of the server's container under load: five clients send a message every 50 ms, and three more
//! connections are idle.
//!
//! The engine keeps one log for all lives of the server; a life begins with "Listening on".

use std::collections::BTreeSet;
use std::ops::Deref;

use echo_containers::{Environment, wait_until};
use echo_harness::fixture::{Shared, Turn};

static ENVIRONMENT: Shared<Environment> = Shared::new();

const CLIENTS: [&str; 5] = ["client1", "client2", "client3", "client4", "client5"];

/// The clients outlive a test.
const CONFIGURATION: &str = "log: {level: debug}\nclient: {loop_period: 50ms, loop_lapse: 10m}\n";

const FLOODERS: usize = 30;

const ANSWER: &str = "* Message from server: *";
const NO_ANSWER: &str = "* not answered by *";

/// The environment of a test, with every client at work.
struct Load(Turn<Environment>);

impl Deref for Load {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        &self.0
    }
}

impl Load {
    fn new() -> Option<Load> {
        let load = Load(ENVIRONMENT.take()?);
        load.bring_up(CONFIGURATION, CLIENTS.len());
        load.begin();
        Some(load)
    }

    /// From here on every client is at work, and three more connections are idle.
    fn begin(&self) {
        self.wait_for_more(ANSWER, 1, self.counts(ANSWER));
        self.connect_idle_clients();
    }

    /// How many lines like `pattern` each client has logged.
    fn counts(&self, pattern: &str) -> [usize; 5] {
        CLIENTS.map(|client| self.log(client).count(pattern))
    }

    /// Waits until each client has logged `number` lines like `pattern` more than it had.
    fn wait_for_more(&self, pattern: &str, number: usize, had: [usize; 5]) {
        wait_until(&format!("{number} more lines like {pattern:?} of each client"), || {
            let has = self.counts(pattern);
            has.iter().zip(&had).all(|(has, had)| *has >= had + number)
        });
    }

    /// Each client goes on, and has got one answer to each message, in order, with its own text.
    fn assert_goes_on(&self) {
        // Two answers, because the first may have been on its way before.
        self.wait_for_more(ANSWER, 2, self.counts(ANSWER));
        self.assert_answered_in_order();
    }

    fn assert_answered_in_order(&self) {
        for id in 1..=CLIENTS.len() {
            let log = self.log(&format!("client{id}")).text;
            for life in log.split("Configuration: ").skip(1) {
                let answers =
                    life.lines().filter_map(|line| line.split_once("Message from server: "));
                for (number, (_, answer)) in (1..).zip(answers) {
                    assert_eq!(answer, format!("[CLIENT {id}] Message number {number} sent"));
                }
            }
        }
    }

    fn start_server(&self) {
        self.server_listens_after("start");
        self.assert_goes_on();
    }

    /// The server leaves with code 0, every connection that it accepted being closed.
    fn assert_leaves_in_order(&self) {
        wait_until("the server's end with code 0", || self.has_exited("server", 0));
        assert_eq!(self.left_open(), [""; 0]);
        self.assert_clients_know_all();
    }

    /// The addresses of the connections that the server accepted in its last life, and did not close.
    fn left_open(&self) -> Vec<String> {
        let log = self.log("server").text;
        let (_, life) = log.rsplit_once("Listening on ").expect("a life");
        let mut open: Vec<String> = Vec::new();
        for line in life.lines() {
            if let Some(accepted) = address(line, " Got connection from ") {
                open.push(accepted.to_owned());
            } else if let Some(closed) = address(line, " Connection ") {
                let index = open.iter().position(|address| address == closed);
                open.swap_remove(index.expect("a connection that is open"));
            }
        }
        open.sort();
        open
    }

    /// Each connection that the server accepted is in the log of its client. The idle clients have no log.
    fn assert_clients_know_all(&self) {
        wait_until("each accepted connection in the log of its client", || {
            let server = self.log("server").text;
            let idle = format!("('{}'", self.idle_address());
            let accepted = server.lines().filter_map(|line| address(line, " Got connection from "));
            let mut accepted: Vec<_> =
                accepted.filter(|address| !address.starts_with(&idle)).collect();
            let clients = CLIENTS.map(|client| self.log(client).text);
            let closed =
                clients.iter().flat_map(|log| log.lines()).filter(|line| line.ends_with(" closed"));
            let mut known: Vec<_> =
                closed.filter_map(|line| address(line, " Connection ")).collect();
            accepted.sort_unstable();
            known.sort_unstable();
            // An address may occur twice in one log. Then it has to occur twice in the other.
            let mut known = known.into_iter();
            accepted.into_iter().all(|address| known.any(|other| other == address))
        });
    }

    /// More peers, beside the idle clients, send newlines without end, and read what comes back.
    fn flood(&self) {
        // The log is soon too long to count connections in it.
        let flooder = "{ until [ -e /go ]; do sleep 0.1; done; tr '\\0' '\\n' </dev/zero; } |
            nc server 12345 >/dev/null";
        let flood = format!("for i in $(seq {FLOODERS}); do {flooder} & done; wait");
        let idle = self.named("idle");
        // They are to fill the server's queues, not to take its processor.
        self.engine(&["update", "--cpu-shares", "2", &idle]);
        self.engine(&["exec", "--detach", &idle, "sh", "-c", &flood]);
        let connected = format!("*Got connection from ('{}', *", self.idle_address());
        wait_until("the peers", || self.log("server").count(&connected) >= FLOODERS);
        self.engine(&["exec", &idle, "sh", "-c", ": >/go"]);
        wait_until("the flood", || self.docker("logs --tail 1", "server").ends_with("Msg: b''"));
    }

    /// Pauses the server, and waits until every client waits for its reply.
    fn pause_server(&self) {
        self.docker("pause", "server");
        wait_until("every client waiting for a reply", || {
            let (opened, closed) =
                (self.counts("* Connection * opened"), self.counts("* Connection * closed"));
            opened.iter().zip(&closed).all(|(opened, closed)| opened > closed)
        });
    }

    fn started_at(&self) -> String {
        self.inspect("server", "{{.State.StartedAt}}")
    }
}

/// The address behind `event`.
fn address<'a>(line: &'a str, event: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(event)?;
    rest.starts_with("('").then(|| rest.split_inclusive(')').next())?
}

/// The addresses without their ports.
fn hosts(addresses: &[String]) -> BTreeSet<&str> {
    addresses.iter().filter_map(|address| address.split(',').next()).collect()
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn sigterm_ends_the_server_in_order() {
    let Some(load) = Load::new() else { return };
    load.docker("kill --signal TERM", "server");
    load.assert_leaves_in_order();
    load.start_server();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn docker_stop_ends_the_server_in_order() {
    let Some(load) = Load::new() else { return };
    load.docker("stop -t 1", "server");
    load.assert_leaves_in_order();
    load.start_server();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn docker_stop_ends_a_server_under_a_flood_in_order() {
    let Some(load) = Load::new() else { return };
    // Every message has its line in the log.
    let logged = CONFIGURATION.replace("level: debug", "message_lines_per_second: 0");
    load.configure(&format!("{logged}server: {{messages_per_connection: 0}}"));
    load.server_listens_after("restart -t 1");
    load.begin();
    load.flood();
    load.docker("stop -t 1", "server");
    assert!(load.has_exited("server", 0), "{}", load.inspect("server", "{{.State.ExitCode}}"));
    // The engine does not keep up with the flood's lines, so the last one may say how many were dropped.
    let last = load.docker("logs --tail 1", "server");
    let says_its_end = ["All sockets closed, server stopped", " log lines were dropped"];
    assert!(says_its_end.iter().any(|words| last.contains(words)), "{last}");
    // The log is too long for other tests.
    load.take_down();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_paused_server_is_waited_for() {
    let Some(load) = Load::new() else { return };
    let started_at = load.started_at();
    load.pause_server();
    load.docker("unpause", "server");
    load.assert_goes_on();
    assert_eq!(load.started_at(), started_at);
}

/// A signal to a paused container also continues it, so the server gets it with a full listen queue.
#[test]
#[ignore = "needs Docker: make test-containers"]
fn sigterm_with_every_client_in_the_listen_queue_leaves_none_without_a_reply() {
    let Some(load) = Load::new() else { return };
    load.pause_server();
    let answers = load.counts(ANSWER);
    // Exchanges of clients that were connected.
    let broken_off = || {
        let logs = CLIENTS.map(|client| load.log(client).text);
        let unanswered =
            logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains("not answered by"));
        unanswered.filter(|line| !line.contains(": cannot ")).count()
    };
    let before = broken_off();
    load.docker("kill --signal TERM", "server");
    load.wait_for_more(ANSWER, 1, answers);
    load.assert_leaves_in_order();
    assert_eq!(broken_off(), before);
    load.start_server();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn sigkill_leaves_at_most_one_connection_of_each_client_open() {
    let Some(load) = Load::new() else { return };
    load.docker("kill --signal KILL", "server");
    wait_until("the server killed", || load.has_exited("server", 137));
    let idle = format!("('{}'", load.idle_address());
    let (idle, others): (Vec<_>, Vec<_>) =
        load.left_open().into_iter().partition(|address| address.starts_with(&idle));
    // The clients of an earlier test may still run.
    assert!(idle.len() >= 3, "{idle:?}");
    assert_eq!(hosts(&others).len(), others.len(), "{others:?}");
    load.assert_clients_know_all();
    load.start_server();
}

/// An exchange is so short that a kill hardly ever meets one. Here the clients are paused after the reply and
/// before they can close, so the kill meets an exchange of every client.
#[test]
#[ignore = "needs Docker: make test-containers"]
fn sigkill_with_a_connection_of_every_client_open_leaves_just_those_open() {
    let Some(load) = Load::new() else { return };
    // The server leaves the closing to its clients.
    load.configure(&format!("{CONFIGURATION}server: {{messages_per_connection: 0}}"));
    load.server_listens_after("restart -t 1");
    load.begin();
    load.pause_server();
    for client in CLIENTS {
        load.docker("pause", client);
    }
    load.docker("unpause", "server");
    wait_until("one connection of each client open, and the three idle ones", || {
        let open = load.left_open();
        (hosts(&open).len(), open.len()) == (6, 8)
    });
    let open = load.left_open();
    load.docker("kill --signal KILL", "server");
    wait_until("the server killed", || load.has_exited("server", 137));
    assert_eq!(load.left_open(), open);
    for client in CLIENTS {
        load.docker("unpause", client);
    }
    load.assert_clients_know_all();
    load.configure(CONFIGURATION);
    load.start_server();
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn a_server_without_network_is_waited_for() {
    let Some(load) = Load::new() else { return };
    let started_at = load.started_at();
    let misses = load.counts(NO_ANSWER);
    load.docker(&format!("network disconnect {}", load.network()), "server");
    load.wait_for_more(NO_ANSWER, 1, misses);
    // The engine has forgotten the alias that Compose gave.
    load.docker(&format!("network connect --alias server {}", load.network()), "server");
    load.assert_goes_on();
    assert_eq!(load.started_at(), started_at);
}

#[test]
#[ignore = "needs Docker: make test-containers"]
fn every_client_ends_by_itself_with_an_answer_to_every_message() {
    let Some(turn) = ENVIRONMENT.take() else { return };
    let load = Load(turn);
    load.take_down();
    load.bring_up(&CONFIGURATION.replace("50ms", "50ms, loop_amount: 100"), CLIENTS.len());
    load.docker("kill --signal TERM", "server");
    load.assert_leaves_in_order();
    load.server_listens_after("start");
    for (id, client) in (1..).zip(CLIENTS) {
        wait_until("a client ending by itself", || load.has_exited(client, 0));
        load.log(client).ends_with(&format!("[CLIENT {id}] Main loop finished"));
        assert_eq!(load.log(client).count(ANSWER), 100, "{client}");
    }
    load.assert_answered_in_order();
    load.docker("stop -t 1", "server");
    load.assert_leaves_in_order();
}
