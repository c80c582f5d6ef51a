//! How a connection ends: a peer that ends its output and still wants its reply, and one that goes on sending
//! behind its last message.

use std::io;

use echo_harness::peer::{Peer, line};

use super::Cast;
use crate::stage::{Picture, Stage};

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    println!(
        "A peer that ends its output (half-close) and waits for its reply:\n\n{}",
        half_close(cast)?.show()
    );
    println!("A peer that goes on sending behind its only message:\n\n{}", linger(cast)?.show());
    Ok(())
}

fn half_close(cast: &Cast) -> io::Result<Picture> {
    let mut stage = Stage::open(cast.server()?)?;
    let mut peer = Peer::connect(stage.server.port);
    stage.rest();
    stage.act("sends \"hola\", without a newline, and its FIN in the same segment");
    peer.send_with_end(b"hola");
    peer.assert_gets("hola");
    stage.rest();
    Ok(stage.close())
}

fn linger(cast: &Cast) -> io::Result<Picture> {
    let mut stage = Stage::open(cast.server()?)?;
    let mut peer = Peer::connect(stage.server.port);
    stage.rest();
    stage.act("sends \"hola\\n\" and 20000 bytes behind it");
    peer.send([b"hola\n", &line(20_000)[..]].concat());
    stage.rest();
    stage.act("sends one line more");
    peer.send("one line more\n");
    stage.rest();
    stage.act("reads its reply and the end, and closes");
    peer.assert_gets("hola\n");
    drop(peer);
    stage.rest();
    Ok(stage.close())
}
