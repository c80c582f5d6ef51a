//! A host and a port, as a setting names another program.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The longest name that DNS allows, in characters (RFC 1035, section 2.3.4).
const HOST_MAX_CHARS: usize = 253;

/// A host and a port. A host name is not looked up here: what it means may change while a program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// What a text may be; it completes the sentence "the value must be …".
    pub const ALLOWED: &str = "host:port or [IPv6 address]:port, the port from 1 to 65535";

    /// Host (an IPv6 address without brackets) and port.
    #[must_use]
    pub fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(())?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(|_| address),
            None => is_host_name(host).then_some(host),
        };
        let host = host.ok_or(())?.to_owned();
        Ok(Self { host, port })
    }
}

/// An IPv4 address counts as a name too. Host names have no `_`, but names in Docker do.
fn is_host_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=HOST_MAX_CHARS).contains(&text.len()) && text.chars().all(is_allowed)
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("server:12345", "server", 12345),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:65535", "::1", 65535),
            ("echo_server-1.example:80", "echo_server-1.example", 80),
        ] {
            let address: HostPort = text.parse().expect(text);
            assert_eq!(address.parts(), (host, port));
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "server",
            "server:",
            ":1",
            "server:0",
            "server:65536",
            "server:x",
            "::1:80",
            "[server]:1",
            "[::1]",
            "a b:1",
            "a\n:1",
            &format!("{}:1", "x".repeat(254)),
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(()), "{text:?}");
        }
    }
}
