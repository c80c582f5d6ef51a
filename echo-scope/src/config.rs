//! The section `scope` of the configuration: its keys, their defaults and their limits.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use echo_common::host_port::HostPort;
use echo_common::setting::{Setting, key};
use echo_common::settings::Section;

/// Each name is looked up by a thread of its own.
const SERVERS_MAX: usize = 16;

/// The settings of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the page is.
    pub listen: SocketAddr,
    /// Where the servers' status ports are.
    pub servers: Servers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            servers: "server:12346".parse().expect("one server"),
        }
    }
}

impl Section for Config {
    const NAME: &'static str = "scope";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            key("listen", "Address and port of the page. With port 0 the kernel chooses one.")
                .parsed(
                    &mut self.listen,
                    "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080",
                ),
            key(
                "servers",
                "Status ports of the servers, with commas between them. A name that has several \
                 addresses is several servers.",
            )
            .parsed(&mut self.servers, Servers::ALLOWED),
        ]
    }
}

/// The status ports of some servers, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers(Vec<HostPort>);

impl Servers {
    const ALLOWED: &str = "1 to 16 of host:port or [IPv6 address]:port, the port from 1 to 65535, with commas between";

    /// All of them, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &HostPort> {
        self.0.iter()
    }
}

impl FromStr for Servers {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut servers = Vec::new();
        for part in text.split(',') {
            let server = part.trim().parse()?;
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        if servers.len() <= SERVERS_MAX { Ok(Self(servers)) } else { Err(()) }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(HostPort::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_servers() {
        let many: Vec<String> = (1..=17).map(|port| format!("server:{port}")).collect();
        let most = many[..16].join(",");
        for (text, shown) in [
            ("server:1", "server:1"),
            ("a:1, b:2 ,[::1]:3", "a:1,b:2,[::1]:3"),
            ("a:1,b:2,a:1", "a:1,b:2"),
            (&most, &most),
        ] {
            let servers = text.parse::<Servers>().expect(text);
            assert_eq!(servers.to_string(), shown);
            assert_eq!(shown.parse(), Ok(servers));
        }
        for text in ["", ",", "a:1,", "a:1 b:2", "a:0", "a", &many.join(",")] {
            assert_eq!(text.parse::<Servers>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn every_default_is_allowed() {
        let mut config = Config::default();
        let texts: Vec<_> = config.settings().iter().map(|s| s.text().to_owned()).collect();
        for (setting, text) in config.settings().into_iter().zip(texts) {
            setting.set(&text).expect("a default");
        }
        assert_eq!(config, Config::default());
    }
}
