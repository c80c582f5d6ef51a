//! What the frames of the last second mean: the lines with `!`.
//!
//! To know what to look for is what a beginner lacks. Each rule says in a sentence what it sees and why.

use echo_status::{Accepting, Exit, Phase, Tally};

use crate::figures::{bytes, count, counted, plain, scaled, share, time};
use crate::history::{History, length_us, named};

/// Something that a reader should see.
#[derive(Debug, PartialEq, Eq)]
pub struct Note {
    /// A word or two, where there is no room for a sentence.
    pub word: &'static str,
    /// What is seen, and why it is worth a look.
    pub sentence: String,
}

/// A turn that takes longer makes others wait, in microseconds.
const LONG_TURN_US: u64 = 1_000;
/// An event, a visit or an accept takes at most so long, in microseconds, if the loop has the processor.
const UNIT_OF_WORK_US: u64 = 1_000;
/// A loop that sleeps less is busy, in percent of its time.
const BUSY_ASLEEP_PERCENT: u64 = 10;
/// More reads than that find nothing only where something is to be learned, in percent.
const EMPTY_READS_PERCENT: u64 = 5;

type Rule = (&'static str, fn(&History) -> Option<String>);

/// What matters most comes first.
const RULES: [Rule; 21] = [
    ("leaving", leaving),
    ("drain", drain),
    ("exhausted", exhausted),
    ("full", full),
    ("back-pressure", back_pressure),
    ("long turn", long_turn),
    ("log dropped", log_dropped),
    ("busy", busy),
    ("full wait", |it| spent(it, |tally| tally.budgets.events, FULL_WAIT)),
    ("visit budget", |it| spent(it, |tally| tally.budgets.visit, VISIT_BUDGET)),
    ("serve budget", |it| spent(it, |tally| tally.budgets.serve, SERVE_BUDGET)),
    ("accept budget", |it| spent(it, |tally| tally.budgets.accept, ACCEPT_BUDGET)),
    ("expire budget", |it| spent(it, |tally| tally.budgets.expire, EXPIRE_BUDGET)),
    ("lingering", lingering),
    ("timeouts", timeouts),
    ("too long", too_long),
    ("empty reads", empty_reads),
    ("stale events", stale_events),
    ("left out", left_out),
    ("slow reader", frames_lost),
    ("quiet", quiet),
];

const FULL_WAIT: &str = "epoll_wait brought as many events as it may: the others came a turn later";
const VISIT_BUDGET: &str =
    "a peer had sent more than one visit may take: the others came first, and then it went on";
const SERVE_BUDGET: &str =
    "there was more to serve than one turn may: the rest came first in the next turn";
const ACCEPT_BUDGET: &str =
    "more connections waited than one turn may accept: those that are open came first";
const EXPIRE_BUDGET: &str =
    "more deadlines came due than one turn may check: the rest followed a turn later";

/// All that there is to say.
#[must_use]
pub fn notes(history: &History) -> Vec<Note> {
    let noted = |(word, rule): &Rule| Some(Note { word, sentence: rule(history)? });
    RULES.iter().filter_map(noted).collect()
}

/// How a drain ended that took so long.
pub(crate) fn how_it_ended(exit: Exit, us: u64) -> String {
    let time = time(us);
    match exit {
        Exit::Drained => {
            format!("what had arrived was answered, and every connection closed, within {time}")
        }
        Exit::Deadline => format!("drain_timeout passed, {time}: what was left was aborted"),
        Exit::Forced => format!("a second signal came after {time}: what was left was aborted"),
    }
}

fn leaving(it: &History) -> Option<String> {
    let delay = it.now().delay.as_ref()?;
    Some(format!(
        "{}: it serves as before for drain_delay, {}, so that no client is sent to it when it closes",
        plain(&delay.signal),
        time(delay.delay_us),
    ))
}

fn drain(it: &History) -> Option<String> {
    let drain = it.now().drain.as_ref()?;
    let signal = plain(&drain.signal);
    Some(match drain.exit {
        Some(exit) => format!("{signal}: {}", how_it_ended(exit, drain.us)),
        None if !drain.listener_is_closed => {
            format!("{signal}: who waits in the kernel's queue is let in, and nobody behind them")
        }
        None => format!(
            "{signal}: {} may still be owed a reply; {} of drain_timeout {} are over",
            counted(drain.owing, "connection", "connections"),
            time(drain.us),
            time(drain.timeout_us),
        ),
    })
}

fn exhausted(it: &History) -> Option<String> {
    let text = "the kernel has no descriptor or no memory for one more connection: accepting pauses, \
                and goes on by itself";
    (it.now().accepting == Accepting::Exhausted).then(|| text.to_owned())
}

fn full(it: &History) -> Option<String> {
    let maximum = count(it.now().server.connections_max);
    let text = format!(
        "{maximum} connections are open, which is connections_max: others wait in the kernel's queue \
         until one closes"
    );
    (it.now().accepting == Accepting::Full).then_some(text)
}

fn back_pressure(it: &History) -> Option<String> {
    let open = &it.now().open;
    let text = format!(
        "{} for room to send {}: nothing is read from them meanwhile (back-pressure)",
        counted(open.flushing, "connection waits", "connections wait"),
        bytes(open.waiting_bytes),
    );
    (open.flushing > 0).then_some(text)
}

fn long_turn(it: &History) -> Option<String> {
    let turn = it.longest_turn().filter(|turn| length_us(turn) >= LONG_TURN_US)?;
    let (phase, us) = named(&turn.phases).into_iter().max_by_key(|(_, us)| *us)?;
    let work = u64::from(turn.events) + u64::from(turn.visits) + u64::from(turn.accepted);
    let why = if length_us(turn) > work * UNIT_OF_WORK_US {
        "; that is little work, so another program has had the processor"
    } else {
        ""
    };
    Some(format!(
        "a turn took {}, {} of it to {phase}, with {}: all others waited for its end{why}",
        time(length_us(turn)),
        time(us),
        counted(turn.events.into(), "event", "events"),
    ))
}

fn log_dropped(it: &History) -> Option<String> {
    let dropped = it.grown(|tally| tally.log.dropped);
    let text = format!(
        "{} dropped from the log: its reader is too slow or its disk full, and the loop does not wait",
        counted(dropped, "line", "lines"),
    );
    (dropped > 0).then_some(text)
}

fn busy(it: &History) -> Option<String> {
    let second = it.now().last_second.as_ref()?;
    let is_busy = scaled(second.asleep_us, 100, second.us) < BUSY_ASLEEP_PERCENT;
    let (phase, _) = named(&second.phases).into_iter().max_by_key(|(_, us)| *us)?;
    let text = format!(
        "the loop slept {} of the second: this is what one thread can do; most of it went to {phase}",
        share(second.asleep_us, second.us),
    );
    (second.us > 0 && is_busy).then_some(text)
}

/// A budget that ran out. Nothing is lost: what is left over is remembered, and the next turn does not sleep.
fn spent(it: &History, budget: impl Fn(&Tally) -> u64, text: &str) -> Option<String> {
    match it.grown(budget) {
        0 => None,
        1 => Some(text.to_owned()),
        times => Some(format!("{text} ({} times)", count(times))),
    }
}

fn lingering(it: &History) -> Option<String> {
    let lingering = it.now().open.lingering;
    let text = format!(
        "{}: all is sent, and what still comes is thrown away, so that no reset destroys the reply",
        counted(lingering, "connection lingers", "connections linger"),
    );
    (lingering > 0).then_some(text)
}

fn timeouts(it: &History) -> Option<String> {
    let idle = it.grown(|tally| tally.closed.idle_timeout);
    let slow = it.grown(|tally| tally.closed.message_timeout);
    let text = format!(
        "{} closed: {} without a byte for idle_timeout, {} with a message slower than message_timeout",
        counted(idle + slow, "connection was", "connections were"),
        count(idle),
        count(slow),
    );
    (idle + slow > 0).then_some(text)
}

fn too_long(it: &History) -> Option<String> {
    let closed = it.grown(|tally| tally.closed.too_long);
    let text = format!(
        "{} closed: a message was longer than message_max_bytes",
        counted(closed, "connection was", "connections were"),
    );
    (closed > 0).then_some(text)
}

fn empty_reads(it: &History) -> Option<String> {
    let (empty, reads) = (it.grown(|tally| tally.reads_empty), it.grown(|tally| tally.reads));
    let text = format!(
        "{} of {} found nothing: readiness is a hint, and only the read tells",
        count(empty),
        counted(reads, "read", "reads"),
    );
    (scaled(empty, 100, reads) >= EMPTY_READS_PERCENT).then_some(text)
}

fn stale_events(it: &History) -> Option<String> {
    let stale = it.grown(|tally| tally.events.stale);
    let text = format!(
        "{} for connections that had gone: harmless, because slots are freed behind the last event",
        counted(stale, "event came", "events came"),
    );
    (stale > 0).then_some(text)
}

fn left_out(it: &History) -> Option<String> {
    let left_out = it.grown(|tally| tally.log.left_out);
    let text = format!(
        "{} left out of the log: more messages than log.message_lines_per_second",
        counted(left_out, "line", "lines"),
    );
    (left_out > 0).then_some(text)
}

fn frames_lost(it: &History) -> Option<String> {
    let lost = it.now().frames_lost;
    let text = format!(
        "this view lost {}, because it read too slowly: the counts are right, turns are missing",
        counted(lost, "frame", "frames"),
    );
    (lost > 0).then_some(text)
}

fn quiet(it: &History) -> Option<String> {
    let happened = it.grown(|tally| {
        let events = &tally.events;
        events.connection + events.listener + tally.reads + tally.sends + tally.accepted
    });
    let is_quiet = it.now().phase == Phase::Running && it.has_rates() && happened == 0;
    let text = "nobody sends: the loop sleeps in epoll_wait, and only this view's frames wake it";
    is_quiet.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, busy as a_busy_server, drain as a_drain, second, turn};
    use echo_status::{Delay, Frame, Measured, Phases};

    type Change = fn(&mut Frame);

    fn words(history: &History) -> Vec<&'static str> {
        notes(history).iter().map(|note| note.word).collect()
    }

    /// Each rule, by a second in which it has something to say, what that is, and a second in which it just
    /// has not.
    const TABLE: [(&str, Change, &str, Change); 21] = [
        (
            "leaving",
            |frame| {
                frame.phase = Phase::Leaving;
                let signal = "SIGTERM".to_owned();
                frame.delay = Some(Delay { signal, us: 1_000, delay_us: 5_000_000 });
            },
            "SIGTERM: it serves as before for drain_delay, 5.0 s, so that no client is sent to it when it closes",
            |_| (),
        ),
        (
            "drain",
            |frame| {
                frame.phase = Phase::Draining;
                frame.drain = Some(a_drain(None));
                frame.drain.as_mut().unwrap().listener_is_closed = true;
            },
            "SIGTERM: 3 connections may still be owed a reply; 34.0 ms of drain_timeout 700.0 ms are over",
            |_| (),
        ),
        (
            "exhausted",
            |frame| frame.accepting = Accepting::Exhausted,
            "the kernel has no descriptor or no memory for one more connection: accepting pauses, and goes on by itself",
            |frame| frame.accepting = Accepting::Ready,
        ),
        (
            "full",
            |frame| frame.accepting = Accepting::Full,
            "1,000 connections are open, which is connections_max: others wait in the kernel's queue until one closes",
            |frame| frame.open.total = 999,
        ),
        (
            "back-pressure",
            |frame| {
                frame.open.flushing = 21;
                frame.open.waiting_bytes = 1_400_000;
            },
            "21 connections wait for room to send 1.3 MiB: nothing is read from them meanwhile (back-pressure)",
            |frame| frame.open.mid_message = 21,
        ),
        (
            "long turn",
            |frame| {
                frame.turns = vec![turn(1, 80), turn(2, 1_000), turn(3, 90)];
                frame.turns[1].events = 1_024;
                frame.turns[1].phases.accept = 200.0;
            },
            "a turn took 1.2 ms, 1.0 ms of it to serve, with 1,024 events: all others waited for its end",
            |frame| frame.turns = vec![turn(1, 80), turn(2, 999)],
        ),
        (
            "log dropped",
            |frame| frame.tally.log.dropped = 1,
            "1 line dropped from the log: its reader is too slow or its disk full, and the loop does not wait",
            |frame| frame.log_waiting_bytes = 1_000,
        ),
        (
            "busy",
            |frame| {
                let phases = Phases { serve: 7e5, accept: 2e5, ..Phases::default() };
                let us = 1_000_000;
                frame.last_second =
                    Some(Measured { us, asleep_us: 99_000, phases, ..Measured::default() });
            },
            "the loop slept 9 % of the second: this is what one thread can do; most of it went to serve",
            |frame| {
                let us = 1_000_000;
                frame.last_second =
                    Some(Measured { us, asleep_us: 100_000, ..Measured::default() });
            },
        ),
        ("full wait", |frame| frame.tally.budgets.events = 1, FULL_WAIT, |_| ()),
        ("visit budget", |frame| frame.tally.budgets.visit = 1, VISIT_BUDGET, |_| ()),
        ("serve budget", |frame| frame.tally.budgets.serve = 1, SERVE_BUDGET, |_| ()),
        ("accept budget", |frame| frame.tally.budgets.accept = 1, ACCEPT_BUDGET, |_| ()),
        (
            "expire budget",
            |frame| frame.tally.budgets.expire = 1_200,
            "more deadlines came due than one turn may check: the rest followed a turn later (1,200 times)",
            |frame| frame.tally.deadlines.checked = 1_200,
        ),
        (
            "lingering",
            |frame| frame.open.lingering = 1,
            "1 connection lingers: all is sent, and what still comes is thrown away, so that no reset destroys the reply",
            |frame| frame.open.idle = 1,
        ),
        (
            "timeouts",
            |frame| {
                frame.tally.closed.idle_timeout = 2;
                frame.tally.closed.message_timeout = 1;
            },
            "3 connections were closed: 2 without a byte for idle_timeout, 1 with a message slower than message_timeout",
            |frame| frame.tally.closed.answered = 3,
        ),
        (
            "too long",
            |frame| frame.tally.closed.too_long = 1,
            "1 connection was closed: a message was longer than message_max_bytes",
            |frame| frame.tally.closed.reset = 1,
        ),
        (
            "empty reads",
            |frame| {
                frame.tally.reads = 100;
                frame.tally.reads_empty = 5;
            },
            "5 of 100 reads found nothing: readiness is a hint, and only the read tells",
            |frame| {
                frame.tally.reads = 100;
                frame.tally.reads_empty = 4;
            },
        ),
        (
            "stale events",
            |frame| frame.tally.events.stale = 2,
            "2 events came for connections that had gone: harmless, because slots are freed behind the last event",
            |frame| frame.tally.events.connection = 2,
        ),
        (
            "left out",
            |frame| frame.tally.log.left_out = 2_000,
            "2,000 lines left out of the log: more messages than log.message_lines_per_second",
            |frame| frame.tally.messages = 2_000,
        ),
        (
            "slow reader",
            |frame| frame.frames_lost = 3,
            "this view lost 3 frames, because it read too slowly: the counts are right, turns are missing",
            |_| (),
        ),
        (
            "quiet",
            |frame| frame.tally.events.status = 4,
            "nobody sends: the loop sleeps in epoll_wait, and only this view's frames wake it",
            |frame| frame.tally.sends = 1,
        ),
    ];

    #[test]
    fn each_rule_says_what_it_sees_and_nothing_else() {
        assert_eq!(TABLE.each_ref().map(|row| row.0), RULES.each_ref().map(|rule| rule.0));
        for (word, change, sentence, other) in TABLE {
            let said = notes(&second(change));
            let of_word: Vec<_> = said.iter().filter(|note| note.word == word).collect();
            assert_eq!(of_word.len(), 1, "{word}: {said:?}");
            assert_eq!(of_word[0].sentence, sentence);
            let others: Vec<_> = said.iter().filter(|note| note.word != word).collect();
            assert!(others.iter().all(|note| note.word == "quiet"), "{word}: {others:?}");
            assert!(!words(&second(other)).contains(&word), "{word}");
        }
    }

    #[test]
    fn the_most_important_comes_first() {
        let expected =
            ["back-pressure", "long turn", "full wait", "lingering", "timeouts", "stale events"];
        assert_eq!(words(&a_busy_server()), expected);
    }

    #[test]
    fn a_long_turn_with_little_work_did_not_have_the_processor() {
        let sentence = |us: u32| {
            let history = second(|frame| frame.turns = vec![turn(1, us)]);
            notes(&history)[0].sentence.clone()
        };
        // It has one event and one visit.
        assert!(sentence(2_000).ends_with("all others waited for its end"));
        assert!(sentence(2_001).ends_with("so another program has had the processor"));
    }

    #[test]
    fn the_first_frame_alone_tells_of_its_moment_only() {
        let mut frame = at(5_000_000);
        frame.tally.log.dropped = 7;
        frame.open.lingering = 1;
        assert_eq!(words(&History::new(frame)), ["lingering"]);
    }

    #[test]
    fn a_drain_is_told_from_its_signal_to_its_end() {
        let sentence = |change: Change| notes(&second(change))[0].sentence.clone();
        assert_eq!(
            sentence(|frame| frame.drain = Some(a_drain(None))),
            "SIGTERM: who waits in the kernel's queue is let in, and nobody behind them"
        );
        for (exit, end) in [
            (
                Exit::Drained,
                "what had arrived was answered, and every connection closed, within 34.0 ms",
            ),
            (Exit::Deadline, "drain_timeout passed, 34.0 ms: what was left was aborted"),
            (Exit::Forced, "a second signal came after 34.0 ms: what was left was aborted"),
        ] {
            let mut ended = at(0);
            ended.drain = Some(a_drain(Some(exit)));
            assert_eq!(notes(&History::new(ended))[0].sentence, format!("SIGTERM: {end}"));
        }
    }
}
