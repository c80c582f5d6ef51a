//! The section `client` of the configuration: its keys, their defaults and their limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use echo_common::host_port::HostPort;
use echo_common::setting::{DURATION_MAX, Setting, key};
use echo_common::settings::Section;

const ID_MAX_CHARS: usize = 64;

/// The settings of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its name in messages and log lines.
    pub id: ClientId,
    /// Where the server is. Its name is looked up for each connection, so that a server that has moved is
    /// found again.
    pub server_address: HostPort,
    /// How long messages are sent.
    pub loop_lapse: Duration,
    /// The wait between two messages.
    pub loop_period: Duration,
    /// How many messages are sent; 0 is no limit.
    pub loop_amount: u64,
    /// How long a message without a reply is sent again.
    pub retry_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id: ClientId("1".to_owned()),
            server_address: "server:12345".parse().expect("a host and a port"),
            loop_lapse: Duration::from_secs(62),
            loop_period: Duration::from_secs(10),
            loop_amount: 0,
            retry_timeout: Duration::from_secs(30),
        }
    }
}

impl Section for Config {
    const NAME: &'static str = "client";

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let some_time = Duration::from_millis(1)..=DURATION_MAX;
        let any_time = Duration::ZERO..=DURATION_MAX;
        vec![
            key("id", "Name in messages and log lines.").parsed(&mut self.id, ClientId::ALLOWED),
            key(
                "server_address",
                "Where the server is. Its name is looked up for each connection.",
            )
            .parsed(&mut self.server_address, HostPort::ALLOWED),
            key("loop_lapse", "How long messages are sent. A wait between messages ends with it.")
                .duration(&mut self.loop_lapse, some_time),
            key("loop_period", "Wait between two messages.")
                .duration(&mut self.loop_period, any_time.clone()),
            key("loop_amount", "Messages to send. 0 is no limit, so that loop_lapse alone counts.")
                .whole(&mut self.loop_amount, 0..=u64::MAX),
            key(
                "retry_timeout",
                "How long a message without a reply is sent again. 0s is not at all.",
            )
            .duration(&mut self.retry_timeout, any_time),
        ]
    }
}

/// A name that needs no escaping, neither in a message nor in a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    const ALLOWED: &str = "1 to 64 of A-Z a-z 0-9 _ . -";
}

impl FromStr for ClientId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let is_id = (1..=ID_MAX_CHARS).contains(&text.len()) && text.chars().all(is_allowed);
        is_id.then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    #[test]
    fn ids() {
        let longest = "x".repeat(64);
        for text in ["1", "client-7", "a.B_9", &longest] {
            assert_eq!(text.parse::<ClientId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", " 1", "a b", "é", "1]", "a\nb", &"x".repeat(65)] {
            assert_eq!(text.parse::<ClientId>(), Err(()), "{text:?}");
        }
    }

    fn set(config: &mut Config, key: &str, text: &str) -> Result<(), String> {
        let mut settings = config.settings().into_iter();
        settings.find(|setting| setting.key() == key).expect(key).set(text)
    }

    fn texts(config: &mut Config) -> Vec<(&'static str, String)> {
        config.settings().iter().map(|s| (s.key(), s.text().to_owned())).collect()
    }

    #[test]
    fn the_bounds_of_every_key() {
        for (key, allowed, rejected) in [
            ("id", "a", "a b"),
            ("server_address", "a:1", "a"),
            ("loop_lapse", "1ms", "0s"),
            ("loop_lapse", "365d", "365d1ms"),
            ("loop_period", "0s", "365d1ms"),
            ("loop_period", "365d", "1M"),
            ("loop_amount", "0", "-1"),
            ("loop_amount", "18446744073709551615", "18446744073709551616"),
            ("retry_timeout", "0s", "365d1ms"),
            ("retry_timeout", "365d", "30"),
        ] {
            let mut config = Config::default();
            assert_eq!(set(&mut config, key, allowed), Ok(()), "{key}: {allowed}");
            assert!(set(&mut config, key, rejected).is_err(), "{key}: {rejected}");
        }
    }

    #[test]
    fn every_default_is_allowed() {
        let mut config = Config::default();
        for (key, text) in texts(&mut config) {
            assert_eq!(set(&mut config, key, &text), Ok(()), "{key}");
        }
        assert_eq!(config, Config::default());
    }

    /// Texts that some key may take, and texts that none does.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[0-9]{1,25}",
            "([0-9]{1,4}(d|h|m|s|ms|M) ?){1,3}",
            "[a-zA-Z0-9_.-]{1,70}(:[0-9]{1,6})?",
            (any::<std::net::Ipv6Addr>(), any::<u16>())
                .prop_map(|(ip, port)| format!("[{ip}]:{port}")),
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
                // The printed value can be read again.
                prop_assert_eq!(set(&mut config, name, after), Ok(()));
            }
            prop_assert_eq!(texts(&mut config), after);
        }
    }
}
