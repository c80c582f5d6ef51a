//! The `server` section of the configuration, and the plain values that the rest of the server gets
//! from it.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use echo_common::setting::{self, Setting};
use echo_common::settings::Section;

use crate::work;

/// How long a server may take to leave beyond what its settings say.
const STOP_SPARE: Duration = Duration::from_secs(2);

/// How the input is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A message ends with `\n`.
    Line,
    /// No messages: every byte comes back until the peer ends its input (RFC 862).
    Stream,
}

/// What a message is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The message itself, byte for byte.
    Echo,
    /// `Your Message has been received: b'…'\n`, with the message as Python prints bytes.
    Acknowledge,
}

/// The protocol's settings, the same for every connection.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How the input is cut into messages.
    pub framing: Framing,
    /// What a message is answered with; [`Framing::Stream`] knows only [`Reply::Echo`].
    pub reply: Reply,
    /// How many messages a connection may send before it is closed; 0 for no limit.
    pub messages_per_connection: u32,
    /// The longest message, its `\n` included, in bytes.
    pub message_max_bytes: usize,
    /// Whether each message has its line in the log.
    pub messages_are_logged: bool,
}

/// How long a connection may take. [`Duration::MAX`] is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long a connection may live without a byte in or out, or the end of the input.
    pub idle: Duration,
    /// How long a message may take from its first byte to its last.
    pub message: Duration,
}

/// All that the reactor has to know.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// What a message is, and what it is answered with.
    pub rules: Rules,
    /// How long a connection may take.
    pub timeouts: Timeouts,
    /// How many connections may be open at once.
    pub connections_max: usize,
    /// How long the server goes on after a signal, before a drain begins.
    pub drain_delay: Duration,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// How many lines about single messages are logged in a second; 0 is no limit.
    pub message_lines_per_second: u32,
    /// How much one turn may do; see [`crate::work`].
    pub work_per_turn: usize,
}

/// Where the status port is, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusPort(Option<SocketAddr>);

impl fmt::Display for StatusPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for StatusPort {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<StatusPort, AddrParseError> {
        if text == "off" { Ok(StatusPort(None)) } else { text.parse().map(Some).map(StatusPort) }
    }
}

/// The settings of the server; `config.yaml` explains each.
#[derive(Clone, Debug)]
pub struct Config {
    ip: IpAddr,
    port: u16,
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    pub listen_backlog: u16,
    connections_max: usize,
    framing: Framing,
    reply: Reply,
    messages_per_connection: u32,
    message_max_bytes: usize,
    idle_timeout: Duration,
    message_timeout: Duration,
    drain_delay: Duration,
    drain_timeout: Duration,
    status: StatusPort,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ip: Ipv4Addr::UNSPECIFIED.into(),
            port: 12345,
            listen_backlog: 1024,
            connections_max: 1000,
            framing: Framing::Line,
            reply: Reply::Echo,
            messages_per_connection: 1,
            message_max_bytes: 16 * 1024,
            idle_timeout: Duration::from_secs(60),
            message_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_millis(700),
            status: StatusPort(None),
        }
    }
}

impl Section for Config {
    const NAME: &'static str = "server";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        use setting::key;

        let framings = &[("line", Framing::Line), ("stream", Framing::Stream)];
        let replies = &[("echo", Reply::Echo), ("acknowledge", Reply::Acknowledge)];
        let any_time = Duration::ZERO..=setting::DURATION_MAX;
        vec![
            key(
                "ip",
                "Address to listen on. 0.0.0.0 is every IPv4 address, \"::\" is IPv6 and IPv4.",
            )
            .parsed(&mut self.ip, "an IPv4 or IPv6 address, such as 0.0.0.0 or ::"),
            key(
                "port",
                "Port to listen on. With 0 the kernel chooses one, and the log says which.",
            )
            .whole(&mut self.port, 0..=u16::MAX),
            key("listen_backlog", "Connections that may wait to be accepted.")
                .whole(&mut self.listen_backlog, 1..=u16::MAX),
            key(
                "connections_max",
                "Connections served at the same time. More wait in the backlog.",
            )
            .whole(&mut self.connections_max, 1..=1_000_000),
            key(
                "framing",
                "line: a message ends with a newline. stream: every byte comes back (RFC 862).",
            )
            .choice(&mut self.framing, framings),
            key(
                "reply",
                "echo: the message itself. acknowledge: Your Message has been received: b'...'",
            )
            .choice(&mut self.reply, replies),
            key(
                "messages_per_connection",
                "After this many messages the server closes the connection. 0 is no limit.",
            )
            .whole(&mut self.messages_per_connection, 0..=1_000_000_000),
            key("message_max_bytes", "Longest message in bytes, its newline included.")
                .whole(&mut self.message_max_bytes, 1..=16 * 1024 * 1024),
            key(
                "idle_timeout",
                "A connection is closed after this time without a byte. 0s is never.",
            )
            .duration(&mut self.idle_timeout, any_time.clone()),
            key(
                "message_timeout",
                "A message must be complete within this time of its first byte. 0s is no limit.",
            )
            .duration(&mut self.message_timeout, any_time.clone()),
            key(
                "drain_delay",
                "After SIGTERM the server goes on for this time, told as leaving. Then it drains.",
            )
            .duration(&mut self.drain_delay, any_time.clone()),
            key(
                "drain_timeout",
                "After SIGTERM, open connections have this time to finish. The rest is aborted.",
            )
            .duration(&mut self.drain_timeout, any_time),
            key("status", "Address and port on which the server tells how it is. off is nowhere.")
                .parsed(&mut self.status, "off, or an address and port, such as 127.0.0.1:12346"),
        ]
    }

    fn check(&self) -> Result<(), String> {
        if (self.framing, self.reply) == (Framing::Stream, Reply::Acknowledge) {
            return Err(
                "reply: acknowledge does not go with framing: stream, which has no messages; \
                        use framing: line, or reply: echo"
                    .to_owned(),
            );
        }
        if let Some(status) = self.status()
            && self.serves_clients_on(status)
        {
            return Err(format!(
                "status: {status} is where clients are served (ip and port): change the port of \
                 server.status, or of server.port"
            ));
        }
        Ok(())
    }

    fn consequences(&self) -> Vec<String> {
        vec![
            "Whoever stops the server has to wait so long before they kill it:".to_owned(),
            format!("stop_grace_period: {}s", self.stop_grace().as_secs()),
        ]
    }
}

impl Config {
    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// Where those who watch are let in, if anywhere.
    #[must_use]
    pub fn status(&self) -> Option<SocketAddr> {
        self.status.0
    }

    /// How long the way out may take, in whole seconds, and some time to spare for a busy machine.
    fn stop_grace(&self) -> Duration {
        let way_out = (self.drain_delay + self.drain_timeout).as_secs_f64().ceil();
        Duration::from_secs_f64(way_out) + STOP_SPARE
    }

    fn serves_clients_on(&self, other: SocketAddr) -> bool {
        let overlap =
            self.ip == other.ip() || self.ip.is_unspecified() || other.ip().is_unspecified();
        self.port != 0 && self.port == other.port() && overlap
    }

    /// All that the reactor has to know. The arguments come from the section `log`.
    #[must_use]
    pub fn service(&self, messages_are_logged: bool, message_lines_per_second: u32) -> Service {
        Service {
            rules: Rules {
                framing: self.framing,
                reply: self.reply,
                messages_per_connection: self.messages_per_connection,
                message_max_bytes: self.message_max_bytes,
                messages_are_logged,
            },
            timeouts: Timeouts {
                idle: or_never(self.idle_timeout),
                message: or_never(self.message_timeout),
            },
            connections_max: self.connections_max,
            drain_delay: self.drain_delay,
            drain_timeout: self.drain_timeout,
            message_lines_per_second,
            work_per_turn: work::PER_TURN,
        }
    }
}

/// A timeout of zero means no timeout.
fn or_never(timeout: Duration) -> Duration {
    if timeout.is_zero() { Duration::MAX } else { timeout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn set(config: &mut Config, key: &str, text: &str) -> Result<(), String> {
        let mut settings = config.settings().into_iter();
        settings.find(|setting| setting.key() == key).expect("a key").set(text)
    }

    #[test]
    fn every_default_is_allowed() {
        let mut config = Config::default();
        for (key, text) in texts(&mut config) {
            assert_eq!(set(&mut config, key, &text), Ok(()), "{key}");
        }
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn bounds_are_kept() {
        for (key, allowed, refused) in [
            ("ip", &["::", "127.0.0.1"][..], &["localhost", "1.2.3"][..]),
            ("port", &["0", "65535"], &["-1", "65536"]),
            ("listen_backlog", &["1", "65535"], &["0", "65536"]),
            ("connections_max", &["1", "1000000"], &["0", "1000001"]),
            ("framing", &["line", "stream"], &["Line", ""]),
            ("reply", &["echo", "acknowledge"], &["ack"]),
            ("messages_per_connection", &["0", "1000000000"], &["-1", "1000000001"]),
            ("message_max_bytes", &["1", "16777216"], &["0", "16777217"]),
            ("idle_timeout", &["0s", "365d"], &["1M", "366d", "10"]),
            ("message_timeout", &["0s", "1ms"], &["soon"]),
            ("drain_delay", &["0s", "5s"], &["5"]),
            ("drain_timeout", &["0s", "1m2s"], &["-1s"]),
            (
                "status",
                &["off", "127.0.0.1:12346", "[::1]:0"],
                &["on", "", "12346", "localhost:12346", "127.0.0.1"],
            ),
        ] {
            let mut config = Config::default();
            for text in allowed {
                assert_eq!(set(&mut config, key, text), Ok(()), "{key}: {text}");
            }
            for text in refused {
                assert!(set(&mut config, key, text).is_err(), "{key}: {text}");
            }
        }
    }

    #[test]
    fn a_stream_cannot_be_acknowledged() {
        let mut config = Config::default();
        set(&mut config, "reply", "acknowledge").expect("allowed");
        assert_eq!(config.check(), Ok(()));
        set(&mut config, "framing", "stream").expect("allowed");
        assert!(config.check().is_err());
    }

    #[test]
    fn a_server_is_stopped_with_time_for_its_way_out() {
        for (delay, timeout, grace) in [
            ("0s", "700ms", "stop_grace_period: 3s"),
            ("0s", "0s", "stop_grace_period: 2s"),
            ("2s", "700ms", "stop_grace_period: 5s"),
            ("1m", "1m1ms", "stop_grace_period: 123s"),
        ] {
            let mut config = Config::default();
            set(&mut config, "drain_delay", delay).expect("allowed");
            set(&mut config, "drain_timeout", timeout).expect("allowed");
            assert_eq!(config.consequences().last().map(String::as_str), Some(grace));
        }
    }

    #[test]
    fn the_status_needs_an_address_of_its_own() {
        for (ip, port, status, is_allowed) in [
            ("0.0.0.0", "7", "off", true),
            ("0.0.0.0", "7", "127.0.0.1:8", true),
            ("127.0.0.1", "7", "127.0.0.2:7", true),
            ("127.0.0.1", "0", "127.0.0.1:0", true),
            ("127.0.0.1", "7", "127.0.0.1:7", false),
            ("0.0.0.0", "7", "127.0.0.1:7", false),
            ("127.0.0.1", "7", "0.0.0.0:7", false),
        ] {
            let mut config = Config::default();
            for (key, text) in [("ip", ip), ("port", port), ("status", status)] {
                set(&mut config, key, text).expect("allowed");
            }
            assert_eq!(config.check().is_ok(), is_allowed, "{ip}, {port}, {status}");
        }
    }

    #[test]
    fn zero_is_no_timeout() {
        assert_eq!(or_never(Duration::ZERO), Duration::MAX);
        assert_eq!(or_never(Duration::from_millis(1)), Duration::from_millis(1));
    }

    fn texts(config: &mut Config) -> Vec<(&'static str, String)> {
        config.settings().iter().map(|s| (s.key(), s.text().to_owned())).collect()
    }

    /// Texts that some key accepts, and texts that no key accepts.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[0-9]{1,9}",
            "([0-9]{1,4}(d|h|m|s|ms|M) ?){1,3}",
            any::<IpAddr>().prop_map(|ip| ip.to_string()),
            any::<SocketAddr>().prop_map(|address| address.to_string()),
            "line|stream|echo|acknowledge|off",
        ]
    }

    proptest! {
        #[test]
        fn any_text_for_any_key_is_kept_or_changes_nothing(key: Index, text in value()) {
            let mut config = Config::default();
            let before = texts(&mut config);
            let (key, _) = *key.get(&before);
            let was_set = set(&mut config, key, &text).is_ok();
            let after = texts(&mut config);
            for ((name, before), (_, after)) in before.iter().zip(&after) {
                prop_assert!(before == after || (was_set && *name == key), "{}", name);
                // The printed text stands for the same value.
                prop_assert_eq!(set(&mut config, name, after), Ok(()));
            }
            prop_assert_eq!(texts(&mut config), after);
        }
    }
}
