//! What the user asks to see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use echo_common::arguments::Switch;

use crate::health::health;
use crate::trouble::Trouble;
use crate::watch::{View, watch};

const HEALTH: &str = "health";
const WATCH: &str = "watch";
const LINES: &str = "lines";
const FOLLOW: &str = "follow";

/// The options of the server's program that look at a server instead of being one.
pub const SWITCHES: &[Switch] = &[
    Switch {
        name: HEALTH,
        of: None,
        sentence: "Ask the running server how it is; exit with 0 if it serves",
    },
    Switch {
        name: WATCH,
        of: None,
        sentence: "Show what the running server does, four times a second",
    },
    Switch {
        name: LINES,
        of: Some(WATCH),
        sentence: "With --watch: a line a second, as where the output is no terminal",
    },
    Switch {
        name: FOLLOW,
        of: Some(WATCH),
        sentence: "With --watch: the next connection that is accepted, step by step",
    },
];

/// What is to be seen of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Whether it serves.
    Health,
    /// What it does.
    View(View),
}

impl Sight {
    /// What these switches ask for; `None` if they do not ask for a sight.
    #[must_use]
    pub fn asked_for(switches: &[&str]) -> Option<Sight> {
        let has = |name| switches.contains(&name);
        let view = match (has(LINES), has(FOLLOW)) {
            (true, _) => View::Lines,
            (_, true) => View::Follow,
            (false, false) => View::Screen,
        };
        match (has(HEALTH), has(WATCH)) {
            (true, _) => Some(Sight::Health),
            (_, true) => Some(Sight::View(view)),
            (false, false) => None,
        }
    }
}

/// Shows it. The address is the server's `status`.
///
/// # Errors
/// Why there is nothing to see, or not any more. [`Sight::Health`]: why the server cannot be said to serve.
pub fn look(sight: Sight, status: Option<SocketAddr>) -> Result<(), Trouble> {
    let address = reachable(status.ok_or(Trouble::Off)?)?;
    match sight {
        Sight::Health => health(address),
        Sight::View(view) => watch(address, view),
    }
}

/// Where a port can be reached that listens on `address`: "every address" is reached on loopback.
fn reachable(address: SocketAddr) -> Result<SocketAddr, Trouble> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    match address.port() {
        0 => Err(Trouble::AnyPort(address)),
        port => Ok(SocketAddr::new(ip, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_ask_for_a_sight() {
        for (switches, sight) in [
            (&[][..], None),
            (&["health"], Some(Sight::Health)),
            (&["watch"], Some(Sight::View(View::Screen))),
            (&["lines", "watch"], Some(Sight::View(View::Lines))),
            (&["watch", "follow"], Some(Sight::View(View::Follow))),
        ] {
            assert_eq!(Sight::asked_for(switches), sight, "{switches:?}");
        }
    }

    #[test]
    fn every_address_is_reached_on_loopback() {
        for (listens_on, reached_at) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("172.24.125.2:3", "172.24.125.2:3"),
            ("[fd00::1]:4", "[fd00::1]:4"),
        ] {
            let listens_on = listens_on.parse().expect("an address");
            assert_eq!(reachable(listens_on).expect("a port").to_string(), reached_at);
        }
        let any_port = reachable("0.0.0.0:0".parse().expect("an address"));
        assert!(matches!(any_port, Err(Trouble::AnyPort(_))));
    }
}
