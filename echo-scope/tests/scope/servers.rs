//! Servers that come, go, fall silent and come back.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

use echo_harness::command::is_available;
use echo_harness::ports::free_port;
use echo_harness::scratch::ScratchFile;
use echo_harness::wait;
use echo_status::{Drain, Exit, Phase};
use serde_json::Value;

use crate::fake::{Fake, turn};
use crate::scope::{Scope, scope_of};

fn link(state: &Value, server: &Fake) -> String {
    let servers = state["servers"].as_array().expect("servers");
    let id = server.address.to_string();
    let row = servers.iter().find(|row| row["id"] == id.as_str());
    row.map_or(String::new(), |row| row["link"]["state"].as_str().expect("a state").to_owned())
}

#[test]
fn a_server_is_shown_with_its_turns() {
    let fake = Fake::start();
    fake.change(|frame| {
        frame.open.total = 3;
        frame.open.idle = 3;
        frame.turns = (1..=300).map(turn).collect();
    });
    let scope = Scope::start(&fake.address);
    let turns = scope.events("/events").until_some("the server", |state| {
        let shown = state["shown"].as_object()?;
        assert_eq!(shown["id"], fake.address.to_string());
        assert_eq!(shown["frame"]["open"]["idle"], 3);
        assert_eq!(link(state, &fake), "watching");
        Some(shown["turns"].as_array().expect("turns").len())
    });
    assert_eq!(turns, 256);
    let name = fake.address;
    scope.process.log().wait_for(&format!("Watching {name} ({name}): host c0ffee, version 0.1.0"));
}

#[test]
fn a_server_that_goes_is_shown_as_gone_and_comes_back_in_another_life() {
    let fake = Fake::start();
    let address = fake.address;
    let scope = Scope::start(&address);
    let mut events = scope.events("/events");
    events.until("the server", |state| link(state, &fake) == "watching");
    drop(fake);
    let why = events.until_some("its end", |state| {
        let link = &state["servers"][0]["link"];
        (link["state"] == "gone").then(|| link["why"].as_str().expect("a reason").to_owned())
    });
    assert!(!why.is_empty());
    // What it told last is shown still.
    events.until("its last frame", |state| state["shown"]["frame"]["phase"] == "running");

    let fake = Fake::start_at(address);
    fake.change(|frame| {
        frame.server.started_unix_us += 1;
        frame.turns = vec![turn(1)];
    });
    events.until("another life", |state| {
        link(state, &fake) == "watching" && state["shown"]["life"] == 2
    });
    // One line for each change; the last may come a moment after the page knows.
    let log = scope.process.log();
    wait::until("both lives in the log", || log.containing("Watching ").len() == 2);
    assert_eq!(log.containing(" is gone: ").len(), 1);
}

#[test]
fn a_drain_is_shown_to_its_end() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let mut events = scope.events("/events");
    events.until("the server", |state| state["shown"]["frame"]["phase"] == "running");
    let mut drain = Drain {
        signal: "SIGTERM".to_owned(),
        us: 100_000,
        timeout_us: 700_000,
        listener_is_closed: true,
        owing: 2,
        exit: None,
    };
    fake.change(|frame| (frame.phase, frame.drain) = (Phase::Draining, Some(drain.clone())));
    events.until("the drain", |state| {
        state["shown"]["frame"]["drain"]["owing"] == 2
            && state["servers"][0]["now"]["phase"] == "draining"
    });
    drain.exit = Some(Exit::Drained);
    fake.change(|frame| (frame.phase, frame.drain) = (Phase::Stopped, Some(drain)));
    events.until("its end", |state| state["shown"]["frame"]["drain"]["exit"] == "drained");
    let address = fake.address;
    drop(fake);
    events.until("the end", |state| state["servers"][0]["link"]["state"] == "gone");
    let fake = Fake::start_at(address);
    fake.change(|frame| frame.server.started_unix_us += 1);
    events.until("another life", |state| state["shown"]["frame"]["drain"].is_null());
}

#[test]
fn a_server_that_says_nothing_is_silent_and_not_gone() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let mut events = scope.events("/events");
    events.until("the server", |state| link(state, &fake) == "watching");
    fake.be_mute(true);
    events.until("the silence", |state| link(state, &fake) == "silent");
    scope.process.log().wait_for("says nothing: it is stopped, paused, or out of reach");
    // A connection that may be broken is made anew; a server that is only paused stays silent meanwhile.
    let before = fake.watches();
    events.until("a new connection", |state| {
        assert_eq!(link(state, &fake), "silent");
        fake.watches() > before
    });
    fake.be_mute(false);
    events.until("its voice", |state| link(state, &fake) == "watching");
}

/// A status port has eight places.
#[test]
fn a_server_without_a_place_is_asked_for_one_frame_after_the_other() {
    let fake = Fake::start();
    fake.be_full(true);
    let scope = Scope::start(&fake.address);
    let mut events = scope.events("/events");
    events.until("the server", |state| link(state, &fake) == "watching");
    fake.change(|frame| frame.open.total = 7);
    events.until("another frame", |state| {
        assert_eq!(link(state, &fake), "watching");
        state["shown"]["frame"]["open"]["total"] == 7
    });
    scope.process.log().wait_for("has no place for one more reader");
    fake.be_full(false);
    scope.process.log().wait_for_count("Watching ", 2);
    assert_eq!(scope.process.log().containing("no place").len(), 1);
    assert_eq!(scope.process.log().containing("is gone").len(), 0);
}

#[test]
fn what_is_no_status_port_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // As an echo server does.
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let _ = std::io::copy(&mut socket.try_clone().expect("a descriptor"), &mut socket);
        }
    });
    let scope = Scope::start(&address);
    scope.process.log().wait_for("is gone: what answers is no status port (");
    assert_eq!(scope.process.log().containing("no status port").len(), 1);
}

#[test]
fn lines_of_another_version_are_named_as_such() {
    let fake = Fake::start();
    fake.change(|frame| frame.version = 99);
    let scope = Scope::start(&fake.address);
    scope
        .process
        .log()
        .wait_for("is gone: its lines have version 99, this program reads version 1");
}

#[test]
fn several_servers_are_rows_and_one_of_them_is_chosen() {
    let (one, two) = (Fake::start(), Fake::start());
    two.change(|frame| "second".clone_into(&mut frame.server.host));
    let scope = Scope::start(&format!("{},{}", one.address, two.address));
    let both = |state: &Value| link(state, &one) == "watching" && link(state, &two) == "watching";
    scope.events("/events").until("both", both);
    let mut events = scope.events(&format!("/events/{}", two.address));
    events.until("the second", |state| state["shown"]["frame"]["server"]["host"] == "second");
    drop(two);
    events.until("the second one's end", |state| {
        assert_eq!(state["shown"]["frame"]["server"]["host"], "second");
        let servers = state["servers"].as_array().expect("servers");
        servers.iter().any(|row| row["link"]["state"] == "gone") && link(state, &one) == "watching"
    });
}

/// In a file system of its own, the program reads names from a file of the test.
#[test]
fn a_name_of_several_addresses_is_several_servers_and_is_looked_up_afresh() {
    let hosts = ScratchFile::new("hosts", "127.0.0.2 many\n127.0.0.3 many\n");
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let unshare = ["unshare", "--mount", "sh", "-c", script, hosts.path()];
    if !is_available(&[&unshare[..], &["true"]].concat()) {
        return;
    }
    let two = Fake::start_at(([127, 0, 0, 2], free_port().expect("a port")).into());
    let three = two.start_beside(3);
    let mut command = std::process::Command::new(unshare[0]);
    let program = scope_of(&format!("many:{}", two.address.port()));
    command.args(&unshare[1..]).arg(program.get_program()).args(program.get_args());
    let scope = Scope::start_by(command);
    let mut events = scope.events("/events");
    events.until("both", |state| {
        link(state, &two) == "watching" && link(state, &three) == "watching"
    });

    let four = two.start_beside(4);
    rewrite(&hosts, "127.0.0.2 many\n127.0.0.4 many\n");
    events.until("the new one", |state| link(state, &four) == "watching");
    // Nobody's name any more, but still there.
    events.until("the old one", |state| link(state, &three) == "watching");

    rewrite(&hosts, "\n");
    events.until("the lost name", |state| !state["names"][0]["problem"].is_null());
    events.until("all three", |state| link(state, &two) == "watching");
}

/// In place: the program sees this very file.
fn rewrite(file: &ScratchFile, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(file).expect("our own");
    file.write_all(text.as_bytes()).expect("room");
}

#[test]
fn a_name_that_means_nothing_is_a_problem_and_no_end() {
    let fake = Fake::start();
    let scope = Scope::start(&format!("nobody.invalid:1,{}", fake.address));
    let mut events = scope.events("/events");
    events.until("the problem", |state| {
        state["names"][0]["problem"].is_string() && state["names"][1]["problem"].is_null()
    });
    events.until("the other", |state| link(state, &fake) == "watching");
}
