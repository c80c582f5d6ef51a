//! The real kernel: epoll through mio, sockets, signals as poll events.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::SendFlags;
use signal_hook_mio::v1_0::Signals;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket as RawSocket, Type};

use crate::deadlines::Moment;
use crate::kernel::{Clock, Kernel, LogBacklog, Socket, Wakeup};
use crate::log_outlet::LogOutlet;
use crate::peer::Peer;
use crate::signals::{HANDLED, Request};
use crate::source::{Readiness, Source, WATCHERS, Wake};

/// How many events one `epoll_wait` may bring.
const EVENTS_PER_TURN: usize = 1024;

/// How many watchers may wait to be accepted.
const WATCHERS_BACKLOG: u16 = 64;

/// What the kernel holds for a watcher that does not read: room for one large frame, so that a watcher
/// that reads in time gets each frame whole, and no more, so that one that does not costs little.
const WATCHER_SEND_BYTES: usize = 128 * 1024;

/// A watcher sends one word.
const WATCHER_RECEIVE_BYTES: usize = 4 * 1024;

/// Everything that the reactor waits for, in one epoll instance.
pub struct Linux {
    poll: Poll,
    events: Events,
    /// `None` before it listens, and once it is closed.
    listener: Option<TcpListener>,
    /// `None` where nobody may watch.
    status: Option<StatusPort>,
    signals: Signals,
    signals_are_pending: bool,
    log: LogOutlet,
    started: Instant,
}

impl Linux {
    /// From here on the signals are handled, and the poll watches for them and for room in the log.
    ///
    /// # Errors
    /// What `epoll_create1(2)`, `socketpair(2)` and `epoll_ctl(2)` list.
    pub fn new(log: LogOutlet) -> io::Result<Linux> {
        let poll = Poll::new()?;
        let mut signals = Signals::new(HANDLED.map(rustix::process::Signal::as_raw))?;
        ignore_file_size_limit()?;
        poll.registry().register(&mut signals, Wake::Signals.into(), Interest::READABLE)?;
        log.register(poll.registry(), Wake::Log.into())?;
        Ok(Linux {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            listener: None,
            status: None,
            signals,
            signals_are_pending: false,
            log,
            started: Instant::now(),
        })
    }

    /// Listens, and returns the address: instead of port 0 it has the port that the kernel chose.
    ///
    /// # Errors
    /// What `bind(2)` and `listen(2)` list.
    pub fn listen(&mut self, address: SocketAddr, backlog: u16) -> io::Result<SocketAddr> {
        let mut listener = listening_socket(address, backlog)?;
        let actual = listener.local_addr()?;
        let token = Wake::Source(Source::Listener).into();
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(actual)
    }

    /// Lets watchers in at this address, and returns it with its port.
    ///
    /// # Errors
    /// What `bind(2)`, `listen(2)` and `eventfd(2)` list.
    pub fn listen_for_watchers(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let mut listener = listening_socket(address, WATCHERS_BACKLOG)?;
        let actual = listener.local_addr()?;
        let socket = SockRef::from(&listener);
        socket.set_send_buffer_size(WATCHER_SEND_BYTES)?;
        socket.set_recv_buffer_size(WATCHER_RECEIVE_BYTES)?;
        let spares = (0..WATCHERS).map(|_| spare()).collect::<io::Result<_>>()?;
        let token = Wake::Source(Source::Status).into();
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.status = Some(StatusPort { listener, spares });
        Ok(actual)
    }
}

/// The listener for watchers, and a spare descriptor for each watcher that is not there: where clients
/// have taken all others, a watcher still gets in, and can see that.
struct StatusPort {
    listener: TcpListener,
    spares: Vec<OwnedFd>,
}

impl StatusPort {
    fn accept(&mut self) -> io::Result<TcpStream> {
        // Closes it: its descriptor is for the watcher.
        self.spares.pop();
        let accepted = self.listener.accept();
        if accepted.is_err() {
            self.watcher_left();
        }
        Ok(accepted?.0)
    }

    /// Its descriptor is free, and becomes a spare before anything else can take it.
    fn watcher_left(&mut self) {
        self.spares.extend(spare());
    }
}

/// A descriptor that does nothing. It has a file of its own, because a kernel can run out of those too.
fn spare() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC)?)
}

/// The listener is made here because mio's own `bind` has a fixed backlog. Accepted sockets inherit
/// all options.
fn listening_socket(address: SocketAddr, backlog: u16) -> io::Result<TcpListener> {
    let socket = RawSocket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    // A server that closes first leaves its port in TIME_WAIT; a restart must not wait for that.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_tcp_nodelay(true)?;
    // An urgent byte is a byte like any other, to be echoed in its place (tcp(7)).
    socket.set_out_of_band_inline(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.into())?;
    Ok(TcpListener::from_std(socket.into()))
}

/// A log file at the file-size limit is like a full disk: the write fails. The signal that comes with
/// it would end the process (`setrlimit(2)`), so it is handled. It must not wake the loop, which would
/// write again.
fn ignore_file_size_limit() -> io::Result<()> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
    Ok(())
}

impl Kernel for Linux {
    type Socket = TcpStream;

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut hand_on: impl FnMut(Source, Readiness),
    ) -> Wakeup {
        let mut timeout = timeout;
        let mut is_interrupted = false;
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            is_interrupted = error.kind() == ErrorKind::Interrupted;
            assert!(is_interrupted, "epoll_wait fails only if we misuse it: {error}");
            // An interrupted wait returns no events. Events that came while the process was stopped
            // must be seen before a deadline that passed meanwhile.
            timeout = Some(Duration::ZERO);
        }
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match Wake::from(event.token()) {
                Wake::Source(source) => hand_on(source, readiness(event)),
                Wake::Signals => self.signals_are_pending = true,
                Wake::Log => self.log.unblock(),
            }
        }
        Wakeup { by_event: count > 0 || is_interrupted, is_full: count == EVENTS_PER_TURN }
    }

    fn now(&self) -> Moment {
        Moment::after_start(self.started.elapsed())
    }

    fn clock(&self) -> Clock {
        let started = self.started;
        Rc::new(move || started.elapsed())
    }

    fn requests(&mut self, mut obey: impl FnMut(Request)) {
        if self.signals_are_pending {
            self.signals_are_pending = false;
            self.signals.pending().filter_map(Request::of_signal).for_each(&mut obey);
        }
    }

    fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let listener = self.listener.as_ref().expect("nothing is accepted without a listener");
        let (socket, address) = listener.accept()?;
        Ok((socket, address.into()))
    }

    fn watch(&mut self, socket: &mut TcpStream, source: Source) -> io::Result<()> {
        // PRIORITY is urgent data. The interest never changes, so no message costs an epoll_ctl.
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        self.poll.registry().register(socket, Wake::Source(source).into(), interest)
    }

    fn shut_queue(&mut self) {
        let Some(listener) = &self.listener else { return };
        // Drops every segment that comes to the listener, so that no handshake can end between the
        // last accept and the close, which would reset it. A backlog of 0 would still let one through.
        let drop_all = SockFilter::new(BPF_RETURN, 0, 0, 0);
        let shut = SockRef::from(listener).attach_filter(&[drop_all]);
        if shut.is_err() {
            // Where filters are forbidden, a backlog of 0 comes closest.
            let _ = SockRef::from(listener).listen(0);
        }
    }

    fn close_listener(&mut self) {
        self.listener = None;
    }

    fn flush_log(&mut self) {
        self.log.flush();
    }

    fn log_backlog(&self) -> LogBacklog {
        self.log.backlog()
    }

    fn accept_watcher(&mut self) -> io::Result<TcpStream> {
        self.status.as_mut().ok_or(ErrorKind::WouldBlock)?.accept()
    }

    fn watcher_left(&mut self) {
        if let Some(status) = &mut self.status {
            status.watcher_left();
        }
    }
}

/// `BPF_RET | BPF_K`: the whole filter returns how many bytes of a segment to keep.
const BPF_RETURN: u16 = 0x06;

fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable() || event.is_read_closed() || event.is_error(),
        read_on: event.is_read_closed() || event.is_error() || event.is_priority(),
    }
}

impl Socket for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(self, buffer)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, SendFlags::NOSIGNAL)?)
    }

    fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The bytes wait for the end of the output, to leave in one segment with it.
        Ok(rustix::net::send(self, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)?)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn is_all_sent(&self) -> bool {
        let socket = SockRef::from(self);
        // With this mark the socket is writable only if nothing waits to be sent. 0 removes the mark.
        let is_marked = socket.set_tcp_notsent_lowat(1).is_ok();
        let mut writable = [PollFd::new(self, PollFlags::OUT)];
        let is_writable = poll(&mut writable, Some(&Timespec::default())) == Ok(1);
        is_marked && socket.set_tcp_notsent_lowat(0).is_ok() && is_writable
    }

    fn reset_on_close(&mut self) {
        // If this fails, the peer reads a clean end, as it would from most servers.
        let _ = SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }
}
