//! What a first solution of the exercises often is: one client at a time, one read of up to 1024 bytes, one reply,
//! and no thought of SIGTERM. Only the standard library, so that `rustc` alone builds it.
//!
//! ```text
//! blocking-echo [PORT]
//! ```

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("12345".into());
    let port = port.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    loop {
        println!("Proceed to accept new connections");
        let (stream, address) = listener.accept()?;
        println!("Got connection from {address}");
        if let Err(error) = answer(stream) {
            println!("Error while talking to {address}: {error}");
        }
    }
}

/// Waits for the message of this client, however long that takes, while all others wait.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut message = [0; 1024];
    let count = stream.read(&mut message)?;
    println!("Message received: {:?}", String::from_utf8_lossy(&message[..count]));
    stream.write_all(&message[..count])
}
