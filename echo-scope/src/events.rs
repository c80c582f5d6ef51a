//! What a browser gets that shows the page: the state of all servers, and all of one server, up to four
//! times a second.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use echo_status::{Accepting, Drain, Frame, Measured, Open, Phase, Tally, Turn};
use echo_watch::notes::Note;
use serde::Serialize;

use crate::board::{Board, Known, Link, Server};
use crate::http::Events;

/// Pause between two events. Servers tell four times a second.
const PACE: Duration = Duration::from_millis(200);
/// After so long the same is sent again: a page without events says that it has lost this program.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Sends the state until the browser has gone. `wanted` is the server of which all is sent.
///
/// # Errors
/// The browser has gone, or does not read.
pub fn send(events: &mut Events, board: &Board, wanted: Option<SocketAddr>) -> io::Result<()> {
    let mut view = View { shown: wanted, is_wanted: wanted.is_some(), seen: Seen::default() };
    loop {
        let (message, changes) = {
            let known = board.read();
            (view.message(&known, Instant::now())?, known.changes)
        };
        events.send("state", &message)?;
        thread::sleep(PACE);
        board.wait_for_change(changes, HEARTBEAT);
    }
}

/// What one page shows.
struct View {
    shown: Option<SocketAddr>,
    /// Whether the reader has chosen the server.
    is_wanted: bool,
    seen: Seen,
}

/// The last turn that was sent, and whose it was.
#[derive(Default, PartialEq)]
struct Seen {
    server: Option<SocketAddr>,
    life: u32,
    turn: u64,
}

#[derive(Serialize)]
struct Message<'a> {
    names: Vec<NameRow<'a>>,
    servers: Vec<Row<'a>>,
    shown: Option<Shown<'a>>,
}

#[derive(Serialize)]
struct NameRow<'a> {
    name: &'a str,
    problem: Option<&'a str>,
}

/// One server among all.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    name: &'a str,
    link: LinkRow<'a>,
    life: u32,
    now: Option<Now<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum LinkRow<'a> {
    Connecting,
    Watching,
    Silent { ms: u64 },
    Gone { ms: u64, why: &'a str },
}

/// What a row says of its server's last frame.
#[derive(Serialize)]
struct Now<'a> {
    host: &'a str,
    version: &'a str,
    uptime_us: u64,
    phase: Phase,
    drain: Option<&'a Drain>,
    open: Open,
    connections_max: u64,
    accepting: Accepting,
    last_second: Option<&'a Measured>,
    messages_per_second: Option<f64>,
}

/// All of one server.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    life: u32,
    /// Without its turns.
    frame: Frame,
    /// The turns that this page has not seen.
    turns: Vec<&'a Turn>,
    before: Option<BeforeRow<'a>>,
    notes: Vec<NoteRow>,
}

#[derive(Serialize)]
struct NoteRow {
    word: &'static str,
    sentence: String,
}

#[derive(Serialize)]
struct BeforeRow<'a> {
    span_us: u64,
    tally: &'a Tally,
}

impl View {
    fn message(&mut self, known: &Known, now: Instant) -> io::Result<String> {
        self.choose(known);
        let names = known.names.iter();
        let names = names
            .map(|name| NameRow { name: &name.text, problem: name.problem.as_deref() })
            .collect();
        let servers = known.servers.iter().map(|(id, server)| row(*id, server, now)).collect();
        let message = Message { names, servers, shown: self.shown(known) };
        Ok(serde_json::to_string(&message)?)
    }

    /// A server that was chosen stays as long as it is on the board. Where none was chosen, one that tells
    /// takes the place of one that does not.
    fn choose(&mut self, known: &Known) {
        let tells = |server: &Server| matches!(server.link, Link::Watching);
        let shown = self.shown.and_then(|id| known.servers.get(&id));
        let stays = shown.is_some_and(|server| self.is_wanted || tells(server));
        if !stays {
            let other = known.servers.iter().find(|(_, server)| tells(server));
            let any = shown.is_none().then(|| known.servers.iter().next()).flatten();
            if let Some((id, _)) = other.or(any) {
                self.shown = Some(*id);
                self.is_wanted = false;
            }
        }
    }

    fn shown<'a>(&mut self, known: &'a Known) -> Option<Shown<'a>> {
        let id = self.shown?;
        let history = &known.servers.get(&id)?.history;
        let frame = Frame { turns: Vec::new(), ..history.frame()?.clone() };
        let life = history.lives();
        let seen = &mut self.seen;
        if (seen.server, seen.life) != (Some(id), life) {
            *seen = Seen { server: Some(id), life, turn: 0 };
        }
        let turns: Vec<&Turn> = history.turns_after(seen.turn).collect();
        seen.turn = turns.last().map_or(seen.turn, |turn| turn.number);
        let before = history.before();
        let before =
            before.map(|before| BeforeRow { span_us: before.span_us, tally: before.tally });
        let notes = history.notes().into_iter();
        let notes = notes.map(|Note { word, sentence }| NoteRow { word, sentence }).collect();
        Some(Shown { id: id.to_string(), life, frame, turns, before, notes })
    }
}

fn row(id: SocketAddr, server: &Server, now: Instant) -> Row<'_> {
    let history = &server.history;
    Row {
        id: id.to_string(),
        name: &server.name,
        link: link_row(&server.link, now),
        life: history.lives(),
        now: history.frame().map(|frame| Now {
            host: &frame.server.host,
            version: &frame.server.version,
            uptime_us: frame.uptime_us,
            phase: frame.phase,
            drain: frame.drain.as_ref(),
            open: frame.open,
            connections_max: frame.server.connections_max,
            accepting: frame.accepting,
            last_second: frame.last_second.as_ref(),
            messages_per_second: history.messages_per_second(),
        }),
    }
}

fn link_row(link: &Link, now: Instant) -> LinkRow<'_> {
    let ms = |since: Instant| {
        u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
    };
    match link {
        Link::Connecting => LinkRow::Connecting,
        Link::Watching => LinkRow::Watching,
        Link::Silent { since } => LinkRow::Silent { ms: ms(*since) },
        Link::Gone { since, why } => LinkRow::Gone { ms: ms(*since), why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use serde_json::Value;

    const ONE: &str = "127.0.0.1:1";
    const TWO: &str = "127.0.0.1:2";

    fn board() -> Board {
        let board = Board::new(["all:1".to_owned()]);
        board.found(0, Ok(vec![ONE.parse().unwrap(), TWO.parse().unwrap()]));
        board
    }

    fn tell(board: &Board, server: &str, turns: std::ops::RangeInclusive<u64>) {
        let mut frame = sample::frame();
        frame.turns = turns.map(sample::turn).collect();
        board.told(server.parse().unwrap(), frame);
    }

    fn of(wanted: Option<&str>) -> View {
        let shown = wanted.map(|id| id.parse().unwrap());
        View { shown, is_wanted: wanted.is_some(), seen: Seen::default() }
    }

    fn message(view: &mut View, board: &Board) -> Value {
        let text = view.message(&board.read(), Instant::now()).expect("JSON");
        serde_json::from_str(&text).expect("JSON")
    }

    fn numbers(message: &Value) -> Vec<u64> {
        let turns = message["shown"]["turns"].as_array().expect("turns");
        turns.iter().filter_map(|turn| turn["number"].as_u64()).collect()
    }

    #[test]
    fn a_turn_is_sent_once() {
        let (board, mut view) = (board(), of(None));
        tell(&board, ONE, 1..=3);
        assert_eq!(numbers(&message(&mut view, &board)), [1, 2, 3]);
        assert_eq!(numbers(&message(&mut view, &board)), [] as [u64; 0]);
        tell(&board, ONE, 4..=4);
        assert_eq!(numbers(&message(&mut view, &board)), [4]);
    }

    #[test]
    fn without_a_choice_a_server_that_tells_is_shown() {
        let (board, mut view) = (board(), of(None));
        assert_eq!(message(&mut view, &board)["shown"], Value::Null);
        tell(&board, TWO, 1..=1);
        assert_eq!(message(&mut view, &board)["shown"]["id"], TWO);
        tell(&board, ONE, 1..=1);
        assert_eq!(message(&mut view, &board)["shown"]["id"], TWO);
        board.gone(TWO.parse().unwrap(), "reset".to_owned());
        let switched = message(&mut view, &board);
        assert_eq!(switched["shown"]["id"], ONE);
        assert_eq!(numbers(&switched), [1]);
        board.gone(ONE.parse().unwrap(), "reset".to_owned());
        assert_eq!(message(&mut view, &board)["shown"]["id"], ONE);
    }

    #[test]
    fn a_choice_stays_while_its_server_is_gone() {
        let (board, mut view) = (board(), of(Some(TWO)));
        tell(&board, ONE, 1..=1);
        tell(&board, TWO, 1..=1);
        board.gone(TWO.parse().unwrap(), "reset".to_owned());
        let message = message(&mut view, &board);
        assert_eq!(message["shown"]["id"], TWO);
        assert_eq!(message["servers"][1]["link"]["state"], "gone");
        assert_eq!(message["servers"][1]["link"]["why"], "reset");
        assert_eq!(message["servers"][0]["link"]["state"], "watching");
    }
}
