//! A followed connection, a step a line, with a word that explains it.

use echo_status::{Call, Readiness, Step, StepLine};

use crate::figures::{count, counted, plain, time};
use crate::text::wrapped;

/// Where the explanation begins.
const MEANING_COLUMN: usize = 62;
/// Where it begins in a line of its own, in a narrow terminal.
const INDENT: &str = "                        ";
/// The least room that an explanation needs beside its step.
const MEANING_COLUMNS_MIN: usize = 30;

/// The line above all.
pub(crate) fn heading(columns: usize) -> String {
    let heading = format!("{:<MEANING_COLUMN$}what it means", "      us        turn  what happens");
    if has_room(columns) { heading } else { heading[..34].to_owned() }
}

fn has_room(columns: usize) -> bool {
    columns >= MEANING_COLUMN + MEANING_COLUMNS_MIN
}

/// A step, beside its explanation; in a narrow terminal the explanation stands below it. What an event
/// means depends on whether the connection is `flushing`.
pub(crate) fn lines(line: &StepLine, flushing: bool, columns: usize) -> Vec<String> {
    let meaning = match line.step {
        Step::Event(_) if flushing => "an edge: there may be room for the rest, which comes first",
        _ => meaning(&line.step),
    };
    let what = what(&line.step);
    let step = format!("{:>8}{:>12}  {what}", count(line.us), count(line.turn));
    if !has_room(columns) {
        let mut lines = vec![step];
        if !meaning.is_empty() {
            lines.extend(wrapped(INDENT, meaning, columns));
        }
        return lines;
    }
    // A step that is too long for its column moves its explanation.
    let column = MEANING_COLUMN.max(step.len() + 2);
    let begin = format!("{step:<column$}");
    let blank = " ".repeat(MEANING_COLUMN);
    let mut lines = wrapped(&begin, meaning, columns);
    for line in lines.iter_mut().skip(1) {
        *line = format!("{blank}{}", line.trim_start());
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn what(step: &Step) -> String {
    match step {
        Step::Waiting => "waiting for a connection".to_owned(),
        Step::Accepted { peer } => format!("accept4   {}", plain(peer)),
        Step::Watched => "epoll_ctl add".to_owned(),
        Step::Event(Readiness { readable, read_on }) => match (readable, read_on) {
            (true, true) => "event     readable, and the end".to_owned(),
            (true, false) => "event     readable".to_owned(),
            (false, true) => "event     the end".to_owned(),
            (false, false) => "event     writable".to_owned(),
        },
        Step::Call(call) => what_of_call(call),
        Step::Moved { from, to } => format!("state     {} -> {}", plain(from), plain(to)),
        Step::OutOfBudget => "budget    spent".to_owned(),
        Step::Silence { us } => format!("silence   {}", time(*us)),
        Step::Lost { steps } => format!("lost      {}", counted(*steps, "step", "steps")),
        Step::Closed { reason, messages } => {
            format!(
                "closed    {} ({})",
                plain(reason),
                counted(u64::from(*messages), "message", "messages")
            )
        }
    }
}

fn what_of_call(call: &Call) -> String {
    let name = plain(&call.name);
    let result = match (call.got, &call.error) {
        (_, Some(error)) => plain(error),
        (Some(got), None) if call.asked > 0 => count(got),
        (_, None) => "done".to_owned(),
    };
    match call.asked {
        0 => format!("{name:<9} {result}"),
        asked => format!("{name:<9} {} bytes: {result}", count(asked)),
    }
}

/// The explanation, for somebody who sees it for the first time.
fn meaning(step: &Step) -> &'static str {
    match step {
        Step::Waiting => "connect a client now: it is the one to follow",
        Step::Accepted { .. } => "taken from the kernel's queue, and served at once, unwatched",
        Step::Watched => "it waits for more, so epoll is to tell of it: once, for good",
        Step::Event(Readiness { readable: false, read_on: false }) => {
            "an edge: there is room to send"
        }
        Step::Event(Readiness { read_on: true, .. }) => {
            "an edge, and the peer's end: a short read is not all, so read up to the end"
        }
        Step::Event(_) => "an edge: something came; it tells once, so read until a short read",
        Step::Call(call) => meaning_of_call(call),
        Step::Moved { from, to } => meaning_of_move(from, to),
        Step::OutOfBudget => "its share of this turn is over: others come first, then it goes on",
        Step::Silence { .. } => "nothing for it: the loop slept, or served others",
        Step::Lost { .. } => "this view read too slowly, and the server waits for nobody",
        Step::Closed { .. } => "the socket is closed, and its slot is freed at the end of the turn",
    }
}

fn meaning_of_call(call: &Call) -> &'static str {
    match (call.name.as_str(), call.got, call.error.as_deref()) {
        ("recv", _, Some("EAGAIN")) => "nothing there: wait for the next event",
        ("send", _, Some("EAGAIN")) => "no room at all: wait for the next event",
        (_, _, Some("EINTR")) => "a signal came: the call is made again",
        (_, _, Some("ECONNRESET")) => "the peer has thrown the connection away",
        (_, _, Some("EPIPE")) => "the peer takes nothing any more",
        (_, _, Some(_)) => "the kernel refuses, and says why",
        ("recv", Some(0), None) => "the peer's end: no more will come",
        ("recv", Some(got), None) if got < call.asked => "a short read: nothing more has arrived",
        ("recv", Some(_), None) => "all the room is used: there may be more, so it reads again",
        ("send", Some(got), None) if got < call.asked => {
            "a short send: the kernel's buffer is full"
        }
        ("send", Some(_), None) => "the kernel has taken all of it",
        ("shutdown", ..) => "the end of the output: the peer knows that all has come",
        _ => "",
    }
}

fn meaning_of_move(from: &str, to: &str) -> &'static str {
    match (from, to) {
        (_, "flushing") => {
            "a reply waits for room, and nothing is read until it is sent: back-pressure"
        }
        ("flushing", "open") => "the reply is sent: it reads again, without waiting for an event",
        (_, "lingering") => {
            "all is sent, but the peer may still send: a close now could destroy the reply"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_status::VERSION;

    fn step(us: u64, turn: u64, step: Step) -> StepLine {
        StepLine { version: VERSION, us, turn, step }
    }

    fn call(name: &str, asked: u64, result: Result<u64, &str>) -> Step {
        let (got, error) = (result.ok(), result.err().map(str::to_owned));
        Step::Call(Call { name: name.to_owned(), asked, got, error })
    }

    fn moved(from: &str, to: &str) -> Step {
        Step::Moved { from: from.to_owned(), to: to.to_owned() }
    }

    fn event(readable: bool, read_on: bool) -> Step {
        Step::Event(Readiness { readable, read_on })
    }

    #[test]
    fn every_step_is_shown_and_explained() {
        for (step, what_happens, explained) in [
            (Step::Waiting, "waiting for a connection", "connect a client now"),
            (
                Step::Accepted { peer: "('127.0.0.1', 9)".into() },
                "accept4   ('127.0.0.1', 9)",
                "queue",
            ),
            (Step::Watched, "epoll_ctl add", "once, for good"),
            (event(true, false), "event     readable", "something came"),
            (event(true, true), "event     readable, and the end", "read up to the end"),
            (event(false, true), "event     the end", "read up to the end"),
            (event(false, false), "event     writable", "room to send"),
            (call("recv", 16_384, Ok(30)), "recv      16,384 bytes: 30", "a short read"),
            (
                call("recv", 16_384, Ok(16_384)),
                "recv      16,384 bytes: 16,384",
                "there may be more",
            ),
            (call("recv", 16_384, Ok(0)), "recv      16,384 bytes: 0", "no more will come"),
            (
                call("recv", 9, Err("EAGAIN")),
                "recv      9 bytes: EAGAIN",
                "wait for the next event",
            ),
            (
                call("recv", 9, Err("ECONNRESET")),
                "recv      9 bytes: ECONNRESET",
                "thrown the connection away",
            ),
            (call("recv", 9, Err("EINTR")), "recv      9 bytes: EINTR", "made again"),
            (call("recv", 9, Err("EIO")), "recv      9 bytes: EIO", "refuses"),
            (call("send", 30, Ok(30)), "send      30 bytes: 30", "taken all"),
            (call("send", 30, Ok(7)), "send      30 bytes: 7", "buffer is full"),
            (call("send", 30, Err("EAGAIN")), "send      30 bytes: EAGAIN", "no room at all"),
            (call("send", 30, Err("EPIPE")), "send      30 bytes: EPIPE", "takes nothing any more"),
            (call("shutdown", 0, Ok(0)), "shutdown  done", "the end of the output"),
            (moved("open", "flushing"), "state     open -> flushing", "back-pressure"),
            (moved("flushing", "open"), "state     flushing -> open", "reads again"),
            (moved("open", "lingering"), "state     open -> lingering", "could destroy the reply"),
            (
                moved("flushing", "lingering"),
                "state     flushing -> lingering",
                "could destroy the reply",
            ),
            (moved("lingering", "closed"), "state     lingering -> closed", ""),
            (Step::OutOfBudget, "budget    spent", "others come first"),
            (Step::Silence { us: 1_250_000 }, "silence   1.2 s", "slept, or served others"),
            (Step::Lost { steps: 1 }, "lost      1 step", "read too slowly"),
            (
                Step::Closed { reason: "reset by its peer".into(), messages: 2 },
                "closed    reset by its peer (2 messages)",
                "slot is freed",
            ),
        ] {
            assert_eq!(what(&step), what_happens);
            assert!(meaning(&step).contains(explained), "{step:?}: {}", meaning(&step));
        }
    }

    #[test]
    fn explanations_stand_beside_their_steps_or_below_them() {
        let line = step(1_240, 1_204_311, call("recv", 16_384, Err("EAGAIN")));
        let beside = "   1,240   1,204,311  recv      16,384 bytes: EAGAIN          nothing there: wait for the next event";
        assert_eq!(lines(&line, false, 100), [beside]);
        assert_eq!(
            lines(&line, false, 80),
            [
                "   1,240   1,204,311  recv      16,384 bytes: EAGAIN",
                "                        nothing there: wait for the next event",
            ]
        );
        let long = step(0, 1, moved("open", "lingering"));
        assert_eq!(
            lines(&long, false, 110),
            [
                "       0           1  state     open -> lingering             all is sent, but the peer may still send: a",
                "                                                              close now could destroy the reply",
            ]
        );
        let event = step(0, 1, event(true, false));
        assert!(lines(&event, true, 160)[0].ends_with("the rest, which comes first"));
        assert!(lines(&event, false, 160)[0].contains("something came"));
        assert_eq!(heading(100).find("what it means"), Some(MEANING_COLUMN));
        assert_eq!(heading(80), "      us        turn  what happens");
    }

    #[test]
    fn a_step_that_is_too_long_for_its_column_moves_its_explanation() {
        let reason = "a message was not complete within message_timeout";
        let line = step(1, 2, Step::Closed { reason: reason.to_owned(), messages: 0 });
        let shown = lines(&line, false, 200);
        assert!(
            shown[0].contains(&format!("{reason} (0 messages)  the socket is closed")),
            "{shown:?}"
        );
    }

    #[test]
    fn what_a_server_says_moves_no_cursor() {
        let line = step(0, 0, Step::Accepted { peer: "\x1b[2J\n".to_owned() });
        assert!(lines(&line, false, 100).concat().chars().all(|c| matches!(c, ' '..='~')));
    }
}
