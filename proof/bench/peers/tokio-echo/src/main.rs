//! An echo server on tokio's single-threaded runtime, one task a connection.
//!
//! ```text
//! tokio-echo PORT lines|oneshot|bytes BACKLOG
//! ```

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const MESSAGE_BYTES_MAX: u64 = 16384;

async fn echo_bytes(mut stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await?;
    Ok(())
}

/// Replies are gathered as long as a whole line is there to be answered.
async fn echo_lines(mut stream: TcpStream, oneshot: bool) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = (BufReader::new(reader), BufWriter::new(writer));
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reader).take(MESSAGE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        writer.write_all(&line).await?;
        if oneshot || !reader.buffer().contains(&b'\n') {
            writer.flush().await?;
        }
        if oneshot {
            return Ok(());
        }
    }
}

fn listen(port: u16, backlog: u32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?; // Accepted sockets inherit it.
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(backlog)
}

async fn run(port: u16, behaviour: &str, backlog: u32) -> io::Result<()> {
    let listener = listen(port, backlog)?;
    let oneshot = behaviour == "oneshot";
    loop {
        let (stream, _) = listener.accept().await?;
        // A failed connection ends its own task only.
        if behaviour == "bytes" {
            tokio::spawn(async move { drop(echo_bytes(stream).await) });
        } else {
            tokio::spawn(async move { drop(echo_lines(stream, oneshot).await) });
        }
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, behaviour, backlog] = arguments.as_slice() else {
        return Err(io::Error::other(
            "usage: tokio-echo PORT lines|oneshot|bytes BACKLOG",
        ));
    };
    let port = port.parse().map_err(io::Error::other)?;
    let backlog = backlog.parse().map_err(io::Error::other)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(run(port, behaviour, backlog))
}
