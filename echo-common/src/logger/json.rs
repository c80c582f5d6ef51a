//! A log line as one JSON object: its time, its level, its event, and then what the event is about.
//!
//! ```text
//! {"time":"2020-04-10T23:10:54.123Z","level":"info","event":"got_connection","peer":"172.24.125.3:60392"}
//! ```
//!
//! The event and its fields are the key-value pairs of the record, which a log catalogue writes
//! beside the text. They are formatted here only, so a log of text does not pay for them.

use std::io::{self, Write};

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::timestamp;

/// The event of a line that is in no catalogue: a package of others has logged it.
const OTHER: &str = "other";

pub(super) fn write_line(line: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let mut json = serde_json::Serializer::new(&mut *line);
    let mut object = json.serialize_map(None)?;
    let time = timestamp::millis(timestamp::now());
    object.serialize_entry("time", str::from_utf8(&time).unwrap_or_default())?;
    object.serialize_entry("level", level(record.level()))?;
    let fields = record.key_values();
    if fields.count() == 0 {
        object.serialize_entry("event", OTHER)?;
        object.serialize_entry("source", record.target())?;
        object.serialize_entry("text", record.args())?;
    }
    fields.visit(&mut Fields(&mut object)).map_err(io::Error::other)?;
    object.end()?;
    line.write_all(b"\n")
}

/// The word that `log.level` has for it.
fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Where the fields go.
struct Fields<'a, M>(&'a mut M);

impl<'kvs, M: SerializeMap> VisitSource<'kvs> for Fields<'_, M> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let written = self.0.serialize_entry(key.as_str(), &Field(value));
        written.map_err(|_| Error::msg("the log takes no more"))
    }
}

/// A number, or a text.
struct Field<'kvs>(Value<'kvs>);

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Field(value) = self;
        match (value.to_u64(), value.to_borrowed_str()) {
            (Some(number), _) => serializer.serialize_u64(number),
            (_, Some(text)) => serializer.serialize_str(text),
            _ => serializer.collect_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The object of a record, without its time.
    fn object(record: &Record<'_>) -> serde_json::Value {
        let mut line = Vec::new();
        write_line(&mut line, record).expect("a vector takes all");
        let (end, object) = line.split_last().expect("a line");
        assert_eq!(*end, b'\n');
        assert!(!object.contains(&b'\n'), "{}", object.escape_ascii());
        let mut object: serde_json::Value = serde_json::from_slice(object).expect("JSON");
        let time = object.as_object_mut().and_then(|fields| fields.remove("time"));
        let time = time.as_ref().and_then(|time| time.as_str()).expect("a time");
        assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
        object
    }

    #[test]
    fn numbers_texts_and_what_can_be_displayed() {
        let shown: &dyn Display = &'\'';
        let fields = [
            ("event", Value::from("tried")),
            ("text", Value::from("a \"b\"\n\u{1b}\u{2028}ñ")),
            ("shown", Value::from_dyn_display(shown)),
            ("number", Value::from(u64::MAX)),
            ("small", Value::from(7_u16)),
        ];
        let record = Record::builder().level(Level::Warn).key_values(&fields).build();
        let text = "a \"b\"\n\u{1b}\u{2028}ñ";
        assert_eq!(
            object(&record),
            json!({"level": "warn", "event": "tried", "text": text, "shown": "'", "number": u64::MAX, "small": 7})
        );
    }

    #[test]
    fn a_line_of_no_catalogue_is_kept_as_text() {
        let mut record = Record::builder();
        let record = record.level(Level::Trace).target("mio::poll");
        assert_eq!(
            object(&record.args(format_args!("registering \"{}\"", 7)).build()),
            json!({"level": "trace", "event": "other", "source": "mio::poll", "text": "registering \"7\""})
        );
    }

    #[test]
    fn the_words_of_the_levels_are_those_of_the_setting() {
        for known in Level::iter() {
            assert_eq!(level(known).parse(), Ok(known));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_unaltered_from_one_line(text: String) {
            let fields = [("event", Value::from_display(&text)), ("text", Value::from(&*text))];
            let object = object(&Record::builder().key_values(&fields).build());
            prop_assert_eq!(&object["event"], &text);
            prop_assert_eq!(&object["text"], &text);
        }
    }
}
