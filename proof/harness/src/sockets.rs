//! What the kernel tells of connections: in `/proc/net/tcp` (`proc_net(5)`), of the server's side of
//! them, and about a socket of this process.
//!
//! What a test has sent has not always arrived when the call returns, not even on loopback: on a
//! busy machine the kernel moves it later.

use std::fs;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use socket2::SockRef;

use crate::wait;

const ESTABLISHED: &str = "01";
const SYN_SENT: &str = "02";
const FIN_WAIT_1: &str = "04";
const CLOSE_WAIT: &str = "08";
const LISTEN: &str = "0A";
/// With its neighbours, for it is looked for in the whole line.
const TIME_WAIT: &str = " 06 00000000:00000000 ";

struct Row {
    local_port: u16,
    remote_port: u16,
    state: String,
    /// Bytes that the peer has not taken yet.
    send_queue: usize,
    /// Bytes that were not read yet; for a listener, connections that were not accepted yet.
    receive_queue: usize,
    inode: String,
}

/// Whether all that was written to a socket is on its way: on this machine it arrives within moments.
pub fn is_all_sent(socket: &impl AsFd) -> bool {
    let options = SockRef::from(socket);
    // With this mark it counts as writable only if nothing waits to be sent; 0 takes it away.
    let is_marked = options.set_tcp_notsent_lowat(1).is_ok();
    let mut writable = [PollFd::new(socket, PollFlags::OUT)];
    let is_writable = poll(&mut writable, Some(&Timespec::default())) == Ok(1);
    is_marked && options.set_tcp_notsent_lowat(0).is_ok() && is_writable
}

/// How many connections wait in the listen queue of `port`.
fn queue_length(port: u16) -> usize {
    let is_listener = |row: &Row| row.local_port == port && row.state == LISTEN;
    rows().find(is_listener).expect("a listener").receive_queue
}

/// How many bytes the server at `port` has not read yet, over all its connections.
pub fn unread_bytes(port: u16) -> usize {
    open_rows(port).map(|row| row.receive_queue).sum()
}

/// How many bytes of the server at `port` its peers have not taken yet, over all its connections.
pub fn unsent_bytes(port: u16) -> usize {
    open_rows(port).map(|row| row.send_queue).sum()
}

fn open_rows(port: u16) -> impl Iterator<Item = Row> {
    let is_open = |row: &Row| row.state == ESTABLISHED || row.state == CLOSE_WAIT;
    rows().filter(move |row| row.local_port == port && is_open(row))
}

/// Waits until `connections` connections wait in the listen queue of `port`.
pub fn wait_for_queue(port: u16, connections: usize) {
    wait::until(&format!("{connections} in the listen queue"), || {
        queue_length(port) == connections
    });
}

/// Waits until `bytes` bytes have reached the server at `port` and wait to be read.
pub fn wait_for_unread(port: u16, bytes: usize) {
    wait::until(&format!("{bytes} unread bytes"), || unread_bytes(port) == bytes);
}

/// Waits until the server at `port` has ended the output of a connection whose peer has not got it all.
pub fn wait_for_end_on_its_way(port: u16) {
    let is_ended = |row: Row| row.local_port == port && row.state == FIN_WAIT_1;
    wait::until("the end of an output on its way", || rows().any(is_ended));
}

/// Waits until a client waits for the answer to its connect to `port`.
pub fn wait_for_connect(port: u16) {
    let is_waiting = |row: Row| row.remote_port == port && row.state == SYN_SENT;
    wait::until("a connect on its way", || rows().any(is_waiting));
}

/// Waits until the process listens, and returns its port.
pub fn wait_for_listener(pid: Pid) -> u16 {
    wait::until_some("a listener", || {
        let sockets = sockets_of(pid);
        let is_listener = |row: &Row| row.state == LISTEN && sockets.contains(&row.inode);
        rows().find(is_listener).map(|row| row.local_port)
    })
}

/// The inodes of the sockets that the process has open.
fn sockets_of(pid: Pid) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

fn rows() -> impl Iterator<Item = Row> {
    let text = fs::read_to_string("/proc/net/tcp").expect("the kernel tells");
    // After a busy test these are tens of thousands, and no test asks for them.
    let lines = text.lines().skip(1).filter(|line| !line.contains(TIME_WAIT));
    lines.filter_map(row).collect::<Vec<Row>>().into_iter()
}

fn row(line: &str) -> Option<Row> {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    let port = |field: &&str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
    let (send_queue, receive_queue) = fields.get(4)?.split_once(':')?;
    Some(Row {
        local_port: port(fields.get(1)?)?,
        remote_port: port(fields.get(2)?)?,
        state: fields[3].to_owned(),
        send_queue: usize::from_str_radix(send_queue, 16).ok()?,
        receive_queue: usize::from_str_radix(receive_queue, 16).ok()?,
        inode: (*fields.get(9)?).to_owned(),
    })
}
