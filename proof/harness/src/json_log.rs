//! The log catalogue of a program as JSON, and the document that lists its events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use echo_common::logger::{self, Format, Target};
use serde_json::Value;

use crate::docs::document;
use crate::house;
use crate::log_lines::Log;

/// What every object has, in this order, before the fields of its event.
const COMMON: [&str; 3] = ["time", "level", "event"];

/// The log of this process. It can be opened once.
#[derive(Clone, Default)]
pub struct JsonLog(Arc<Mutex<Vec<u8>>>);

impl JsonLog {
    /// From here on this process logs JSON, at every level.
    pub fn open() -> JsonLog {
        let log = JsonLog::default();
        let target = Target::Pipe(Box::new(log.clone()));
        logger::init(&"trace".parse().expect("a level"), Format::Json, target);
        log
    }

    /// All objects so far, without their times.
    pub fn objects(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        let mut objects = Log::of(str::from_utf8(&bytes).expect("JSON is text")).objects();
        for object in &mut objects {
            let time = object.as_object_mut().and_then(|fields| fields.remove("time"));
            assert!(time.is_some_and(|time| time.is_string()), "no time: {object}");
        }
        objects
    }
}

impl Write for JsonLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event: its name, its levels, its fields.
type Event = (String, BTreeSet<String>, BTreeSet<String>);

/// Panics unless the objects have every event of the crate's catalogue, and `docs/log.md` has, below the
/// heading `program`, one row for each event with its levels and its fields, each of which is explained.
pub fn assert_events_are_documented(program: &str, crate_directory: &Path, objects: &[Value]) {
    let logged = logged(objects);
    let names: BTreeSet<String> = logged.iter().map(|(event, ..)| event.clone()).collect();
    assert_eq!(names, house::events(crate_directory), "left: what is logged; right: the catalogue");

    let text = document("docs/log.md");
    let event = |cells: &[BTreeSet<String>]| -> Event {
        let [event, levels, fields] = cells else { panic!("three cells: {cells:?}") };
        (event.iter().cloned().collect(), levels.clone(), fields.clone())
    };
    let mut listed: Vec<Event> = rows_of(&text, program).map(|row| event(&cells(row))).collect();
    listed.sort();
    assert_eq!(listed, logged, "left: docs/log.md; right: what is logged");

    let explained: BTreeSet<String> =
        rows_of(&text, "The fields").flat_map(|row| cells(row).remove(0)).collect();
    for field in logged.iter().flat_map(|(_, _, fields)| fields) {
        assert!(explained.contains(field), "docs/log.md does not explain {field}");
    }
}

/// The events of the objects, in the order of their names.
fn logged(objects: &[Value]) -> Vec<Event> {
    let mut events = BTreeMap::<String, (BTreeSet<String>, BTreeSet<String>)>::new();
    for object in objects {
        let word = |key: &str| object[key].as_str().expect("a word").to_owned();
        let fields = object.as_object().expect("an object").keys();
        let fields = fields.filter(|field| !COMMON.contains(&field.as_str())).cloned();
        let (levels, all_fields) = events.entry(word("event")).or_default();
        levels.insert(word("level"));
        all_fields.extend(fields);
    }
    events.into_iter().map(|(event, (levels, fields))| (event, levels, fields)).collect()
}

/// The rows of the table below a heading.
fn rows_of<'a>(document: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("## {heading}");
    let lines = document.lines().skip_while(move |line| *line != heading);
    // Behind the table's own heading.
    let rows = lines.skip_while(|line| !line.starts_with("| `"));
    rows.take_while(|line| line.starts_with('|'))
}

/// The words in each cell of a row.
fn cells(row: &str) -> Vec<BTreeSet<String>> {
    let cells = row.trim().trim_start_matches('|').trim_end_matches('|').split('|');
    let words = |cell: &str| {
        let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
        words.filter(|word| !word.is_empty()).collect()
    };
    cells.map(words).collect()
}
