//! A peer's address, small enough for a million of them, and as the log shows it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use echo_common::repr::AddressRepr;

/// The address that `accept` returned. `getpeername` would fail for a connection that was reset
/// while it waited in the queue.
///
/// It prints as Python prints an address, `('172.24.125.3', 60392)`, in every line of the log about
/// the connection, so that one grep follows it. An IPv4 peer of an IPv6 listener prints as IPv4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// An IPv4 address is kept as IPv6 (RFC 4291, section 2.5.5.2), so that no tag is needed.
    ip: Ipv6Addr,
    port: u16,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Peer { ip, port: address.port() }
    }
}

impl Peer {
    /// The address as most programs write it, `172.24.125.3:60392`: for those who read the log.
    #[must_use]
    pub fn plain(self) -> Plain {
        Plain(self)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AddressRepr(SocketAddr::new(self.ip.into(), self.port)).fmt(f)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// See [`Peer::plain`].
#[derive(Clone, Copy, Debug)]
pub struct Plain(Peer);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.0.ip.to_canonical(), self.0.port).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_print_as_python_prints_addresses_and_as_others_do() {
        let cases = [
            ("172.24.125.3:60392", "('172.24.125.3', 60392)", "172.24.125.3:60392"),
            ("[::1]:7", "('::1', 7)", "[::1]:7"),
            ("[::ffff:10.0.0.1]:80", "('10.0.0.1', 80)", "10.0.0.1:80"),
        ];
        for (address, printed, plain) in cases {
            let peer = Peer::from(address.parse::<SocketAddr>().unwrap());
            assert_eq!(peer.to_string(), printed);
            assert_eq!(peer.plain().to_string(), plain);
        }
    }
}
