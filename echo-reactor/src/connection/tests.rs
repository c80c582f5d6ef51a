//! The life of a connection, arrow by arrow of the diagram in its module.

use std::net::SocketAddr;

use super::*;
use crate::config::{Framing, Reply};
use crate::scripted::{Input, ScriptedSocket};
use crate::signals::Signal;

const IDLE: Duration = Duration::from_secs(60);
const MESSAGE: Duration = Duration::from_secs(10);

/// A connection, and what the reactor would hand to it.
struct Life {
    connection: Connection<ScriptedSocket>,
    rules: Rules,
    timeouts: Timeouts,
    drain: Option<Drain>,
    now: Moment,
    account: Account,
    seen: Vec<Vec<u8>>,
}

impl Life {
    /// Accepted, without a limit of messages, and its input has arrived.
    fn begin<const N: usize>(input: [Input; N]) -> Life {
        let peer = SocketAddr::from(([10, 0, 0, 1], 7)).into();
        let now = Moment::START;
        let rules = Rules {
            framing: Framing::Line,
            reply: Reply::Echo,
            messages_per_connection: 0,
            message_max_bytes: 16,
            messages_are_logged: true,
        };
        let mut account = Account::default();
        Life {
            connection: Connection::new(ScriptedSocket::new(input), peer, now, &mut account),
            rules,
            timeouts: Timeouts { idle: IDLE, message: MESSAGE },
            drain: None,
            now,
            account,
            seen: Vec::new(),
        }
    }

    /// The same, and its first message is its last.
    fn begin_with_one_message<const N: usize>(input: [Input; N]) -> Life {
        let mut life = Life::begin(input);
        life.rules.messages_per_connection = 1;
        life
    }

    fn room(mut self, bytes: usize) -> Life {
        self.connection.socket.room = bytes;
        self
    }

    fn arrives(&mut self, input: Input) {
        self.connection.socket.input.push_back(input);
    }

    fn turn(&self) -> Turn<'_> {
        let Life { rules, timeouts, now, .. } = self;
        Turn { rules, timeouts, drain: self.drain.as_ref(), now: *now }
    }

    fn visit(&mut self) -> Progress {
        let Life { connection, rules, timeouts, drain, now, account, seen } = self;
        let turn = Turn { rules, timeouts, drain: drain.as_ref(), now: *now };
        let mut scratch = Scratch::new(turn.rules);
        let mut budget = Budget::new(work::PER_VISIT);
        let mut seen = |message: &[u8]| seen.push(message.to_vec());
        connection.tell(Readiness::READABLE);
        connection.advance(&turn, &mut scratch, &mut budget, account, &mut seen)
    }

    /// Lets the time pass, then checks the deadline.
    fn expire_after(&mut self, time: Duration) {
        self.now = self.now + time;
        let Life { connection, rules, timeouts, drain, now, account, .. } = self;
        let turn = Turn { rules, timeouts, drain: drain.as_ref(), now: *now };
        connection.expire(&turn, account);
    }

    fn sent(&self) -> &[u8] {
        &self.connection.socket.sent
    }

    fn deadline(&self) -> Moment {
        self.connection.deadline(&self.turn()).at
    }

    fn is_open(&self) -> bool {
        matches!(self.connection.state, State::Open)
    }

    fn is_flushing(&self) -> bool {
        matches!(self.connection.state, State::Flushing(_))
    }

    fn is_lingering(&self) -> bool {
        matches!(self.connection.state, State::Lingering { .. })
    }
}

fn bytes(text: &str) -> Input {
    Input::Bytes(text.into())
}

#[test]
fn an_open_connection_answers_and_waits_for_the_next_message() {
    let mut life = Life::begin([bytes("one\ntwo\nthr")]);
    assert_eq!(life.visit(), Progress::Blocked);
    assert_eq!(life.sent(), b"one\ntwo\n");
    assert!(life.is_open());
    life.arrives(bytes("ee\n"));
    life.visit();
    assert_eq!(life.seen, [&b"one\n"[..], b"two\n", b"three\n"]);
    assert!(life.is_open());
}

#[test]
fn from_open_to_flushing_when_the_reply_finds_no_room() {
    let mut life = Life::begin([bytes("a message\n"), bytes("more\n")]).room(4);
    assert_eq!(life.visit(), Progress::Blocked);
    assert_eq!(life.sent(), b"a me");
    assert!(life.is_flushing());
    // Back-pressure: nothing is read meanwhile.
    life.visit();
    assert_eq!(life.connection.socket.input.len(), 1);
}

#[test]
fn from_flushing_to_open_when_the_reply_is_sent() {
    let mut life = Life::begin([bytes("a message\n"), bytes("more\n")]).room(4);
    life.visit();
    life.connection.socket.room = usize::MAX;
    life.visit();
    assert_eq!(life.sent(), b"a message\nmore\n");
    assert!(life.is_open());
}

#[test]
fn from_open_to_closed_after_the_last_reply() {
    let mut life = Life::begin_with_one_message([bytes("the only one\n")]);
    assert_eq!(life.visit(), Progress::Closed);
    assert_eq!(life.connection.closed(), Some(Reason::Answered));
    assert!(life.connection.socket.has_ended_output && !life.connection.socket.resets_on_close);
}

#[test]
fn from_open_to_closed_at_the_end_of_the_input() {
    let mut life = Life::begin([bytes("one\nhalf")]);
    life.visit();
    life.arrives(Input::End);
    assert_eq!(life.visit(), Progress::Closed);
    assert_eq!(life.sent(), b"one\nhalf");
    assert_eq!(life.connection.closed(), Some(Reason::PeerClosed));
}

#[test]
fn from_open_to_closed_by_a_reset() {
    let mut life = Life::begin([Input::Error(ErrorKind::ConnectionReset)]);
    assert_eq!(life.visit(), Progress::Closed);
    assert_eq!(life.connection.closed(), Some(Reason::Failed(ErrorKind::ConnectionReset)));
}

#[test]
fn from_open_to_closed_at_a_deadline() {
    let mut idle = Life::begin([]);
    idle.visit();
    assert_eq!(idle.deadline(), Moment::START + IDLE);
    idle.expire_after(IDLE);
    assert_eq!(idle.connection.closed(), Some(Reason::IdleTimeout));

    let mut slow = Life::begin([bytes("half a mess")]);
    slow.visit();
    assert_eq!(slow.deadline(), Moment::START + MESSAGE);
    slow.expire_after(MESSAGE);
    assert_eq!(slow.connection.closed(), Some(Reason::MessageTimeout));
}

#[test]
fn from_open_to_lingering_at_a_deadline_with_a_reply_on_its_way() {
    for (time, input, reason) in [
        (IDLE, "answered\n", Reason::IdleTimeout),
        (MESSAGE, "answered\nhalf a mess", Reason::MessageTimeout),
    ] {
        let mut life = Life::begin([bytes(input)]);
        life.visit();
        life.connection.socket.is_all_sent = false;
        life.expire_after(time);
        assert!(life.is_lingering() && life.connection.socket.has_ended_output);
        life.arrives(Input::End);
        life.visit();
        assert_eq!(life.connection.closed(), Some(reason));
    }
}

#[test]
fn from_open_to_lingering_with_input_behind_the_last_message() {
    let mut life = Life::begin_with_one_message([bytes("the last\nand more")]);
    assert_eq!(life.visit(), Progress::Blocked);
    assert_eq!(life.sent(), b"the last\n");
    assert!(life.is_lingering() && life.connection.socket.has_ended_output);
}

#[test]
fn from_open_to_lingering_after_a_message_that_is_too_long() {
    let mut life = Life::begin([bytes("fits\n0123456789abcdef more")]);
    life.visit();
    assert_eq!(life.sent(), b"fits\n");
    assert!(life.is_lingering());
}

#[test]
fn from_flushing_to_lingering_after_a_large_last_reply() {
    let mut life = Life::begin_with_one_message([bytes("a message\n")]).room(4);
    life.visit();
    assert!(life.is_flushing());
    life.connection.socket.room = usize::MAX;
    life.visit();
    assert_eq!(life.sent(), b"a message\n");
    assert!(life.is_lingering());
}

#[test]
fn from_flushing_to_closed_after_the_reply_to_an_ended_input() {
    let mut life = Life::begin([bytes("unfinished"), Input::End]).room(4);
    life.visit();
    life.visit();
    assert!(life.is_flushing());
    life.connection.socket.room = usize::MAX;
    assert_eq!(life.visit(), Progress::Closed);
    assert_eq!(life.connection.closed(), Some(Reason::PeerClosed));
}

#[test]
fn from_flushing_to_closed_with_a_reset_when_the_reply_is_cut_short() {
    let mut life = Life::begin([bytes("a message\n")]).room(4);
    life.visit();
    life.expire_after(IDLE);
    assert_eq!(life.connection.closed(), Some(Reason::IdleTimeout));
    assert!(life.connection.socket.resets_on_close);
}

#[test]
fn a_lingering_connection_throws_away_its_input() {
    let mut life = Life::begin_with_one_message([bytes("the last\nand more")]);
    life.visit();
    life.arrives(bytes("and even more\n"));
    assert_eq!(life.visit(), Progress::Blocked);
    assert_eq!((life.sent(), life.seen.len()), (&b"the last\n"[..], 1));
}

#[test]
fn from_lingering_to_closed_at_the_peers_end_or_the_deadline() {
    let mut ended = Life::begin_with_one_message([bytes("the last\nand more")]);
    ended.visit();
    ended.arrives(Input::End);
    assert_eq!(ended.visit(), Progress::Closed);
    assert_eq!(ended.connection.closed(), Some(Reason::Answered));

    let mut late = Life::begin_with_one_message([bytes("the last\nand more")]);
    late.visit();
    assert_eq!(late.deadline(), Moment::START + LINGER_TIMEOUT);
    late.expire_after(LINGER_TIMEOUT);
    assert_eq!(late.connection.closed(), Some(Reason::Answered));
}

#[test]
fn in_a_drain_an_open_connection_leaves_once_all_is_answered() {
    let mut life = Life::begin([bytes("in time\nhalf")]);
    life.drain = Some(Drain::begin(Signal::Terminate, life.now, Duration::from_secs(1)));
    life.visit();
    assert_eq!(life.sent(), b"in time\n");
    assert_eq!(life.connection.closed(), Some(Reason::Drained));
}

#[test]
fn a_visit_that_is_out_of_budget_leaves_the_rest_for_the_next_turn() {
    let mut life = Life::begin([bytes(&"0123456789abcde\n".repeat(1000))]);
    assert_eq!(life.visit(), Progress::OutOfBudget);
    assert!((1..1000).contains(&life.seen.len()));
    while life.visit() == Progress::OutOfBudget {}
    assert_eq!(life.seen.len(), 1000);
}

#[test]
#[should_panic = "from Closed(Answered) to Open"]
fn nothing_comes_after_the_close() {
    let mut life = Life::begin_with_one_message([bytes("the only one\n")]);
    life.visit();
    life.connection.enter(State::Open, &mut life.account);
}

#[test]
fn a_million_idle_connections_are_104_megabytes() {
    // A socket is a descriptor.
    assert_eq!(size_of::<Connection<u32>>(), 104);
    assert_eq!(size_of::<Option<Connection<u32>>>(), 104);
}
