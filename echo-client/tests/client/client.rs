//! The client as a process, and the server that a test plays for it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use echo_harness::command::{program, without_settings};
use echo_harness::peer::Peer;
use echo_harness::process::Process;

/// The client's first message.
pub(crate) const FIRST: &str = "[CLIENT 1] Message number 1 sent\n";

/// The client with these arguments.
pub(crate) fn client(arguments: &[&str]) -> Command {
    let mut command = without_settings(program("echo-client"));
    command.args(arguments);
    command
}

/// The client for the server at `address` with these settings.
pub(crate) fn client_of(address: &impl ToString, settings: &[&str]) -> Command {
    let mut command = client(&["--config", "/dev/null"]);
    command.env("CLI_SERVER_ADDRESS", address.to_string());
    for setting in settings {
        let (key, value) = setting.split_once(": ").expect("key: value");
        command.env(format!("CLI_{}", key.to_uppercase()), value);
    }
    command
}

/// A running client for the server at `address` with these settings.
pub(crate) fn start(address: &impl ToString, settings: &[&str]) -> Process {
    Process::start(&mut client_of(address, settings))
}

/// A server, and its address.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// The server's end of the next connection, and the message that came on it.
pub(crate) fn receive(listener: &TcpListener) -> (Peer, String) {
    let mut peer = Peer::accept(listener);
    let message = peer.read_line();
    (peer, message)
}

/// Echoes the message of the next connection, closes it, and returns the message.
pub(crate) fn echo(listener: &TcpListener) -> String {
    let (mut peer, message) = receive(listener);
    peer.send(&message);
    message
}
