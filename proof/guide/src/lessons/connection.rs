//! A client connects, sends a line, gets it back, and is disconnected: seven system calls.

use std::io;

use echo_harness::peer::Peer;

use super::Cast;
use crate::stage::{Picture, Stage};

/// The calls for a message that is there when its connection is accepted.
const AT_ONCE: [&str; 7] =
    ["epoll_wait", "accept4", "recvfrom", "sendto", "shutdown", "accept4", "close"];

/// The peer is quicker than a server under `strace`, but on a busy machine it may lose a race.
const TRIES: usize = 20;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    println!(
        "A client whose message is there when the server accepts:\n\n{}",
        at_once(cast)?.show()
    );
    println!(
        "A client that hesitates between its connection and its message:\n\n{}",
        hesitant(cast)?.show()
    );
    Ok(())
}

fn at_once(cast: &Cast) -> io::Result<Picture> {
    for _ in 0..TRIES {
        let mut stage = Stage::open(cast.server()?)?;
        stage.act("connects, sends \"hola\\n\"");
        let mut peer = Peer::connect(stage.server.port);
        peer.send("hola\n");
        peer.assert_gets("hola\n");
        stage.rest();
        let picture = stage.close();
        if picture.calls() == AT_ONCE {
            return Ok(picture);
        }
    }
    Err(io::Error::other("the machine is too busy: no message came with its connection"))
}

fn hesitant(cast: &Cast) -> io::Result<Picture> {
    let mut stage = Stage::open(cast.server()?)?;
    stage.act("connects");
    let mut peer = Peer::connect(stage.server.port);
    stage.rest();
    stage.act("sends \"hola\\n\"");
    peer.send("hola\n");
    peer.assert_gets("hola\n");
    stage.rest();
    Ok(stage.close())
}
