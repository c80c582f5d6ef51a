//! A peer sends and does not read. The server stops reading from it, and so the peer has to stop too.

use std::io;

use echo_harness::peer::Peer;

use super::Cast;
use crate::stage::Stage;

/// More than the buffers on the way back to the peer hold, and something more.
const FIRST: usize = 300_000;
const MORE: usize = 50_000;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let mut stage = Stage::open(cast.server()?.set("framing", "stream"))?;
    let mut peer = Peer::connect_with_little_room(stage.server.port);
    peer.assert_echoes("the server knows me\n");
    stage.rest();

    let bytes = vec![b'x'; FIRST + MORE];
    stage.act(format!("sends as much of {FIRST} bytes as finds room, and reads nothing"));
    let mut sent = 0;
    // The kernel makes more room once it sees that it is needed.
    for _ in 0..3 {
        sent += peer.send_while_there_is_room(&bytes[sent..FIRST]);
        stage.rest();
    }
    stage.act(format!("sends as much of {MORE} bytes as finds room, and reads nothing"));
    sent += peer.send_while_there_is_room(&bytes[sent..sent + MORE]);
    stage.rest();
    stage.act(format!("reads the {sent} bytes for which there was room"));
    peer.assert_reads(&bytes[..sent]);
    stage.rest();
    println!("{}", stage.close().show());
    Ok(())
}
