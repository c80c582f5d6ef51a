//! A peer of the program that is tested: a blocking socket, and what a test can do with it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::SendFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};

use crate::wait::{self, PATIENCE};

/// What every host takes in one segment, in bytes.
const SMALL_SEGMENT: u32 = 536;

/// One end of a connection; the program that is tested has the other.
pub struct Peer {
    socket: TcpStream,
}

/// How a connection ended, as its peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other end has ended its output in order.
    Clean,
    Reset,
}

impl Peer {
    /// Connects to a server on this host.
    pub fn connect(port: u16) -> Peer {
        Peer::connect_to(Ipv4Addr::LOCALHOST.into(), port)
    }

    pub fn connect_to(ip: IpAddr, port: u16) -> Peer {
        TcpStream::connect((ip, port)).expect("the server listens").into()
    }

    pub fn connect_many(port: u16, count: usize) -> Vec<Peer> {
        many(count, || Peer::connect(port))
    }

    /// Connects with a receive buffer as small as the kernel lets it be, at least `bytes`.
    pub fn connect_with_receive_buffer(port: u16, bytes: usize) -> Peer {
        // Before the connection is made: it decides on the window that is offered.
        Peer::connect_after(port, |socket| socket.set_recv_buffer_size(bytes))
    }

    /// Connects so that some 100 KB, not megabytes, fill the buffers on the way to this peer: the kernel
    /// sizes the sender's by the segments.
    pub fn connect_with_little_room(port: u16) -> Peer {
        Peer::connect_after(port, |socket| {
            socket.set_recv_buffer_size(4096)?;
            socket.set_tcp_mss(SMALL_SEGMENT)
        })
    }

    pub fn connect_many_with_little_room(port: u16, count: usize) -> Vec<Peer> {
        many(count, || Peer::connect_with_little_room(port))
    }

    fn connect_after(port: u16, prepare: impl FnOnce(&Socket) -> io::Result<()>) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        prepare(&socket).expect("an option");
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.connect(&server.into()).expect("the server listens");
        TcpStream::from(socket).into()
    }

    /// Waits for a client to connect.
    pub fn accept(listener: &TcpListener) -> Peer {
        listener.set_nonblocking(true).expect("a socket can be");
        wait::until_some("a connection", || listener.accept().ok()).0.into()
    }

    /// This end's address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// This end's address, as a log shows it.
    pub fn name(&self) -> String {
        name(self.socket.local_addr())
    }

    /// The other end's address, as a log shows it.
    pub fn other_name(&self) -> String {
        name(self.socket.peer_addr())
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("input is taken");
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref())
    }

    /// Sends `bytes` and the end of the output in one segment.
    pub fn send_with_end(&mut self, bytes: &[u8]) {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let sent = rustix::net::send(&self.socket, bytes, flags).expect("input is taken");
        assert_eq!(sent, bytes.len());
        self.end_output();
    }

    pub fn send_urgent(&mut self, byte: u8) {
        let sent = SockRef::from(&self.socket).send_out_of_band(&[byte]).expect("input is taken");
        assert_eq!(sent, 1);
    }

    /// Sends until there is no more room, and returns the number of bytes.
    pub fn send_while_there_is_room(&mut self, bytes: &[u8]) -> usize {
        self.socket.set_nonblocking(true).expect("a socket can be");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("input is taken: {error}"),
            }
        }
        self.socket.set_nonblocking(false).expect("a socket can be");
        sent
    }

    /// Has a thread send, and end the output, while this one reads.
    pub fn in_background(&self, send: impl FnOnce(&mut Peer) + Send + 'static) -> JoinHandle<()> {
        let mut peer = Peer { socket: self.socket.try_clone().expect("a descriptor") };
        thread::spawn(move || {
            send(&mut peer);
            peer.end_output();
        })
    }

    pub fn end_output(&self) {
        self.socket.shutdown(Shutdown::Write).expect("a connection");
    }

    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.socket.read_exact(&mut bytes).expect("that many bytes");
        bytes
    }

    /// Reads a line. Bytes that have arrived after it would be lost.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(&self.socket).read_line(&mut line).expect("a line of text");
        line
    }

    /// Reads up to the first `byte`, and that too. What has arrived behind it stays where it is.
    pub fn read_until(&mut self, byte: u8) -> Vec<u8> {
        let (mut bytes, mut part) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let arrived = self.socket.peek(&mut part).expect("bytes");
            assert!(arrived > 0, "the end came before {}", byte.escape_ascii());
            let end = part[..arrived].iter().position(|other| *other == byte);
            bytes.extend(self.read(end.map_or(arrived, |place| place + 1)));
            if end.is_some() {
                return bytes;
            }
        }
    }

    /// Reads what comes as long as `condition` holds.
    pub fn read_while(&mut self, mut condition: impl FnMut() -> bool) -> Vec<u8> {
        let (mut bytes, mut part) = (Vec::new(), vec![0; 1 << 16]);
        wait::until("the last byte", || {
            while self.has_input() {
                let count = self.socket.read(&mut part).expect("there is some");
                assert!(count > 0, "the end came while more was expected");
                bytes.extend_from_slice(&part[..count]);
            }
            !condition()
        });
        bytes
    }

    /// Reads all that comes, and how it ends.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let end = match self.socket.read_to_end(&mut bytes) {
            Ok(_) => End::Clean,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("neither an end nor a reset: {error}"),
        };
        (bytes, end)
    }

    /// Panics unless `expected` comes next.
    pub fn assert_reads(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        assert_same(&self.read(expected.len()), expected);
    }

    /// Panics unless `expected` comes, and then a clean end.
    pub fn assert_gets(&mut self, expected: impl AsRef<[u8]>) {
        let (bytes, end) = self.read_to_end();
        assert_same(&bytes, expected.as_ref());
        assert_eq!(end, End::Clean, "{} had all bytes, then a reset", self.name());
    }

    /// Sends a message and panics unless it comes back; the connection stays open.
    pub fn assert_echoes(&mut self, message: impl AsRef<[u8]>) {
        self.send(&message);
        self.assert_reads(message);
    }

    /// Sends a message and panics unless it comes back, and then a clean end.
    pub fn assert_answers(&mut self, message: impl AsRef<[u8]>) {
        self.send(&message);
        self.assert_gets(message);
    }

    /// Sends a message and the end of the output, and panics unless the message comes back, and then a
    /// clean end.
    pub fn assert_answers_at_the_end(&mut self, message: impl AsRef<[u8]>) {
        self.send(&message);
        self.end_output();
        self.assert_gets(message);
    }

    /// Waits until at least this many bytes wait to be read, and returns how many there are.
    pub fn wait_for_input(&self, at_least: usize) -> usize {
        wait::until_some(&format!("{at_least} bytes of input"), || {
            let bytes = rustix::io::ioctl_fionread(&self.socket).expect("a socket can tell");
            usize::try_from(bytes).ok().filter(|bytes| *bytes >= at_least)
        })
    }

    /// Whether something has come, or the end; it is not taken.
    pub fn has_input(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a socket can be");
        let peeked = self.socket.peek(&mut [0]);
        self.socket.set_nonblocking(false).expect("a socket can be");
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Closes with a reset.
    pub fn reset(self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).expect("an option");
    }
}

impl From<TcpStream> for Peer {
    fn from(socket: TcpStream) -> Peer {
        // What was sent with one call leaves as one segment, at once.
        socket.set_nodelay(true).expect("an option");
        socket.set_read_timeout(Some(PATIENCE.limit)).expect("an option");
        socket.set_write_timeout(Some(PATIENCE.limit)).expect("an option");
        Peer { socket }
    }
}

fn many(count: usize, connect: impl Fn() -> Peer) -> Vec<Peer> {
    // The soft limit may be too low for the peers of all tests that run at the same time.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    raised.expect("the hard limit is allowed");
    (0..count).map(|_| connect()).collect()
}

pub fn all_send(peers: &mut [Peer], bytes: impl AsRef<[u8]>) {
    for peer in peers {
        peer.send(&bytes);
    }
}

pub fn all_read(peers: &mut [Peer], expected: impl AsRef<[u8]>) {
    for peer in peers {
        peer.assert_reads(&expected);
    }
}

pub fn all_get(peers: &mut [Peer], expected: impl AsRef<[u8]>) {
    for peer in peers {
        peer.assert_gets(&expected);
    }
}

fn name(address: io::Result<SocketAddr>) -> String {
    let address = address.expect("an address");
    format!("('{}', {})", address.ip(), address.port())
}

/// A line of this many bytes, its newline included.
pub fn line(bytes: usize) -> Vec<u8> {
    let mut line = vec![b'x'; bytes];
    line[bytes - 1] = b'\n';
    line
}

/// Like `assert_eq!`, but shows where the difference is instead of megabytes of both.
pub fn assert_same(actual: &[u8], expected: &[u8]) {
    let same = actual.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| bytes[same..].iter().take(40).copied().collect::<Vec<u8>>();
    assert!(
        actual == expected,
        "{} bytes came, {} were expected; from byte {same} on \"{}\" came, not \"{}\"",
        actual.len(),
        expected.len(),
        show(actual).escape_ascii(),
        show(expected).escape_ascii(),
    );
}
