//! A line echo server on tokio's single-threaded runtime, one task a connection.
//!
//! ```text
//! tokio-echo PORT stream|oneshot BACKLOG
//! ```

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const MESSAGE_BYTES_MAX: usize = 16384;

/// Echoes whole lines; the start of a line waits for its end.
async fn serve(mut stream: TcpStream, oneshot: bool) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(MESSAGE_BYTES_MAX);
    while bytes.len() < MESSAGE_BYTES_MAX && stream.read_buf(&mut bytes).await? > 0 {
        let is_newline = |byte: &u8| *byte == b'\n';
        let newline = if oneshot {
            bytes.iter().position(is_newline)
        } else {
            bytes.iter().rposition(is_newline)
        };
        let Some(newline) = newline else { continue };
        stream.write_all(&bytes[..=newline]).await?;
        if oneshot {
            return Ok(());
        }
        bytes.drain(..=newline);
    }
    Ok(())
}

fn listen(port: u16, backlog: u32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?; // Accepted sockets inherit it.
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(backlog)
}

async fn run(port: u16, oneshot: bool, backlog: u32) -> io::Result<()> {
    let listener = listen(port, backlog)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A failed connection ends its own task only.
        tokio::spawn(async move { drop(serve(stream, oneshot).await) });
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, behaviour, backlog] = arguments.as_slice() else {
        return Err(io::Error::other(
            "usage: tokio-echo PORT stream|oneshot BACKLOG",
        ));
    };
    let port = port.parse().map_err(io::Error::other)?;
    let backlog = backlog.parse().map_err(io::Error::other)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(run(port, behaviour == "oneshot", backlog))
}
