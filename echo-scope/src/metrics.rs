//! The numbers of all servers, as Prometheus reads them: names begin with `echo_reactor_`, units are
//! seconds and bytes, and the label `server` is the address of the status port.
//!
//! A server that does not tell has no numbers but `echo_reactor_up`: the last ones would seem to be
//! those of now.

use std::sync::atomic::AtomicU64;

use echo_status::{Accepting, Frame, Phase};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::board::{Known, Link};

pub use prometheus_text::CONTENT_TYPE;

const MICROSECONDS_PER_SECOND: f64 = 1e6;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The value of a metric that has one more label, for one value of that label.
type Labelled = (&'static str, u64);

/// The numbers of all servers.
///
/// # Panics
/// Never: text can always be written into a string.
#[must_use]
pub fn text(known: &Known) -> String {
    let tells = known.servers.iter().filter(|(_, server)| server.link == Link::Watching);
    let servers =
        tells.filter_map(|(id, server)| Some((id.to_string(), server.history.frame()?))).collect();
    let mut numbers = Numbers { registry: Registry::with_prefix("echo_reactor"), servers };
    numbers.up(known);
    numbers.server();
    numbers.connections();
    numbers.loop_of_turns();
    numbers.calls();
    numbers.accepting();
    numbers.last_second();
    let mut text = String::new();
    prometheus_text::encode(&mut text, &numbers.registry).expect("a string takes all");
    text
}

struct Numbers<'a> {
    registry: Registry,
    servers: Vec<(String, &'a Frame)>,
}

impl Numbers<'_> {
    fn up(&mut self, known: &Known) {
        let gauges = Gauges::default();
        for (id, server) in &known.servers {
            let is_up = server.link == Link::Watching;
            gauges.get_or_create(&vec![("server", id.to_string())]).set(f64::from(is_up));
        }
        self.register("up", "Whether the server tells of itself", None, gauges);
    }

    fn server(&mut self) {
        let infos = Gauges::default();
        for (id, frame) in &self.servers {
            let labels = vec![
                ("server", id.clone()),
                ("host", frame.server.host.clone()),
                ("version", frame.server.version.clone()),
            ];
            infos.get_or_create(&labels).set(1.0);
        }
        self.register("info", "Host and version of the server", None, infos);
        self.gauge(
            "start_time",
            "When the server started, in Unix time",
            Some(Unit::Seconds),
            |f| Some(seconds(f.server.started_unix_us)),
        );
        self.states("phase", "What the server is doing as a whole", "phase", |frame| {
            vec![
                ("running", u64::from(frame.phase == Phase::Running)),
                ("leaving", u64::from(frame.phase == Phase::Leaving)),
                ("draining", u64::from(frame.phase == Phase::Draining)),
                ("stopped", u64::from(frame.phase == Phase::Stopped)),
            ]
        });
        self.gauge("watchers", "Readers of the status port", None, |frame| {
            Some(f64::from(frame.watchers))
        });
        let help = "Bytes of the log that wait for its reader";
        self.gauge("log_waiting", help, Some(Unit::Bytes), |f| Some(number(f.log_waiting_bytes)));
        let help = "Lines of the log that were not written";
        self.counters("log_lines_lost", help, "cause", |frame| {
            let log = &frame.tally.log;
            vec![("dropped", log.dropped), ("left_out", log.left_out)]
        });
    }

    fn connections(&mut self) {
        self.states("connections", "Open connections", "state", |frame| {
            let open = &frame.open;
            vec![
                ("idle", open.idle),
                ("mid_message", open.mid_message),
                ("flushing", open.flushing),
                ("lingering", open.lingering),
            ]
        });
        self.gauge("connections_limit", "Connections that may be open", None, |frame| {
            Some(number(frame.server.connections_max))
        });
        let help = "Bytes of replies that wait for their peers to read";
        self.gauge("unsent", help, Some(Unit::Bytes), |f| Some(number(f.open.waiting_bytes)));
        let help = "Connections that were closed";
        self.counters("connections_closed", help, "reason", |frame| {
            let closed = &frame.tally.closed;
            vec![
                ("answered", closed.answered),
                ("peer_closed", closed.peer_closed),
                ("reset", closed.reset),
                ("failed", closed.failed),
                ("too_long", closed.too_long),
                ("message_timeout", closed.message_timeout),
                ("idle_timeout", closed.idle_timeout),
                ("drained", closed.drained),
                ("aborted", closed.aborted),
            ]
        });
        let help = "Moves of connections from one state to another";
        self.counters("connection_moves", help, "move", |frame| {
            let moves = &frame.tally.moves;
            vec![
                ("open_to_flushing", moves.open_to_flushing),
                ("flushing_to_open", moves.flushing_to_open),
                ("open_to_lingering", moves.open_to_lingering),
                ("flushing_to_lingering", moves.flushing_to_lingering),
                ("open_to_closed", moves.open_to_closed),
                ("flushing_to_closed", moves.flushing_to_closed),
                ("lingering_to_closed", moves.lingering_to_closed),
            ]
        });
    }

    fn loop_of_turns(&mut self) {
        self.counters("turns", "Turns of the loop", "woken_by", |frame| {
            let woken = &frame.tally.woken;
            vec![
                ("event", woken.by_event),
                ("deadline", woken.by_deadline),
                ("work_left", woken.by_work_left),
            ]
        });
        self.counters("events", "Events that the waits have brought", "source", |frame| {
            let events = &frame.tally.events;
            vec![
                ("connection", events.connection),
                ("listener", events.listener),
                ("status", events.status),
                ("stale", events.stale),
            ]
        });
        self.counters("budgets_spent", "Budgets of work that ran out", "budget", |frame| {
            let budgets = &frame.tally.budgets;
            vec![
                ("visit", budgets.visit),
                ("serve", budgets.serve),
                ("accept", budgets.accept),
                ("expire", budgets.expire),
                ("events", budgets.events),
            ]
        });
        self.counter("deadlines_checked", "Deadlines that came due", None, |frame| {
            frame.tally.deadlines.checked
        });
        self.counter("deadlines_put_off", "Deadlines that found more time", None, |frame| {
            frame.tally.deadlines.put_off
        });
    }

    fn calls(&mut self) {
        self.counter("messages", "Messages that were owed an answer", None, |f| f.tally.messages);
        self.counter("reads", "Reads that were tried", None, |frame| frame.tally.reads);
        self.counter("reads_empty", "Reads that found nothing", None, |f| f.tally.reads_empty);
        let bytes = Some(Unit::Bytes);
        self.counter("received", "Bytes that were read", bytes, |frame| frame.tally.bytes_in);
        self.counter("sends", "Sends that were tried", None, |frame| frame.tally.sends);
        let help = "Sends that the kernel took in part, or not at all";
        self.counter("sends_short", help, None, |frame| frame.tally.sends_short);
        let bytes = Some(Unit::Bytes);
        self.counter("sent", "Bytes that were sent", bytes, |frame| frame.tally.bytes_out);
        let help = "Sockets that the poll was told to watch";
        self.counter("registrations", help, None, |frame| frame.tally.registrations);
    }

    fn accepting(&mut self) {
        let help = "Connections that were accepted";
        self.counter("connections_accepted", help, None, |frame| frame.tally.accepted);
        let help = "Accepts that found the queue empty";
        self.counter("accepts_empty", help, None, |frame| frame.tally.accepts_empty);
        let help = "Accepts that failed in another way";
        self.counter("accepts_failed", help, None, |frame| frame.tally.accepts_failed);
        self.counters("accept_pauses", "Pauses of accepting", "cause", |frame| {
            let pauses = &frame.tally.pauses;
            vec![("full", pauses.full), ("exhausted", pauses.exhausted)]
        });
        let family = Family::<Labels, Counter<f64, AtomicU64>>::default();
        for (id, frame) in &self.servers {
            let pause = seconds(frame.tally.pauses.us);
            family.get_or_create(&vec![("server", id.clone())]).inc_by(pause);
        }
        let help = "How long accepting has paused, without a pause that goes on";
        self.register("accept_pause", help, Some(Unit::Seconds), family);
        self.states("accepting", "The state of the acceptor", "state", |frame| {
            let is = |state| u64::from(frame.accepting == state);
            vec![
                ("waiting", is(Accepting::Waiting)),
                ("ready", is(Accepting::Ready)),
                ("full", is(Accepting::Full)),
                ("exhausted", is(Accepting::Exhausted)),
                ("closed", is(Accepting::Closed)),
            ]
        });
    }

    /// What the server times only while somebody watches.
    fn last_second(&mut self) {
        let help = "Part of the last second in which the loop slept";
        self.gauge("asleep_ratio", help, None, |frame| {
            let measured = frame.last_second.as_ref().filter(|measured| measured.us > 0)?;
            // A sleep may have begun before the second.
            Some(number(measured.asleep_us.min(measured.us)) / number(measured.us))
        });
        for (name, help, of) in [
            ("turn_median", "Half of the turns of the last second were as short", 0),
            ("turn_p99", "99 of 100 turns of the last second were as short", 1),
            ("turn_longest", "The longest turn of the last second", 2),
        ] {
            self.gauge(name, help, Some(Unit::Seconds), |frame| {
                let turn = frame.last_second.as_ref()?.turn_us;
                Some(seconds([turn.median, turn.p99, turn.max][of]))
            });
        }
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl Fn(&Frame) -> Option<f64>,
    ) {
        let gauges = Gauges::default();
        for (id, frame) in &self.servers {
            if let Some(value) = value(frame) {
                gauges.get_or_create(&vec![("server", id.clone())]).set(value);
            }
        }
        self.register(name, help, unit, gauges);
    }

    /// Gauges that differ in one label.
    fn states(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl Fn(&Frame) -> Vec<Labelled>,
    ) {
        let gauges = Gauges::default();
        for (id, frame) in &self.servers {
            for (word, value) in values(frame) {
                let labels = vec![("server", id.clone()), (label, word.to_owned())];
                gauges.get_or_create(&labels).set(number(value));
            }
        }
        self.register(name, help, None, gauges);
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl Fn(&Frame) -> u64,
    ) {
        let family = Family::<Labels, Counter>::default();
        for (id, frame) in &self.servers {
            family.get_or_create(&vec![("server", id.clone())]).inc_by(value(frame));
        }
        self.register(name, help, unit, family);
    }

    /// Counters that differ in one label.
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl Fn(&Frame) -> Vec<Labelled>,
    ) {
        let family = Family::<Labels, Counter>::default();
        for (id, frame) in &self.servers {
            for (word, value) in values(frame) {
                let labels = vec![("server", id.clone()), (label, word.to_owned())];
                family.get_or_create(&labels).inc_by(value);
            }
        }
        self.register(name, help, None, family);
    }

    fn register(&mut self, name: &str, help: &str, unit: Option<Unit>, metric: impl Metric) {
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
    }
}

fn seconds(us: u64) -> f64 {
    number(us) / MICROSECONDS_PER_SECOND
}

/// Prometheus counts in floating point.
#[allow(clippy::cast_precision_loss)]
fn number(value: u64) -> f64 {
    value as f64
}
