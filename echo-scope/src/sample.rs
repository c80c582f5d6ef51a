//! A frame as a test needs it.

use echo_status::{Accepting, Frame, Open, Phase, Phases, Server, Tally, Turn, VERSION, WokenBy};

/// Of a server that has just started.
pub(crate) fn frame() -> Frame {
    Frame {
        version: VERSION,
        server: Server {
            version: "0.1.0".to_owned(),
            host: "c0ffee".to_owned(),
            address: "0.0.0.0:12345".to_owned(),
            started_unix_us: 1_600_000_000_000_000,
            connections_max: 1000,
        },
        uptime_us: 1,
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

/// A turn that did nothing.
pub(crate) fn turn(number: u64) -> Turn {
    Turn {
        number,
        at_us: number * 1000,
        slept_us: 990,
        phases: Phases::default(),
        events: 0,
        visits: 0,
        accepted: 0,
        reaped: 0,
        woken_by: WokenBy::Deadline,
        draining: false,
    }
}
