//! An echo server with a thread for each connection, and blocking calls.
//!
//! ```text
//! threads-echo PORT lines BACKLOG
//! ```
//!
//! A thread that waits in `read` holds nobody up but its own client. What it costs is a stack, and a context switch
//! for each message.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

const MESSAGE_BYTES_MAX: u64 = 16384;

/// Replies are gathered as long as a whole line is there to be answered.
fn echo_lines(stream: &TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), BufWriter::new(stream));
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.by_ref().take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        writer.write_all(&line)?;
        if !reader.buffer().contains(&b'\n') {
            writer.flush()?;
        }
    }
}

fn listen(port: u16, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?; // Accepted sockets inherit it.
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, mode, backlog] = arguments.as_slice() else {
        return Err(io::Error::other("usage: threads-echo PORT lines BACKLOG"));
    };
    if mode != "lines" {
        return Err(io::Error::other("a line is all that it echoes"));
    }
    let port = port.parse().map_err(io::Error::other)?;
    let listener = listen(port, backlog.parse().map_err(io::Error::other)?)?;
    loop {
        let (stream, _) = listener.accept()?;
        // A failed connection ends its own thread only; one that gets no thread is closed.
        let thread = thread::Builder::new().spawn(move || drop(echo_lines(&stream)));
        if let Err(error) = thread {
            eprintln!("no thread for a connection: {error}");
        }
    }
}
