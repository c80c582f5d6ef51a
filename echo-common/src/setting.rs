//! One key of the configuration: its name, the sentence that explains it, its value, its limits.
//!
//! A program declares each key once, beginning with [`key()`]. The file, the environment, the
//! flags, `--help` and `--check` all come from this declaration, and tests hold the documents to
//! it. Every value is read from text by the function that also knows what is allowed.

use std::fmt::{Display, Write};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// An error repeats this much of a rejected value, in characters.
const SHOWN_MAX_CHARS: usize = 60;

/// The longest duration: a year. It makes sense for a program that is restarted now and then.
pub const DURATION_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Units that a duration may have, in milliseconds, largest first.
///
/// Months and years are left out: `1M` is a month, and whoever writes it usually means a minute.
const DURATION_UNITS_MS: [(&str, u128); 5] =
    [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// A key without a value yet.
pub struct Key {
    name: &'static str,
    sentence: &'static str,
    variable: Option<&'static str>,
}

/// Begins the declaration of a key: its name in the file, and what a user has to know about it.
#[must_use]
pub fn key(name: &'static str, sentence: &'static str) -> Key {
    Key { name, sentence, variable: None }
}

/// A key, bound to the place of its value in a section.
pub struct Setting<'a> {
    key: Key,
    text: String,
    allowed: String,
    assign: Assign<'a>,
}

/// Reads the text and puts the value into its place; `None` when it is not allowed.
type Assign<'a> = Box<dyn FnOnce(&str) -> Option<()> + 'a>;

impl Key {
    /// Gives the key an environment variable whose name does not follow from section and key.
    #[must_use]
    pub fn variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// A whole number within bounds, both included.
    pub fn whole<N>(self, place: &mut N, bounds: RangeInclusive<N>) -> Setting<'_>
    where
        N: Copy + Display + FromStr + PartialOrd + 'static,
    {
        Setting {
            key: self,
            text: place.to_string(),
            allowed: format!("a whole number from {} to {}", bounds.start(), bounds.end()),
            assign: Box::new(move |text| {
                let number = text.parse().ok().filter(|number| bounds.contains(number))?;
                *place = number;
                Some(())
            }),
        }
    }

    /// A duration within bounds, both included. It is printed to the millisecond.
    pub fn duration(self, place: &mut Duration, bounds: RangeInclusive<Duration>) -> Setting<'_> {
        Setting {
            key: self,
            text: duration_text(*place),
            allowed: format!(
                "a duration from {} to {} (units d, h, m, s, ms), such as 1m2s or 100ms",
                duration_text(*bounds.start()),
                duration_text(*bounds.end()),
            ),
            assign: Box::new(move |text| {
                *place = parse_duration(text).filter(|duration| bounds.contains(duration))?;
                Some(())
            }),
        }
    }

    /// One of a few words.
    pub fn choice<'a, T: Copy + PartialEq>(
        self,
        place: &'a mut T,
        words: &'static [(&'static str, T)],
    ) -> Setting<'a> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let present = words.iter().find(|(_, value)| value == place);
        Setting {
            key: self,
            text: present.map_or("", |(name, _)| name).to_owned(),
            allowed: format!("one of {}", names.join(", ")),
            assign: Box::new(move |text| {
                *place = words.iter().find(|(name, _)| *name == text)?.1;
                Some(())
            }),
        }
    }

    /// Any type that can be parsed from text; `allowed` completes "the value must be …".
    pub fn parsed<'a, T: Display + FromStr>(self, place: &'a mut T, allowed: &str) -> Setting<'a> {
        Setting {
            key: self,
            text: place.to_string(),
            allowed: allowed.to_owned(),
            assign: Box::new(move |text| {
                *place = text.parse().ok()?;
                Some(())
            }),
        }
    }
}

impl Setting<'_> {
    /// The key as the file writes it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key.name
    }

    /// What a user has to know about the key.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        self.key.sentence
    }

    /// The environment variable, where its name does not follow from section and key.
    #[must_use]
    pub fn variable(&self) -> Option<&'static str> {
        self.key.variable
    }

    /// The present value, in a form that [`Setting::set`] takes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is allowed; it completes the sentence "the value must be …".
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }

    /// Reads the value from `text`.
    ///
    /// # Errors
    /// One line that repeats the text (escaped and cut) and says what is allowed; the value stays
    /// as it was.
    pub fn set(self, text: &str) -> Result<(), String> {
        (self.assign)(text).ok_or_else(|| {
            let shown: String = text.chars().take(SHOWN_MAX_CHARS).collect();
            let cut = if shown.len() < text.len() { "..." } else { "" };
            format!("{shown:?}{cut} is not {}", self.allowed)
        })
    }
}

/// The shortest text for a duration: `1m2s`, `700ms`, `0s`. Parts of a millisecond are dropped.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let mut rest_ms = duration.as_millis();
    let mut text = String::new();
    for (unit, unit_ms) in DURATION_UNITS_MS {
        if rest_ms >= unit_ms {
            let _ = write!(text, "{}{unit}", rest_ms / unit_ms);
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut units =
        text.split(|c: char| c.is_ascii_digit() || c == ' ').filter(|unit| !unit.is_empty());
    let known = |unit: &str| DURATION_UNITS_MS.iter().any(|(name, _)| *name == unit);
    if !units.all(known) {
        return None;
    }
    humantime::parse_duration(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    #[test]
    fn whole_numbers_keep_to_their_bounds() {
        for (text, expected) in [
            ("1", Some(1)),
            ("9", Some(9)),
            ("007", Some(7)),
            ("0", None),
            ("10", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("1.0", None),
            ("1e0", None),
            ("0x1", None),
            ("", None),
            (" 1", None),
        ] {
            let mut value = 5_u16;
            let result = key("key", "A sentence.").whole(&mut value, 1..=9).set(text);
            assert_eq!(result.is_ok(), expected.is_some(), "{text:?}");
            assert_eq!(value, expected.unwrap_or(5), "{text:?}");
        }
    }

    #[test]
    fn an_error_repeats_the_text_and_says_what_is_allowed() {
        let mut value = 5_u16;
        let error = key("key", "A sentence.").whole(&mut value, 1..=9).set("abc").unwrap_err();
        assert_eq!(error, r#""abc" is not a whole number from 1 to 9"#);
        let error =
            key("key", "A sentence.").whole(&mut value, 1..=9).set(&"é\n".repeat(99)).unwrap_err();
        assert_eq!(
            error,
            format!(r#""{}"... is not a whole number from 1 to 9"#, r"é\n".repeat(30))
        );
    }

    #[test]
    fn durations() {
        for (text, expected_ms) in [
            ("0s", Some(0)),
            ("0", Some(0)),
            ("100ms", Some(100)),
            ("1m2s", Some(62_000)),
            ("1m 2s", Some(62_000)),
            ("365d", Some(365 * 86_400_000)),
            ("365d1ms", None),
            ("1M", None),
            ("1month", None),
            ("1y", None),
            ("1min", None),
            ("1us", None),
            ("1.5s", None),
            ("-1s", None),
            ("5", None),
            ("s", None),
            ("", None),
            ("99999999999999999999999s", None),
            ("9999999999999999999d", None),
        ] {
            let mut value = Duration::from_secs(5);
            let result =
                key("key", "A sentence.").duration(&mut value, Duration::ZERO..=YEAR).set(text);
            assert_eq!(result.is_ok(), expected_ms.is_some(), "{text:?}");
            assert_eq!(value, Duration::from_millis(expected_ms.unwrap_or(5000)), "{text:?}");
        }
    }

    #[test]
    fn a_duration_has_one_shortest_text() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (700, "700ms"),
            (1000, "1s"),
            (62_000, "1m2s"),
            (90_061_001, "1d1h1m1s1ms"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn words_and_parsed_values() {
        let words: &[(&str, bool)] = &[("yes", true), ("no", false)];
        let mut value = true;
        assert_eq!(key("key", "A sentence.").choice(&mut value, words).text(), "yes");
        key("key", "A sentence.").choice(&mut value, words).set("no").expect("allowed");
        assert!(!value);
        let error = key("key", "A sentence.").choice(&mut value, words).set("No").unwrap_err();
        assert_eq!(error, r#""No" is not one of yes, no"#);

        let mut ip: IpAddr = "0.0.0.0".parse().expect("an address");
        key("key", "A sentence.").parsed(&mut ip, "an address").set("::").expect("allowed");
        assert_eq!(key("key", "A sentence.").parsed(&mut ip, "an address").text(), "::");
        let error =
            key("key", "A sentence.").parsed(&mut ip, "an address").set("1.2.3").unwrap_err();
        assert_eq!(error, r#""1.2.3" is not an address"#);
    }

    proptest! {
        #[test]
        fn a_printed_duration_can_be_read(ms in 0..=u64::try_from(YEAR.as_millis()).unwrap()) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let mut value = Duration::ZERO;
            let _ = key("key", "A sentence.").duration(&mut value, Duration::ZERO..=YEAR).set(&text);
        }
    }
}
