//! Frames for the tests of this crate.

use echo_status::{
    Accepting, Drain, Exit, Frame, Measured, Open, Percentiles, Phase, Phases, Server, Tally, Turn,
    VERSION, WokenBy,
};

use crate::history::History;

/// A server without a connection, so long after its start.
pub(crate) fn at(uptime_us: u64) -> Frame {
    Frame {
        version: VERSION,
        server: Server {
            version: "0.1.0".to_owned(),
            host: "3f2a77c1d0e5".to_owned(),
            address: "0.0.0.0:12345".to_owned(),
            started_unix_us: 1_764_172_800_000_000,
            connections_max: 1_000,
        },
        uptime_us,
        phase: Phase::Running,
        delay: None,
        drain: None,
        open: Open::default(),
        accepting: Accepting::Waiting,
        log_waiting_bytes: 0,
        watchers: 1,
        frames_lost: 0,
        tally: Tally::default(),
        last_second: None,
        turns: Vec::new(),
    }
}

/// A turn that has served one event for so long.
pub(crate) fn turn(number: u64, us: u32) -> Turn {
    Turn {
        number,
        at_us: number * 1_000,
        slept_us: 500,
        phases: Phases { serve: f64::from(us), ..Phases::default() },
        events: 1,
        visits: 1,
        accepted: 0,
        reaped: 0,
        woken_by: WokenBy::Event,
        draining: false,
    }
}

/// The drain, as it begins.
pub(crate) fn drain(exit: Option<Exit>) -> Drain {
    Drain {
        signal: "SIGTERM".to_owned(),
        us: 34_000,
        timeout_us: 700_000,
        listener_is_closed: false,
        owing: 3,
        exit,
    }
}

/// A second, with what `change` does to its last frame.
pub(crate) fn second(change: impl FnOnce(&mut Frame)) -> History {
    let mut history = History::new(at(763_000_000));
    let mut frame = at(764_000_000);
    change(&mut frame);
    history.add(frame);
    history
}

/// A server at work.
pub(crate) fn busy() -> History {
    let mut before = at(763_000_000);
    load(&mut before, 763);
    let mut now = at(764_000_000);
    load(&mut now, 764);
    now.turns = (0..8).map(|place| turn(917_800 + place, 80)).collect();
    now.turns[5] = Turn {
        phases: Phases {
            serve: 1_812.0,
            accept: 210.0,
            reap: 64.0,
            log: 14.0,
            ..Phases::default()
        },
        events: 1_024,
        visits: 1_022,
        accepted: 64,
        reaped: 61,
        ..now.turns[5].clone()
    };
    now.turns[6].woken_by = WokenBy::WorkLeft;
    let mut history = History::new(before);
    history.add(now);
    history
}

/// The totals after so many seconds of the same load.
fn load(frame: &mut Frame, seconds: u64) {
    frame.open = Open {
        total: 412,
        idle: 371,
        mid_message: 18,
        flushing: 21,
        lingering: 2,
        waiting_bytes: 1_400_000,
    };
    frame.accepting = Accepting::Ready;
    let tally = &mut frame.tally;
    tally.turns = 1_204 * seconds;
    tally.woken.by_event = 1_190 * seconds;
    tally.woken.by_deadline = 9 * seconds;
    tally.woken.by_work_left = 5 * seconds;
    tally.events.connection = 9_000 * seconds;
    tally.events.listener = 303 * seconds;
    tally.events.status = 4 * seconds;
    tally.events.stale = 3 * seconds;
    tally.reads = 9_114 * seconds;
    tally.reads_empty = 12 * seconds;
    tally.bytes_in = 624_640 * seconds;
    tally.sends = 9_102 * seconds;
    tally.sends_short = 21 * seconds;
    tally.bytes_out = 623_616 * seconds;
    tally.messages = 9_102 * seconds;
    tally.accepted = 312 * seconds;
    tally.accepts_empty = 21 * seconds;
    tally.closed.answered = 300 * seconds - 412;
    tally.closed.peer_closed = 8 * seconds;
    tally.closed.reset = 2 * seconds;
    tally.closed.idle_timeout = seconds;
    tally.closed.message_timeout = seconds;
    tally.budgets.events = seconds;
    frame.last_second = Some(Measured {
        us: 1_000_000,
        turns: 1_204,
        asleep_us: 630_000,
        phases: Phases {
            signals: 120.0,
            serve: 85_484.0,
            accept: 9_632.0,
            expire: 240.0,
            reap: 2_408.0,
            status: 700.0,
            log: 3_612.0,
        },
        turn_us: Percentiles { median: 84, p99: 611, max: 2_100 },
        events: Percentiles { median: 6, p99: 61, max: 1_024 },
        sleep_us: Percentiles { median: 420, p99: 9_100, max: 12_000 },
    });
}
