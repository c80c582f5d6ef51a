//! How long the last turns took, and what was in them.
//!
//! To read the clock between two phases costs more than to count in them, so turns are timed only while
//! somebody watches.

use std::collections::VecDeque;
use std::time::Duration;

use echo_status::{Measured, Percentiles, Phases, Tally, Turn, WokenBy};
use hdrhistogram::Histogram;

use crate::account::{Account, whole_micros};

/// How many turns a frame can show.
const TURNS_MAX: usize = 256;

/// A second is this many windows, one from each frame to the next.
const WINDOWS_PER_SECOND: usize = 4;

/// How exact percentiles are, in digits.
const DIGITS: u8 = 2;

/// Longer times are counted as this one, in microseconds.
const LONGEST_US: u64 = 100_000_000;

/// More events than this are counted as so many. One wait brings far fewer.
const MOST_EVENTS: u64 = 100_000;

/// A phase of a turn that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Lap {
    Signals,
    Serve,
    Accept,
    Expire,
    Reap,
    Status,
    Log,
}

impl Lap {
    fn of(self, phases: &mut Phases) -> &mut f64 {
        match self {
            Lap::Signals => &mut phases.signals,
            Lap::Serve => &mut phases.serve,
            Lap::Accept => &mut phases.accept,
            Lap::Expire => &mut phases.expire,
            Lap::Reap => &mut phases.reap,
            Lap::Status => &mut phases.status,
            Lap::Log => &mut phases.log,
        }
    }
}

/// Turns that were timed.
pub struct Timing {
    /// When the present phase began.
    lap_began: Duration,
    /// The present turn; `None` while it sleeps, and if timing began in the middle of it.
    turn: Option<Turn>,
    /// The counters before the present turn.
    before: Marks,
    turns: VecDeque<Turn>,
    window: Window,
    /// The windows before, the newest first.
    windows: VecDeque<Window>,
}

/// Counters of which a turn shows how far they went.
#[derive(Clone, Copy)]
struct Marks {
    events: u64,
    visits: u64,
    accepted: u64,
    closed: u64,
}

impl Marks {
    fn of(account: &Account) -> Marks {
        let Tally { events, accepted, closed, .. } = &account.tally;
        Marks {
            events: events.connection + events.listener + events.status + events.stale,
            visits: account.visits,
            accepted: *accepted,
            closed: closed.sum(),
        }
    }
}

impl Timing {
    /// Begins now, in the middle of a turn.
    #[must_use]
    pub fn begin(now: Duration, account: &Account) -> Timing {
        Timing {
            lap_began: now,
            turn: None,
            before: Marks::of(account),
            turns: VecDeque::with_capacity(TURNS_MAX),
            window: Window::begin(now),
            windows: VecDeque::with_capacity(WINDOWS_PER_SECOND),
        }
    }

    /// A sleep is over, and a turn begins.
    pub fn wakes(&mut self, number: u64, woken_by: WokenBy, now: Duration) {
        self.turn = Some(Turn {
            number,
            at_us: whole_micros(now),
            slept_us: whole_micros(now.saturating_sub(self.lap_began)),
            phases: Phases::default(),
            events: 0,
            visits: 0,
            accepted: 0,
            reaped: 0,
            woken_by,
            draining: false,
        });
        self.lap_began = now;
    }

    /// A phase is over.
    pub fn lap(&mut self, lap: Lap, now: Duration) {
        let took = now.saturating_sub(self.lap_began);
        self.lap_began = now;
        if let Some(turn) = &mut self.turn {
            *lap.of(&mut turn.phases) = micros(took);
        }
    }

    /// The turn is over.
    pub fn ends(&mut self, account: &Account, draining: bool) {
        let before = std::mem::replace(&mut self.before, Marks::of(account));
        let Some(turn) = self.turn.take() else { return };
        let Marks { events, visits, accepted, closed } = self.before;
        let turn = Turn {
            events: small(events - before.events),
            visits: small(visits - before.visits),
            accepted: small(accepted - before.accepted),
            reaped: small(closed - before.closed),
            draining,
            ..turn
        };
        self.window.add(&turn);
        if self.turns.len() == TURNS_MAX {
            self.turns.pop_front();
        }
        self.turns.push_back(turn);
    }

    /// A frame is due: another window begins.
    pub fn frame_is_due(&mut self, now: Duration) {
        self.windows.truncate(WINDOWS_PER_SECOND - 1);
        let mut window = std::mem::replace(&mut self.window, Window::begin(now));
        window.length = now.saturating_sub(window.began);
        self.windows.push_front(window);
    }

    /// The turns from this number on, as far back as they are kept.
    #[must_use]
    pub fn turns_from(&self, number: u64) -> Vec<Turn> {
        self.turns.iter().filter(|turn| turn.number >= number).cloned().collect()
    }

    /// What was timed in the last second; `None` before the first window is over.
    #[must_use]
    pub fn last_second(&self) -> Option<Measured> {
        let mut sum = Window::begin(Duration::ZERO);
        for window in &self.windows {
            sum.join(window);
        }
        (!self.windows.is_empty()).then(|| sum.measured())
    }
}

/// What was timed from one frame to the next.
struct Window {
    began: Duration,
    length: Duration,
    turns: u64,
    asleep_us: u64,
    phases: Phases,
    turn_us: Histogram<u32>,
    events: Histogram<u32>,
    sleep_us: Histogram<u32>,
}

impl Window {
    fn begin(now: Duration) -> Window {
        Window {
            began: now,
            length: Duration::ZERO,
            turns: 0,
            asleep_us: 0,
            phases: Phases::default(),
            turn_us: histogram(LONGEST_US),
            events: histogram(MOST_EVENTS),
            sleep_us: histogram(LONGEST_US),
        }
    }

    fn add(&mut self, turn: &Turn) {
        self.turns += 1;
        self.asleep_us += turn.slept_us;
        add_phases(&mut self.phases, &turn.phases);
        self.turn_us.saturating_record(whole(sum_of(&turn.phases)));
        self.events.saturating_record(turn.events.into());
        self.sleep_us.saturating_record(turn.slept_us);
    }

    fn join(&mut self, other: &Window) {
        self.length += other.length;
        self.turns += other.turns;
        self.asleep_us += other.asleep_us;
        add_phases(&mut self.phases, &other.phases);
        for (sum, part) in [
            (&mut self.turn_us, &other.turn_us),
            (&mut self.events, &other.events),
            (&mut self.sleep_us, &other.sleep_us),
        ] {
            sum.add(part).expect("all have the same bounds");
        }
    }

    fn measured(&self) -> Measured {
        Measured {
            us: whole_micros(self.length),
            turns: self.turns,
            asleep_us: self.asleep_us,
            phases: to_the_nanosecond(self.phases),
            turn_us: percentiles(&self.turn_us),
            events: percentiles(&self.events),
            sleep_us: percentiles(&self.sleep_us),
        }
    }
}

fn histogram(largest: u64) -> Histogram<u32> {
    Histogram::new_with_max(largest, DIGITS).expect("bounds and digits that it takes")
}

fn percentiles(histogram: &Histogram<u32>) -> Percentiles {
    Percentiles {
        median: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}

fn add_phases(sum: &mut Phases, part: &Phases) {
    let Phases { signals, serve, accept, expire, reap, status, log } = part;
    sum.signals += signals;
    sum.serve += serve;
    sum.accept += accept;
    sum.expire += expire;
    sum.reap += reap;
    sum.status += status;
    sum.log += log;
}

fn sum_of(phases: &Phases) -> f64 {
    let Phases { signals, serve, accept, expire, reap, status, log } = phases;
    signals + serve + accept + expire + reap + status + log
}

fn micros(duration: Duration) -> f64 {
    let nanos = u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX);
    f64::from(nanos) / 1000.0
}

/// A sum of such numbers has more digits than they have.
fn to_the_nanosecond(phases: Phases) -> Phases {
    let rounded = |micros: f64| (micros * 1000.0).round() / 1000.0;
    let Phases { signals, serve, accept, expire, reap, status, log } = phases;
    Phases {
        signals: rounded(signals),
        serve: rounded(serve),
        accept: rounded(accept),
        expire: rounded(expire),
        reap: rounded(reap),
        status: rounded(status),
        log: rounded(log),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(micros: f64) -> u64 {
    micros.round() as u64
}

/// One turn has no more of anything.
fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// A turn that wakes at `woke`, serves for 30 µs, and has so many events.
    fn turn(timing: &mut Timing, account: &mut Account, woke: u64, events: u64) {
        account.begin_turn();
        timing.wakes(account.tally.turns, WokenBy::Event, at(woke));
        account.tally.events.connection += events;
        account.visits += 2;
        account.tally.accepted += 3;
        account.tally.closed.answered += 1;
        timing.lap(Lap::Serve, at(woke + 30));
        timing.lap(Lap::Log, at(woke + 40));
        timing.ends(account, false);
    }

    #[test]
    fn a_turn_has_its_times_and_how_far_the_counters_went() {
        let mut account = Account::default();
        account.tally.events.connection = 100;
        let mut timing = Timing::begin(at(1000), &account);
        turn(&mut timing, &mut account, 1500, 7);
        let expected = Turn {
            number: 1,
            at_us: 1500,
            slept_us: 500,
            phases: Phases { serve: 30.0, log: 10.0, ..Phases::default() },
            events: 7,
            visits: 2,
            accepted: 3,
            reaped: 1,
            woken_by: WokenBy::Event,
            draining: false,
        };
        assert_eq!(timing.turns_from(1), [expected]);
        assert_eq!(timing.turns_from(2), []);
    }

    #[test]
    fn the_turn_in_which_timing_begins_is_not_told() {
        let account = Account::default();
        let mut timing = Timing::begin(at(1000), &account);
        timing.lap(Lap::Log, at(1010));
        timing.ends(&account, false);
        assert_eq!(timing.turns_from(0), []);
    }

    #[test]
    fn as_many_turns_are_kept_as_a_frame_can_show() {
        let mut account = Account::default();
        let mut timing = Timing::begin(at(0), &account);
        for woke in 1..=300 {
            turn(&mut timing, &mut account, woke * 100, 1);
        }
        let numbers: Vec<u64> = timing.turns_from(0).iter().map(|turn| turn.number).collect();
        assert_eq!(numbers, (45..=300).collect::<Vec<u64>>());
    }

    #[test]
    fn a_second_is_the_last_four_windows() {
        let mut account = Account::default();
        let mut timing = Timing::begin(at(0), &account);
        assert_eq!(timing.last_second(), None);
        // One turn in the first window, two in the second, and so on.
        for window in 1..=6_u64 {
            for number in 0..window {
                let woke = (window - 1) * 250_000 + 1000 * (number + 1);
                turn(&mut timing, &mut account, woke, window);
            }
            timing.frame_is_due(at(window * 250_000));
        }
        let second = timing.last_second().expect("six windows");
        assert_eq!((second.us, second.turns), (1_000_000, 3 + 4 + 5 + 6));
        assert!((second.phases.serve - 18.0 * 30.0).abs() < 1e-6, "{:?}", second.phases);
        assert_eq!(second.turn_us, Percentiles { median: 40, p99: 40, max: 40 });
        assert_eq!(second.events, Percentiles { median: 5, p99: 6, max: 6 });
        // To two digits.
        assert!((960..970).contains(&second.sleep_us.median), "{:?}", second.sleep_us);
    }
}
