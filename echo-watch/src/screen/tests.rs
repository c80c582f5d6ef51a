use super::*;

use std::num::NonZeroU16;

use echo_status::{Delay, Exit, Frame};
use proptest::prelude::*;
use serde_json::Value;

use crate::output::picture;
use crate::samples::{at, busy, drain as a_drain, second as a_second, turn as a_turn};

const USUAL: Size = Size { columns: 80, rows: 24 };

fn shown(history: &History, contact: &Contact, size: Size) -> Vec<String> {
    let lines = draw(history, contact, size);
    lines.iter().map(|line| line.painted(false).trim_end().to_owned()).collect()
}

/// As the shape of a terminal: exactly these lines.
#[track_caller]
fn assert_shown(history: &History, columns: usize, rows: usize, expected: &str) {
    let shown = shown(history, &Contact::Live, Size { columns, rows }).join("\n");
    assert_eq!(shown, expected.trim_matches('\n'), "\n{shown}\n");
}

#[test]
fn a_busy_server_in_a_usual_terminal() {
    assert_shown(
        &busy(),
        80,
        24,
        "
echo-reactor 0.1.0  RUNNING   up 12m44s  on 0.0.0.0:12345          Ctrl-C leaves
open         412 of 1,000    ########............  accepting: ready
  now        idle 371   mid-message 18   flushing 21 (1.3 MiB wait)  lingering 2
in all       accepted 238,368   closed 237,956
  closed by  answered 228,788  peer 6,112  reset 1,528  slow 764  idle 764
one second   turns 1,204   events 9,310 (7.7 a turn)   messages 9,102
             in 610 KiB  out 609 KiB
woken by     events 1,190   deadline 9     work left over 5   asleep 63 %
a turn       median 84 us    99 % 611 us    longest 2.1 ms    most events 1,024
  phases, us signals 0  serve 71  accept 8  expire 0  reap 2  status 0  log 3
calls        recv 9,114 (12 found nothing)     send 9,102 (21 short)
             accept4 333 (21 found nothing)    close 312
!  21 connections wait for room to send 1.3 MiB: nothing is read from them
   meanwhile (back-pressure)
!  a turn took 2.1 ms, 1.8 ms of it to serve, with 1,024 events: all others
   waited for its end
!  epoll_wait brought as many events as it may: the others came a turn later
!  2 connections linger: all is sent, and what still comes is thrown away, so
   that no reset destroys the reply
!  2 connections were closed: 1 without a byte for idle_timeout, 1 with a
   message slower than message_timeout
!  3 events came for connections that had gone: harmless, because slots are
   freed behind the last event
",
    );
}

#[test]
fn a_busy_server_in_a_large_terminal() {
    assert_shown(&busy(), 140, 50, "
echo-reactor 0.1.0  RUNNING   up 12m44s  on 0.0.0.0:12345                                                                      Ctrl-C leaves
open         412 of 1,000    ########............  accepting: ready
  now        idle 371   mid-message 18   flushing 21 (1.3 MiB wait)  lingering 2
in all       accepted 238,368   closed 237,956
  closed by  answered 228,788  peer 6,112  reset 1,528  slow 764  idle 764
one second   turns 1,204   events 9,310 (7.7 a turn)   messages 9,102    in 610 KiB  out 609 KiB
woken by     events 1,190   deadline 9     work left over 5   asleep 63 %
a turn       median 84 us    99 % 611 us    longest 2.1 ms    most events 1,024
  phases, us signals 0  serve 71  accept 8  expire 0  reap 2  status 0  log 3
calls        recv 9,114 (12 found nothing)     send 9,102 (21 short)             accept4 333 (21 found nothing)    close 312
!  21 connections wait for room to send 1.3 MiB: nothing is read from them meanwhile (back-pressure)
!  a turn took 2.1 ms, 1.8 ms of it to serve, with 1,024 events: all others waited for its end
!  epoll_wait brought as many events as it may: the others came a turn later
!  2 connections linger: all is sent, and what still comes is thrown away, so that no reset destroys the reply
!  2 connections were closed: 1 without a byte for idle_timeout, 1 with a message slower than message_timeout
!  3 events came for connections that had gone: harmless, because slots are freed behind the last event

turn           slept      took  events  served  accepted  reaped  woken by   its phases: s serve, a accept, r reap, t status, l log
917,800       500 us     80 us       1       1         0       0  event      s
917,801       500 us     80 us       1       1         0       0  event      s
917,802       500 us     80 us       1       1         0       0  event      s
917,803       500 us     80 us       1       1         0       0  event      s
917,804       500 us     80 us       1       1         0       0  event      s
917,805       500 us    2.1 ms   1,024   1,022        64      61  event      ssssssssssssssssssssssssssssssssssaaaar
917,806       500 us     80 us       1       1         0       0  work left  s
917,807       500 us     80 us       1       1         0       0  event      s
");
}

#[test]
fn newest_turns_fill_the_rows_that_are_left() {
    let history =
        a_second(|frame| frame.turns = (1..=20).map(|number| a_turn(number, 80)).collect());
    let rows = |columns, rows| shown(&history, &Contact::Live, Size { columns, rows });
    let usual = rows(80, 24);
    let heading = usual.iter().position(|row| row.starts_with("turn  ")).expect("turns");
    assert_eq!(usual[heading], TURNS_HEADING.trim_end());
    let numbers: Vec<&str> =
        usual[heading + 1..].iter().map(|row| row.split(' ').next().unwrap()).collect();
    assert_eq!(usual.len(), 24);
    let newest: Vec<String> =
        (1..=20).rev().take(numbers.len()).map(|number| number.to_string()).collect();
    assert!(numbers.iter().rev().eq(newest.iter()), "{numbers:?}");
    // Never a heading alone.
    assert!(!rows(80, heading).iter().any(|row| row.starts_with("turn  ")));
}

#[test]
fn a_busy_server_in_a_small_terminal() {
    assert_shown(
        &busy(),
        40,
        10,
        "
echo-reactor 0.1.0  RUNNING   up 12m44s
open         412 of 1,000
             ########............
             accepting: ready
  now        idle 371   mid-message 18
             flushing 21 (1.3 MiB wait)
             lingering 2
!  21 connections wait for room to send
   1.3 MiB: nothing is read from them
   meanwhile (back-pressure)
",
    );
}

#[test]
fn the_first_frame_shows_what_it_can() {
    assert_shown(
        &History::new(at(1_500_000)),
        80,
        24,
        "
echo-reactor 0.1.0  RUNNING   up 1.5 s   on 0.0.0.0:12345          Ctrl-C leaves
open         0 of 1,000      ....................  accepting: waiting
  now        idle 0     mid-message 0    flushing 0                  lingering 0
in all       accepted 0         closed 0
one second   the first frame: what happens in a second is seen in the next ones
",
    );
}

#[test]
fn a_drain_has_its_clock() {
    let history = a_second(|frame| {
        frame.phase = Phase::Draining;
        frame.drain = Some(a_drain(None));
        frame.accepting = Accepting::Closed;
    });
    let rows = shown(&history, &Contact::Live, USUAL);
    assert!(rows[0].contains("  DRAINING  "), "{rows:#?}");
    assert_eq!(
        rows[1],
        "drain        34.0 ms of 700.0 ms   #...................  queue being emptied"
    );

    let history = a_second(|frame| {
        frame.phase = Phase::Stopped;
        frame.drain = Some(a_drain(Some(Exit::Drained)));
        frame.drain.as_mut().unwrap().listener_is_closed = true;
    });
    let rows = shown(&history, &Contact::Live, USUAL);
    assert!(rows[0].contains("  STOPPED  "), "{rows:#?}");
    assert!(rows[1].ends_with("queue closed"), "{rows:#?}");
}

#[test]
fn a_drain_that_is_delayed_has_its_clock_too() {
    let history = a_second(|frame| {
        frame.phase = Phase::Leaving;
        let signal = "SIGTERM".to_owned();
        frame.delay = Some(Delay { signal, us: 2_500_000, delay_us: 5_000_000 });
    });
    let rows = shown(&history, &Contact::Live, USUAL);
    assert!(rows[0].contains("  LEAVING  "), "{rows:#?}");
    assert_eq!(rows[1], "drain delay  2.5 s of 5.0 s        ##########..........");
}

#[test]
fn a_server_that_is_gone_leaves_its_last_picture() {
    let why = "connection refused\x1b[2J".to_owned();
    let rows = shown(&busy(), &Contact::Gone(Duration::from_millis(3_200), why), USUAL);
    assert!(rows[0].contains("  GONE for 3.2 s  "), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("open         412 of 1,000")), "{rows:#?}");
    let note = rows.iter().position(|row| row.starts_with(NOTE_MARK)).expect("a note");
    let expected =
        ["!  the server is gone (connection refused?[2J): this view goes on when it is", "   back"];
    assert_eq!(rows[note..note + 2], expected);
    assert!(rows.iter().skip(note + 1).all(|row| !row.starts_with(NOTE_MARK)), "{rows:#?}");

    let rows = shown(&busy(), &Contact::Silent(Duration::from_secs(2)), USUAL);
    assert!(rows[0].contains("  SILENT for 2.0 s  "), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("!  no frame comes: ")), "{rows:#?}");
}

#[test]
fn what_matters_least_goes_first() {
    let label = |row: &str| row.split("  ").find(|part| !part.is_empty()).unwrap_or("").to_owned();
    let mut before: Vec<String> = Vec::new();
    for rows in 1..60 {
        let shown = shown(&busy(), &Contact::Live, Size { columns: 100, rows });
        let labels: Vec<String> = shown.iter().map(|row| label(row)).collect();
        assert!(before.iter().all(|label| labels.contains(label)), "{before:?} {labels:?}");
        before = labels;
    }
    let first = |rows| shown(&busy(), &Contact::Live, Size { columns: 100, rows });
    assert!(first(1)[0].starts_with("echo-reactor 0.1.0  RUNNING"));
    assert!(first(2)[1].starts_with("!  21 connections wait"));
    assert!(first(3)[1].starts_with("open  "));
}

#[test]
fn a_bar_is_never_empty_while_there_is_something() {
    for (part, whole, expected) in [
        (0, 1_000, "...................."),
        (1, 1_000, "#..................."),
        (500, 1_000, "##########.........."),
        (999, 1_000, "###################."),
        (1_000, 1_000, "####################"),
        (2_000, 1_000, "####################"),
        (0, 0, "...................."),
    ] {
        assert_eq!(bar(part, whole), expected);
    }
}

#[test]
fn a_turn_is_as_long_as_its_phases() {
    let mut turn = a_turn(1, 500);
    turn.phases.signals = 100.0;
    turn.phases.accept = 250.0;
    turn.phases.expire = 50.0;
    turn.phases.reap = 25.0;
    turn.phases.status = 50.0;
    turn.phases.log = 25.0;
    let expected = ["iiii", &"s".repeat(20), &"a".repeat(10), "ee", "r", "tt", "l"].concat();
    assert_eq!(strip(&turn, 1_000), expected);
}

/// A frame with other numbers and texts. A server that is no server can send them.
fn any_frame() -> impl Strategy<Value = Frame> {
    let numbers = proptest::collection::vec(any::<u64>(), 200);
    let texts = proptest::collection::vec(".{0,60}", 10);
    (numbers, texts, 0..3_usize).prop_map(|(numbers, texts, kind)| {
        let mut sample = busy().now().clone();
        sample.phase = [Phase::Running, Phase::Draining, Phase::Stopped][kind];
        sample.drain = (kind > 0).then(|| a_drain((kind > 1).then_some(Exit::Deadline)));
        let mut value = serde_json::to_value(sample).expect("a frame is JSON");
        let (mut numbers, mut texts) = (numbers.into_iter().cycle(), texts.into_iter().cycle());
        replace(&mut value, &mut numbers, &mut texts);
        serde_json::from_value(value).expect("a frame is JSON")
    })
}

fn replace(
    value: &mut Value,
    numbers: &mut impl Iterator<Item = u64>,
    texts: &mut impl Iterator<Item = String>,
) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &*field) {
                    // Numbers of 32 bits.
                    (
                        "version" | "watchers" | "events" | "visits" | "accepted" | "reaped",
                        Value::Number(_),
                    ) if !name.is_empty() => {
                        *field = (numbers.next().unwrap_or(0) >> 32).into();
                    }
                    // Words of which there are only some.
                    ("phase" | "exit" | "accepting" | "woken_by", _) => {}
                    _ => replace(field, numbers, texts),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, numbers, texts)),
        // A sum of them fits 64 bits.
        Value::Number(_) => *value = (numbers.next().unwrap_or(0) >> 8).into(),
        Value::String(_) => *value = texts.next().unwrap_or_default().into(),
        Value::Null | Value::Bool(_) => {}
    }
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let time = any::<u64>().prop_map(Duration::from_micros);
    (0..3_usize, time, ".{0,60}").prop_map(|(kind, time, why)| match kind {
        0 => Contact::Live,
        1 => Contact::Silent(time),
        _ => Contact::Gone(time, why),
    })
}

proptest! {
    /// A terminal of that size shows exactly the lines: none is cut, goes on in the next row, or makes
    /// the others move up. So with any number and text that a frame may have.
    #[test]
    fn any_frame_fits_any_terminal(
        first in any_frame(),
        second in any_frame(),
        contact in any_contact(),
        columns in 1_u16..220,
        rows in 1_u16..60,
        with_colours in any::<bool>(),
    ) {
        let mut history = History::new(first);
        history.add(second);
        let size = Size { columns: columns.into(), rows: rows.into() };
        let lines = draw(&history, &contact, size);
        prop_assert!(lines.len() <= size.rows && !lines.is_empty());

        let of = |number| NonZeroU16::new(number).expect("it is not 0");
        let mut terminal = vt100::Parser::new(of(rows), of(columns), 0);
        // What was there before.
        terminal.process("x".repeat(usize::from(columns) * usize::from(rows)).as_bytes());
        terminal.process(picture(&lines, size, with_colours).as_bytes());
        let seen: Vec<String> = terminal.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        let mut expected: Vec<String> =
            lines.iter().map(|line| line.painted(false).trim_end().to_owned()).collect();
        expected.resize(size.rows, String::new());
        prop_assert_eq!(seen, expected);
    }
}
