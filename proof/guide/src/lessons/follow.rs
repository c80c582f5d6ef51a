//! One connection as the server itself tells of it: `echo-reactor --watch --follow`.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use echo_harness::child::OwnedChild;
use echo_harness::peer::Peer;
use echo_harness::ports::free_port;
use echo_harness::wait::PATIENCE;

use super::Cast;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let status = SocketAddr::from(([127, 0, 0, 1], free_port()?)).to_string();
    let server = cast.server()?.set("status", &status).start();
    let mut view = Command::new(&cast.reactor);
    let words = ["--config", "/dev/null", "--status", &status, "--watch", "--follow"];
    println!("$ echo-reactor --status {status} --watch --follow\n");
    view.args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut view = OwnedChild::spawn(&mut view)?;
    let mut lines = BufReader::new(view.stdout().expect("a pipe")).lines();
    // Its first lines say that it is there.
    for line in lines.by_ref() {
        let line = line?;
        println!("{line}");
        if line.contains("waiting for a connection") {
            break;
        }
    }
    hesitate(server.port, || server.wait_until_quiet());
    for line in lines {
        println!("{}", line?);
    }
    view.wait(PATIENCE)?;
    Ok(())
}

/// The second client of the first chapter.
fn hesitate(port: u16, rest: impl Fn()) {
    let mut peer = Peer::connect(port);
    rest();
    peer.send("hola\n");
    peer.assert_gets("hola\n");
}
