//! `docs/status.md` names every field of a line, and no other; and every word that a field can have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use echo_status::{
    Accepting, Call, Delay, Drain, Exit, Frame, Measured, Open, Phase, Phases, Readiness, Server,
    Step, StepLine, Tally, Turn, WokenBy,
};
use serde::Serialize;
use serde_json::Value;

/// The fields of each object, by the names of the fields that lead to it.
type Fields = BTreeMap<String, BTreeSet<String>>;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/status.md");
    std::fs::read_to_string(path).expect("docs/status.md")
}

/// A frame that lacks nothing.
fn frame() -> Frame {
    let turn = Turn {
        number: 1,
        at_us: 0,
        slept_us: 0,
        phases: Phases::default(),
        events: 0,
        visits: 0,
        accepted: 0,
        reaped: 0,
        woken_by: WokenBy::Event,
        draining: true,
    };
    Frame {
        version: echo_status::VERSION,
        server: Server {
            version: String::new(),
            host: String::new(),
            address: String::new(),
            started_unix_us: 0,
            connections_max: 0,
        },
        uptime_us: 0,
        phase: Phase::Stopped,
        delay: Some(Delay { signal: "SIGTERM".to_owned(), us: 0, delay_us: 0 }),
        drain: Some(Drain {
            signal: "SIGTERM".to_owned(),
            us: 0,
            timeout_us: 0,
            listener_is_closed: true,
            owing: 0,
            exit: Some(Exit::Drained),
        }),
        open: Open::default(),
        accepting: Accepting::Closed,
        log_waiting_bytes: 0,
        watchers: 1,
        frames_lost: 0,
        tally: Tally::default(),
        last_second: Some(Measured::default()),
        turns: vec![turn],
    }
}

fn steps() -> Vec<Step> {
    let text = String::new;
    vec![
        Step::Waiting,
        Step::Accepted { peer: text() },
        Step::Watched,
        Step::Event(Readiness { readable: true, read_on: true }),
        Step::Call(Call { name: text(), asked: 0, got: None, error: None }),
        Step::Moved { from: text(), to: text() },
        Step::OutOfBudget,
        Step::Silence { us: 0 },
        Step::Lost { steps: 0 },
        Step::Closed { reason: text(), messages: 0 },
    ]
}

fn add(path: &str, value: &Value, fields: &mut Fields) {
    match value {
        Value::Object(object) => {
            let names = object.keys().cloned();
            fields.entry(path.to_owned()).or_default().extend(names);
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                add(&path, value, fields);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add(path, value, fields)),
        // A step without fields of its own.
        Value::String(name) if path == "step" => {
            fields.entry(path.to_owned()).or_default().insert(name.clone());
        }
        _ => {}
    }
}

/// The names in the first column of each table, by the names in the heading above it.
fn documented(document: &str) -> Fields {
    let mut fields = Fields::new();
    let mut headings = Vec::new();
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("#") {
            let names = names(heading);
            headings = if names.is_empty() {
                vec![heading.trim_matches(['#', ' ']).to_owned()]
            } else {
                names
            };
        } else if let Some(row) = line.strip_prefix("| `") {
            let (name, _) = row.split_once('`').expect("a name in quotes");
            for heading in &headings {
                fields.entry(heading.clone()).or_default().insert(name.to_owned());
            }
        }
    }
    fields
}

/// What stands in backquotes.
fn names(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_field_is_documented_and_nothing_else() {
    let mut fields = Fields::new();
    add("", &serde_json::to_value(frame()).expect("JSON"), &mut fields);
    let root = fields.remove("").expect("a frame");
    fields.insert("A frame".to_owned(), root);
    let mut of_steps = Fields::new();
    for step in steps() {
        let line = StepLine { version: echo_status::VERSION, us: 0, turn: 0, step };
        add("", &serde_json::to_value(line).expect("JSON"), &mut of_steps);
    }
    let root = of_steps.remove("").expect("a step");
    fields.insert("A step".to_owned(), root);
    fields.extend(of_steps);

    let mut documented = documented(&document());
    let words: BTreeSet<String> = ["once", "watch", "follow"].map(str::to_owned).into();
    assert_eq!(documented.remove("Asking"), Some(words));
    // These steps share one table.
    let shared = documented.remove("step.lost").expect("a table");
    let mut found = BTreeSet::new();
    for step in ["accepted", "moved", "silence", "lost", "closed"] {
        found.extend(fields.remove(&format!("step.{step}")).expect("a step with fields"));
        documented.remove(&format!("step.{step}"));
    }
    assert_eq!(shared, found, "left: the table of steps; right: their fields");
    assert_eq!(documented, fields, "left: docs/status.md; right: what is sent");
}

#[test]
fn every_word_is_documented() {
    fn words<T: Serialize>(values: &[T]) -> Vec<String> {
        let word =
            |value| serde_json::to_value(value).expect("JSON").as_str().expect("a word").to_owned();
        values.iter().map(word).collect()
    }
    let document = document();
    let all = [
        words(&[Phase::Running, Phase::Leaving, Phase::Draining, Phase::Stopped]),
        words(&[Exit::Drained, Exit::Deadline, Exit::Forced]),
        words(&[
            Accepting::Waiting,
            Accepting::Ready,
            Accepting::Full,
            Accepting::Exhausted,
            Accepting::Closed,
        ]),
        words(&[WokenBy::Event, WokenBy::Deadline, WokenBy::WorkLeft]),
    ];
    for word in all.concat() {
        assert!(document.contains(&format!("`{word}`")), "docs/status.md lacks {word}");
    }
    let version = format!("This is version {}.", echo_status::VERSION);
    assert!(document.contains(&version), "docs/status.md is about another version");
}
