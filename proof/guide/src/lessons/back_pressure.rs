//! A peer sends and does not read. The server stops reading from it, and so the peer has to stop too.

use std::io;

use echo_harness::peer::Peer;

use super::Cast;
use crate::stage::Stage;

/// More than the buffers on the way back to the peer hold.
const BYTES: usize = 300_000;

pub(crate) fn play(cast: &Cast) -> io::Result<()> {
    let mut stage = Stage::open(cast.server()?.set("framing", "stream"))?;
    let mut peer = Peer::connect_with_little_room(stage.server.port);
    peer.assert_echoes("the server knows me\n");
    stage.rest();

    let bytes = vec![b'x'; BYTES];
    let mut sent = 0;
    for more in ["as much of", "as much as possible of the rest of"] {
        stage.act(format!("sends {more} {BYTES} bytes, and reads nothing"));
        sent += peer.send_while_there_is_room(&bytes[sent..]);
        stage.rest();
    }
    stage.act(format!("reads the {sent} bytes for which there was room"));
    peer.assert_reads(&bytes[..sent]);
    stage.rest();
    println!("{}", stage.close().show());
    Ok(())
}
