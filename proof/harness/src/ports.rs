//! Where to listen, and where to connect from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// The ports that are given out. They are below the ports that the kernel gives to outgoing connections
/// (`ip_local_port_range`, from 32768 on), so that a server finds its port free again at a restart.
const FIRST_PORT: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

/// A port of this host that nobody uses. Each call returns another port.
pub fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes with close numbers begin far apart.
    let first = process::id() % u32::from(PORT_COUNT) * 997;
    (0..PORT_COUNT)
        .filter_map(|_| {
            let number = first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            Some(FIRST_PORT + u16::try_from(number % u32::from(PORT_COUNT)).ok()?)
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| io::Error::other("no port is free"))
}

/// An address at which nobody listens yet.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port().expect("a free port")).into()
}

/// The addresses to connect from, 127.0.0.2 to 127.0.0.201 in turn. One address has 28,232 ports by
/// default, and a connection that the server closed occupies one for a minute.
#[derive(Debug, Default)]
pub struct Sources {
    next: u8,
}

impl Sources {
    const COUNT: u8 = 200;

    pub fn take(&mut self) -> Ipv4Addr {
        let address = Ipv4Addr::new(127, 0, 0, 2 + self.next);
        self.next = (self.next + 1) % Self::COUNT;
        address
    }

    /// Begins a nonblocking connection from the next address. `receive_buffer` is the size of the
    /// buffer, if the kernel's choice does not fit. On loopback the connection is usually made at once.
    pub fn connect(
        &mut self,
        server: SocketAddrV4,
        receive_buffer: Option<usize>,
    ) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(&SocketAddrV4::new(self.take(), 0).into())?;
        match socket.connect(&server.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        socket.set_tcp_nodelay(true)?;
        Ok(socket.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_repeat_and_stay_on_loopback() {
        let mut sources = Sources::default();
        let taken: Vec<_> = (0..=u16::from(Sources::COUNT)).map(|_| sources.take()).collect();
        assert_eq!(taken.first(), taken.last());
        assert_eq!(taken[0], Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(taken[199], Ipv4Addr::new(127, 0, 0, 201));
    }

    #[test]
    fn no_port_is_given_twice() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }
}
