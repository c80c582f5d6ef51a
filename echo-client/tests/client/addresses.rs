//! A name with several addresses, as several servers have it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use echo_harness::command::{is_available, program, without_settings};
use echo_harness::ports::free_port;
use echo_harness::process::{Ended, Process};
use echo_harness::scratch::ScratchFile;

const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 4)];

/// With fair dice, one of three servers is left out of so many messages once in 10 billion runs.
const MESSAGES: usize = 60;

/// A port that each of the addresses has.
fn listen_at(addresses: &[Ipv4Addr]) -> (Vec<TcpListener>, u16) {
    let port = free_port().expect("a free port");
    let listen = |address: &Ipv4Addr| TcpListener::bind((*address, port)).expect("a free port");
    (addresses.iter().map(listen).collect(), port)
}

/// Echoes one line of each connection, as long as the test runs; the result tells of each.
fn serve(listeners: Vec<TcpListener>) -> Receiver<Ipv4Addr> {
    let (told, served) = mpsc::channel();
    for (listener, address) in listeners.into_iter().zip(SERVERS) {
        let told = told.clone();
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&socket).read_line(&mut line);
                // Before the reply, so that all is told when the client has ended.
                let _ = told.send(address);
                let _ = socket.write_all(line.as_bytes());
            }
        });
    }
    served
}

/// Runs the client to its end, where all servers have the name `servers`. `None` if this user may not
/// mount files.
fn run_client(port: u16) -> Option<Ended> {
    if !is_available(&["unshare", "--mount", "mount", "--bind", "/dev/null", "/etc/hosts"]) {
        return None;
    }
    let lines = SERVERS.map(|address| format!("{address} servers\n"));
    let hosts = ScratchFile::new("hosts", lines.concat());
    let mut unshare = without_settings("unshare");
    let with_hosts = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    unshare.args(["--mount", "sh", "-c", with_hosts, "sh", hosts.path()]);
    unshare.arg(program("echo-client")).args(["--config", "/dev/null", "--loop-period", "0s"]);
    unshare.args(["--loop-amount", &MESSAGES.to_string()]);
    unshare.args(["--server-address", &format!("servers:{port}")]);
    // Else the system may read one line of the file only.
    Some(Process::start(unshare.env("RES_MULTI", "on")).wait())
}

#[test]
fn the_servers_of_one_name_share_the_messages() {
    let (listeners, port) = listen_at(&SERVERS);
    let served = serve(listeners);
    let Some(ended) = run_client(port) else { return };
    ended.assert_left_with(0);
    let served: Vec<Ipv4Addr> = served.try_iter().collect();
    assert_eq!(served.len(), MESSAGES);
    for address in SERVERS {
        assert!(served.contains(&address), "nothing for {address}: {served:?}");
    }
}

#[test]
fn of_the_servers_of_one_name_those_that_refuse_are_passed_over() {
    let (listeners, port) = listen_at(&SERVERS[..1]);
    let served = serve(listeners);
    let Some(ended) = run_client(port) else { return };
    ended.assert_left_with(0);
    assert_eq!(served.try_iter().count(), MESSAGES);
    ended.log.assert_lacks("not answered");
}
