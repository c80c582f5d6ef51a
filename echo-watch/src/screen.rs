//! The whole picture of a server, as lines that fit a terminal.
//!
//! Pure: frames and a size in, lines out. Where the rows do not suffice, what matters least goes first.

use std::time::Duration;

use echo_status::{Accepting, Closed, Measured, Phase, Tally, Turn, WokenBy};

use crate::figures::{self, SECOND_US, bytes, count, mean, plain, scaled, share, time};
use crate::history::{History, length_us, named};
use crate::notes::notes;
use crate::text::{Cell, Line, Tone, flow, wrapped};

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// What the view hears of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// Frames come.
    Live,
    /// No frame has come for so long, but the connection is there.
    Silent(Duration),
    /// There is no connection any more, for so long, and why.
    Gone(Duration, String),
}

impl Contact {
    /// What it means, unless all is well.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Contact::Live => None,
            Contact::Silent(_) => Some(
                "no frame comes: the server is stopped, or busy in one turn, or cut off".to_owned(),
            ),
            Contact::Gone(_, why) => Some(Contact::gone_sentence(why)),
        }
    }

    pub(crate) fn gone_sentence(why: &str) -> String {
        format!("the server is gone ({}): this view goes on when it is back", plain(why))
    }
}

/// A part of the picture; a lower rank matters more.
struct Block {
    rank: u8,
    lines: Vec<Line>,
}

const LABEL_COLUMNS: usize = 13;
const BAR_COLUMNS: usize = 20;
const CALL_COLUMNS: usize = 32;
/// How many turns are shown, where there is room.
const TURNS_MAX: usize = 12;
const TURNS_HEADING: &str =
    "turn           slept      took  events  served  accepted  reaped  woken by   ";
const STRIP_HEADING: &str = "its phases: s serve, a accept, r reap, t status, l log";
/// The phases of the longest turn that is shown.
const STRIP_COLUMNS: usize = 40;
const NOTE_MARK: &str = "!  ";

/// The picture: at most as many lines as the terminal has rows, none wider than its columns.
pub(crate) fn draw(history: &History, contact: &Contact, size: Size) -> Vec<Line> {
    let Size { columns, rows } = size;
    let mut blocks = vec![
        Block { rank: 0, lines: vec![heading(history, contact, columns)] },
        Block { rank: 1, lines: way_out(history, columns) },
        Block { rank: 3, lines: open(history, columns) },
        Block { rank: 4, lines: states(history, columns) },
        Block { rank: 7, lines: in_all(history, columns) },
        Block { rank: 12, lines: closed(history, columns) },
        Block { rank: 5, lines: second(history, columns) },
        Block { rank: 9, lines: woken(history, columns) },
        Block { rank: 6, lines: length(history, columns) },
        Block { rank: 11, lines: phases(history, columns) },
        Block { rank: 10, lines: calls(history, columns) },
    ];
    let notes = explanations(history, contact, columns).into_iter().enumerate();
    blocks
        .extend(notes.map(|(place, lines)| Block { rank: if place == 0 { 2 } else { 8 }, lines }));
    let room = shorten(&mut blocks, rows);
    let lines = blocks.into_iter().flat_map(|block| block.lines);
    let lines = lines.chain(turns(history, Size { columns, rows: room }));
    lines.map(|line| line.cut(columns)).collect()
}

/// Empties the blocks that matter least, until the others fit, and returns how many rows are left. No
/// block is shown in part.
fn shorten(blocks: &mut [Block], rows: usize) -> usize {
    let mut by_rank: Vec<&mut Block> = blocks.iter_mut().collect();
    by_rank.sort_by_key(|block| block.rank);
    let mut room = Some(rows);
    for block in by_rank {
        // Behind one that does not fit there is none: else lines would come and go with the length of others.
        room = room.and_then(|room| room.checked_sub(block.lines.len()));
        if room.is_none() {
            block.lines.clear();
        }
    }
    room.unwrap_or(0)
}

fn heading(history: &History, contact: &Contact, columns: usize) -> Line {
    let now = history.now();
    let (tone, phase) = match (contact, now.phase) {
        (Contact::Gone(duration, _), _) => (Tone::Bad, format!("GONE for {}", time_of(*duration))),
        (Contact::Silent(duration), _) => (Tone::Bad, format!("SILENT for {}", time_of(*duration))),
        (Contact::Live, Phase::Running) => (Tone::Good, "RUNNING".to_owned()),
        (Contact::Live, Phase::Leaving) => (Tone::Warning, "LEAVING".to_owned()),
        (Contact::Live, Phase::Draining) => (Tone::Warning, "DRAINING".to_owned()),
        (Contact::Live, Phase::Stopped) => (Tone::Warning, "STOPPED".to_owned()),
    };
    let cells = vec![
        Cell::of(
            Line::new(Tone::Strong, format!("echo-reactor {}", plain(&now.server.version))),
            0,
        ),
        Cell::of(Line::new(tone, phase), 8),
        Cell::new("up", time(now.uptime_us), 9),
        Cell::new("on", plain(&now.server.address), 0),
    ];
    let line = flow("", 0, cells, columns).swap_remove(0);
    let leave = "Ctrl-C leaves";
    match columns.checked_sub(leave.len()) {
        Some(column) if column > line.width() => line.padded(column).with(Tone::Faint, leave),
        _ => line,
    }
}

fn open(history: &History, columns: usize) -> Vec<Line> {
    let now = history.now();
    let (open, maximum) = (now.open.total, now.server.connections_max);
    let accepting = match now.accepting {
        Accepting::Waiting => "waiting",
        Accepting::Ready => "ready",
        Accepting::Full => "full",
        Accepting::Exhausted => "exhausted",
        Accepting::Closed => "closed",
    };
    let cells = vec![
        Cell::new("", format!("{} of {}", count(open), count(maximum)), 14),
        Cell::new("", bar(open, maximum), BAR_COLUMNS),
        Cell::new("accepting:", accepting, 0),
    ];
    flow("open", LABEL_COLUMNS, cells, columns)
}

/// `########............`: something is seen as soon as there is something.
fn bar(part: u64, whole: u64) -> String {
    let width = BAR_COLUMNS as u64;
    let filled = scaled(part, width, whole).clamp(u64::from(part > 0), width);
    (0..width).map(|place| if place < filled { '#' } else { '.' }).collect()
}

fn states(history: &History, columns: usize) -> Vec<Line> {
    let open = &history.now().open;
    let flushing = match open.flushing {
        0 => "0".to_owned(),
        flushing => format!("{} ({} wait)", count(flushing), bytes(open.waiting_bytes)),
    };
    let cells = vec![
        Cell::new("idle", count(open.idle), 9),
        Cell::new("mid-message", count(open.mid_message), 15),
        Cell::new("flushing", flushing, 26),
        Cell::new("lingering", count(open.lingering), 0),
    ];
    flow("  now", LABEL_COLUMNS, cells, columns)
}

/// The way out, and how much of its time is over.
fn way_out(history: &History, columns: usize) -> Vec<Line> {
    let clock = |us: u64, limit_us: u64| {
        [
            Cell::new("", format!("{} of {}", time(us), time(limit_us)), 20),
            Cell::new("", bar(us, limit_us), BAR_COLUMNS),
        ]
    };
    let now = history.now();
    if let Some(drain) = &now.drain {
        let queue = if drain.listener_is_closed { "closed" } else { "being emptied" };
        let queue = [Cell::new("queue", queue, 0)];
        let cells = clock(drain.us, drain.timeout_us).into_iter().chain(queue).collect();
        return flow("drain", LABEL_COLUMNS, cells, columns);
    }
    let delay = now.delay.as_ref();
    delay.map_or(Vec::new(), |delay| {
        flow("drain delay", LABEL_COLUMNS, clock(delay.us, delay.delay_us).into(), columns)
    })
}

fn in_all(history: &History, columns: usize) -> Vec<Line> {
    let now = history.now();
    let mut cells = vec![
        Cell::new("accepted", count(now.tally.accepted), 17),
        Cell::new("closed", count(now.tally.closed.sum()), 15),
    ];
    if now.log_waiting_bytes > 0 {
        cells.push(Cell::new("log that waits", bytes(now.log_waiting_bytes), 0));
    }
    flow("in all", LABEL_COLUMNS, cells, columns)
}

fn closed(history: &History, columns: usize) -> Vec<Line> {
    let Closed {
        answered,
        peer_closed,
        reset,
        failed,
        too_long,
        message_timeout,
        idle_timeout,
        drained,
        aborted,
    } = history.now().tally.closed;
    let reasons = [
        ("answered", answered),
        ("peer", peer_closed),
        ("reset", reset),
        ("failed", failed),
        ("too long", too_long),
        ("slow", message_timeout),
        ("idle", idle_timeout),
        ("drained", drained),
        ("aborted", aborted),
    ];
    let seen = reasons.into_iter().filter(|(_, number)| *number > 0);
    let cells: Vec<Cell> = seen.map(|(name, number)| Cell::new(name, count(number), 0)).collect();
    if cells.is_empty() { Vec::new() } else { flow("  closed by", LABEL_COLUMNS, cells, columns) }
}

fn second(history: &History, columns: usize) -> Vec<Line> {
    if !history.has_rates() {
        let cells = vec![Cell::new(
            "",
            "the first frame: what happens in a second is seen in the next ones",
            0,
        )];
        return flow("one second", LABEL_COLUMNS, cells, columns);
    }
    let turns = history.grown(|tally| tally.turns);
    let events = history.grown(|tally| {
        let events = &tally.events;
        events.connection + events.listener + events.status + events.stale
    });
    let bytes_in = rate_of_bytes(history, |tally| tally.bytes_in);
    let bytes_out = rate_of_bytes(history, |tally| tally.bytes_out);
    let events_a_second = figures::a_second(events, history.window_us());
    let cells = vec![
        Cell::new("turns", history.a_second(|tally| tally.turns), 12),
        Cell::new("events", format!("{events_a_second} ({} a turn)", mean(events, turns)), 26),
        Cell::new("messages", history.a_second(|tally| tally.messages), 16),
        Cell::new("in", bytes_in, 10),
        Cell::new("out", bytes_out, 0),
    ];
    flow("one second", LABEL_COLUMNS, cells, columns)
}

fn rate_of_bytes(history: &History, count: impl Fn(&Tally) -> u64) -> String {
    bytes(scaled(history.grown(count), SECOND_US, history.window_us()))
}

fn woken(history: &History, columns: usize) -> Vec<Line> {
    if !history.has_rates() {
        return Vec::new();
    }
    let mut cells = vec![
        Cell::new("events", history.a_second(|tally| tally.woken.by_event), 13),
        Cell::new("deadline", history.a_second(|tally| tally.woken.by_deadline), 13),
        Cell::new("work left over", history.a_second(|tally| tally.woken.by_work_left), 17),
    ];
    if let Some(Measured { us, asleep_us, .. }) = history.now().last_second {
        cells.push(Cell::new("asleep", share(asleep_us, us), 0));
    }
    flow("woken by", LABEL_COLUMNS, cells, columns)
}

fn length(history: &History, columns: usize) -> Vec<Line> {
    let Some(measured) = &history.now().last_second else { return Vec::new() };
    let cells = vec![
        Cell::new("median", time(measured.turn_us.median), 14),
        Cell::new("99 %", time(measured.turn_us.p99), 13),
        Cell::new("longest", time(measured.turn_us.max), 16),
        Cell::new("most events", count(measured.events.max), 0),
    ];
    flow("a turn", LABEL_COLUMNS, cells, columns)
}

fn phases(history: &History, columns: usize) -> Vec<Line> {
    let Some(measured) = &history.now().last_second else { return Vec::new() };
    let a_turn = |us: u64| count(us.checked_div(measured.turns).unwrap_or(0));
    let cells = named(&measured.phases).map(|(name, us)| {
        Cell::new(name, a_turn(us), name.len() + if name == "serve" { 3 } else { 2 })
    });
    flow("  phases, us", LABEL_COLUMNS, cells.into(), columns)
}

fn calls(history: &History, columns: usize) -> Vec<Line> {
    if !history.has_rates() {
        return Vec::new();
    }
    let cells = vec![
        call(history, "recv", |tally| tally.reads, "found nothing", |tally| tally.reads_empty),
        call(history, "send", |tally| tally.sends, "short", |tally| tally.sends_short),
        call(history, "accept4", accepts, "found nothing", |tally| tally.accepts_empty),
        Cell::new("close", history.a_second(|tally| tally.closed.sum()), 0),
    ];
    flow("calls", LABEL_COLUMNS, cells, columns)
}

fn accepts(tally: &Tally) -> u64 {
    tally.accepted + tally.accepts_empty + tally.accepts_failed
}

fn call(
    history: &History,
    name: &str,
    made: impl Fn(&Tally) -> u64,
    what: &str,
    in_vain: impl Fn(&Tally) -> u64,
) -> Cell {
    let value = format!("{} ({} {what})", history.a_second(made), history.a_second(in_vain));
    Cell::new(name, value, CALL_COLUMNS)
}

/// The lines with `!`, those of one note together.
fn explanations(history: &History, contact: &Contact, columns: usize) -> Vec<Vec<Line>> {
    let lines = |tone: Tone, sentence: &str| {
        let lines = wrapped(NOTE_MARK, sentence, columns);
        lines.into_iter().map(|line| Line::new(tone, line)).collect()
    };
    if let Some(sentence) = contact.sentence() {
        // What was there before explains nothing now.
        return vec![lines(Tone::Bad, &sentence)];
    }
    notes(history).iter().map(|note| lines(Tone::Warning, &note.sentence)).collect()
}

fn time_of(duration: Duration) -> String {
    time(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// The newest turns, one a line, the newest last; none where they do not fit.
fn turns(history: &History, size: Size) -> Vec<Line> {
    // Behind a blank line and the heading.
    let room = size.rows.saturating_sub(2).min(TURNS_MAX);
    let mut newest: Vec<&Turn> = history.turns().rev().take(room).collect();
    newest.reverse();
    let Some(longest_us) = newest.iter().map(|turn| length_us(turn)).max() else {
        return Vec::new();
    };
    let has_strips = size.columns >= TURNS_HEADING.len() + STRIP_HEADING.len();
    let heading = Line::new(Tone::Faint, TURNS_HEADING);
    let heading = if has_strips { heading.with(Tone::Faint, STRIP_HEADING) } else { heading };
    let turns = newest.into_iter().map(|turn| {
        let strip = if has_strips { strip(turn, longest_us) } else { String::new() };
        Line::new(Tone::Plain, turn_columns(turn)).with(Tone::Plain, strip)
    });
    [Line::default(), heading].into_iter().chain(turns).collect()
}

fn turn_columns(turn: &Turn) -> String {
    let woken_by = match turn.woken_by {
        WokenBy::Event => "event",
        WokenBy::Deadline => "deadline",
        WokenBy::WorkLeft => "work left",
    };
    format!(
        "{:<11}{:>9}{:>10}{:>8}{:>8}{:>10}{:>8}  {woken_by:<9}  ",
        count(turn.number),
        time(turn.slept_us),
        time(length_us(turn)),
        count(turn.events.into()),
        count(turn.visits.into()),
        count(turn.accepted.into()),
        count(turn.reaped.into()),
    )
}

/// A turn as letters, each phase as long as it took: `sssssar`.
fn strip(turn: &Turn, longest_us: u64) -> String {
    let letters = |(name, us): (&str, u64)| {
        let letter = match name {
            "signals" => "i",
            "status" => "t",
            _ => &name[..1],
        };
        let number = scaled(us, STRIP_COLUMNS as u64, longest_us);
        letter.repeat(usize::try_from(number).unwrap_or(0).min(STRIP_COLUMNS))
    };
    named(&turn.phases).map(letters).concat()
}

#[cfg(test)]
mod tests;
