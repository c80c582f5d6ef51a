//! A peer sends and does not read. The server stops reading from it, and so the peer has to stop too.

use std::io;

use echo_harness::peer::Peer;

use super::Cast;
use crate::stage::Stage;

/// More than all buffers on the way hold.
const BYTES: usize = 2_000_000;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let mut stage = Stage::open(cast.server()?.set("framing", "stream"))?;
    let mut peer = Peer::connect_with_little_room(stage.server.port);
    peer.assert_echoes("the server knows me\n");
    stage.rest();

    let bytes = vec![b'x'; BYTES];
    stage.act(format!("sends as much of {BYTES} bytes as finds room, and reads nothing"));
    let sent = peer.send_while_there_is_room(&bytes);
    stage.rest();
    stage.act(format!("has found room for {sent} bytes, and reads them all now"));
    peer.assert_reads(&bytes[..sent]);
    stage.rest();
    println!("{}", stage.close().show());
    Ok(())
}
