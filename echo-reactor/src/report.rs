//! How the server is, in some ten lines of text, for those who ask with a signal.

use std::time::Duration;

use echo_common::setting::duration_text;
use echo_status::{Frame, Tally};
use serde::Serialize;

/// The parts of the report, a line each.
#[must_use]
pub fn lines(frame: &Frame) -> [String; 11] {
    let Frame { open, tally, .. } = frame;
    let Tally { woken, events, moves, closed, budgets, pauses, deadlines, log, .. } = tally;
    [
        format!(
            "up {}, {}; {} of {} connections open, accepting: {}; {} watching",
            duration_text(Duration::from_micros(frame.uptime_us)),
            word(frame.phase),
            open.total,
            frame.server.connections_max,
            word(frame.accepting),
            frame.watchers,
        ),
        format!(
            "open: {} idle, {} mid-message, {} flushing ({} bytes wait), {} lingering",
            open.idle, open.mid_message, open.flushing, open.waiting_bytes, open.lingering,
        ),
        format!(
            "turns: {}; {} woken by events, {} by deadlines, {} by work left",
            tally.turns, woken.by_event, woken.by_deadline, woken.by_work_left,
        ),
        format!(
            "events: {} of connections, {} of the listener, {} of the status port, {} stale",
            events.connection, events.listener, events.status, events.stale,
        ),
        format!(
            "messages: {}; {} reads ({} found nothing), {} bytes in; {} sends ({} short), {} bytes out",
            tally.messages,
            tally.reads,
            tally.reads_empty,
            tally.bytes_in,
            tally.sends,
            tally.sends_short,
            tally.bytes_out,
        ),
        format!(
            "accepted: {}; {} accepts found nothing, {} failed; {} registrations",
            tally.accepted, tally.accepts_empty, tally.accepts_failed, tally.registrations,
        ),
        format!(
            "moves: open to flushing {}, and back {}; to lingering {} from open, {} from flushing; \
             to closed {} from open, {} from flushing, {} from lingering",
            moves.open_to_flushing,
            moves.flushing_to_open,
            moves.open_to_lingering,
            moves.flushing_to_lingering,
            moves.open_to_closed,
            moves.flushing_to_closed,
            moves.lingering_to_closed,
        ),
        format!(
            "closed: {}; {} answered, {} by the peer, {} reset, {} failed, {} too long, {} slow, \
             {} idle, {} drained, {} aborted",
            closed.sum(),
            closed.answered,
            closed.peer_closed,
            closed.reset,
            closed.failed,
            closed.too_long,
            closed.message_timeout,
            closed.idle_timeout,
            closed.drained,
            closed.aborted,
        ),
        format!(
            "budgets spent: visit {}, serve {}, accept {}, expire {}, events {}",
            budgets.visit, budgets.serve, budgets.accept, budgets.expire, budgets.events,
        ),
        format!(
            "pauses of accepting: {} full, {} without descriptors or memory, {} in all; deadlines: \
             {} checked, {} put off",
            pauses.full,
            pauses.exhausted,
            duration_text(Duration::from_micros(pauses.us)),
            deadlines.checked,
            deadlines.put_off,
        ),
        format!(
            "log: {} bytes wait, {} lines dropped, {} left out",
            frame.log_waiting_bytes, log.dropped, log.left_out,
        ),
    ]
}

/// The word of a state, as the status port spells it.
fn word(state: impl Serialize) -> String {
    let text = serde_json::to_string(&state).expect("a state is a word");
    text.trim_matches('"').to_owned()
}
