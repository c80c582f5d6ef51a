//! A peer sends more than one read takes. There is one event, and it is the only one.

use std::io;

use echo_harness::peer::{Peer, line};

use super::Cast;
use crate::stage::Stage;

/// As much as the server reads at once where it looks at each message.
const ONE_READ: usize = 4096;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    // So many that the server looks at each message, and the end is not reached here.
    let mut stage = Stage::open(cast.server()?.set("messages_per_connection", 100))?;
    let mut peer = Peer::connect(stage.server.port);
    peer.assert_echoes("the server knows me\n");
    stage.rest();

    stage.act("sends 10 lines of 1000 bytes in one segment");
    peer.assert_echoes(line(1000).repeat(10));
    stage.rest();
    stage.act("sends 8 lines of 1024 bytes: exactly two reads");
    peer.assert_echoes(line(ONE_READ / 4).repeat(8));
    stage.rest();
    println!("{}", stage.close().show());
    Ok(())
}
