//! The run: lives of the server, each with rounds of load and faults, a quiet point behind each round,
//! and a restart under load.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use echo_bench::interrupt;
use rustix::process::Signal;

use crate::board::{Board, Epoch, Order, Phase};
use crate::faults::{Active, Fault, Planned, ROUNDS};
use crate::load;
use crate::record::{Ending, Exit, Look, Record, Span};
use crate::server::{DRAIN_TIMEOUT, Server, free_address};

/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two samples for the picture.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Between two lines about the progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Patience with what should happen at once, on a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much longer than the drain an exit may take: the last lines of the log have 200 ms of it.
const EXIT_SLACK: Duration = Duration::from_secs(2);
/// A life lasts about so long.
const LIFE: Duration = Duration::from_secs(60);
/// A round lasts about so long.
const ROUND: Duration = Duration::from_secs(8);
/// The load before a restart, as a part of a round.
const LAST_LOAD: f64 = 0.3;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For how long.
    pub time: Duration,
    /// The server's program.
    pub program: PathBuf,
}

impl Plan {
    /// At least two, for there must be a restart.
    fn lives(&self) -> u32 {
        count(self.time, LIFE).max(2)
    }

    /// At least three in each life, so that each kind has its turn.
    fn rounds(&self) -> u32 {
        count(self.time / self.lives(), ROUND).max(3)
    }

    fn round(&self) -> Duration {
        let rounds = f64::from(self.rounds()) + LAST_LOAD;
        (self.time / self.lives()).div_f64(rounds)
    }
}

/// How often `part` fits into `whole`, rounded.
fn count(whole: Duration, part: Duration) -> u32 {
    let times = (whole + part / 2).as_millis() / part.as_millis();
    u32::try_from(times).unwrap_or(u32::MAX)
}

/// Why a run stops early.
enum Stop {
    Interrupted,
    Violation(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Violation(error.to_string())
    }
}

/// Goes through the whole run, and returns what was seen.
///
/// # Errors
/// When there is no port for it.
pub fn soak(plan: &Plan) -> io::Result<Record> {
    let address = free_address()?;
    let board = Board::new();
    thread::scope(|scope| {
        scope.spawn(|| load::run(&board, address));
        let mut director = Director {
            plan,
            board: &board,
            address,
            server: None,
            life: 0,
            record: Record::new(),
            begun: Instant::now(),
            next_sample: Duration::ZERO,
            next_progress: PROGRESS_EVERY,
        };
        let ending = director.run();
        Ok(director.finish(ending))
    })
}

struct Director<'a> {
    plan: &'a Plan,
    board: &'a Board,
    address: SocketAddrV4,
    server: Option<Server>,
    life: usize,
    record: Record,
    begun: Instant,
    next_sample: Duration,
    next_progress: Duration,
}

impl Director<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        for life in 0..self.plan.lives() {
            let begin = (self.plan.time / self.plan.lives()) * life;
            self.start()?;
            for round in 1..=self.plan.rounds() {
                self.round(self.faults(round), begin + self.plan.round() * round)?;
                self.quiet_point()?;
            }
            self.board.order(Order::Run);
            self.wait(self.plan.round().mul_f64(LAST_LOAD))?;
            self.leave()?;
        }
        Ok(())
    }

    /// The load ends in any case, and a server that still runs leaves as it should: one that does not
    /// accept yet may not know what SIGTERM asks of it.
    fn finish(mut self, ending: Result<(), Stop>) -> Record {
        self.record.ending = match ending {
            Ok(()) => Ending::Whole,
            Err(Stop::Violation(what)) => Ending::Violation(what),
            Err(Stop::Interrupted) => Ending::Interrupted,
        };
        if self.record.ending == Ending::Interrupted
            && self.server.as_ref().is_some_and(|server| server.log.accepts())
            && let Err(Stop::Violation(what)) = self.leave()
        {
            self.record.ending = Ending::Violation(what);
        }
        self.server = None;
        self.board.order(Order::End);
        self.record.lasted = self.begun.elapsed();
        let notes = self.board.notes();
        self.record.tallies = notes.tallies;
        self.record.answered_late = notes.answered_late;
        drop(notes);
        self.record
    }

    fn start(&mut self) -> Result<(), Stop> {
        self.server = Some(Server::start(&self.plan.program, self.address.port())?);
        self.wait_until("the server accepts", |director| Ok(director.server()?.log.accepts()))?;
        if self.life == 0 {
            self.record.descriptors_at_start = self.server()?.descriptors()?;
        }
        self.board.announce(self.life, Phase::Serving);
        Ok(())
    }

    /// Every other life has its log read throughout: then it must tell of every socket.
    fn faults(&self, round: u32) -> Vec<Planned> {
        let planned = ROUNDS[(round as usize - 1) % ROUNDS.len()].iter().copied();
        let log_is_read = self.life % 2 == 1;
        planned.filter(|planned| planned.fault != Fault::LogUnread || !log_is_read).collect()
    }

    /// Loads the server until `end`, and lets the faults have their time.
    fn round(&mut self, faults: Vec<Planned>, end: Duration) -> Result<(), Stop> {
        self.board.order(Order::Run);
        let begin = self.now();
        // On a machine that is late, a round may have no time left.
        let length = end.saturating_sub(begin).max(LOOK_EVERY);
        let mut waiting = faults;
        let mut active: Vec<(Planned, Duration, Active)> = Vec::new();
        loop {
            let part = self.now().saturating_sub(begin).div_duration_f64(length);
            for planned in waiting.extract_if(.., |planned| part >= planned.from) {
                let fault = planned.fault.begin(
                    self.server()?,
                    self.record.descriptors_at_start,
                    self.board,
                )?;
                active.push((planned, self.now(), fault));
            }
            for (planned, from, fault) in active.extract_if(.., |(planned, _, fault)| {
                part >= planned.to && fault.may_end(self.board)
            }) {
                fault.end(self.server()?)?;
                self.record.faults.push(Span { fault: planned.fault, from, to: self.now() });
            }
            if part >= 1.0 && active.is_empty() {
                return Ok(());
            }
            for (.., fault) in &active {
                fault.go_on(self.server()?)?;
            }
            self.look()?;
        }
    }

    /// No load and no connection: the descriptors are those of the start, and memory is looked at.
    fn quiet_point(&mut self) -> Result<(), Stop> {
        self.board.order(Order::Pause);
        self.wait_until("the load rests", |director| Ok(director.board.notes().at_rest))?;
        let start = self.record.descriptors_at_start;
        let back = self.wait_until("the descriptors are back", |director| {
            Ok(director.server()?.descriptors()? == start)
        });
        if let Err(Stop::Violation(_)) = back
            && let Ok(descriptors) = self.server()?.descriptors()
        {
            return Err(Stop::Violation(format!(
                "descriptors are not flat: {descriptors} with no connection open, {start} at the start"
            )));
        }
        back?;
        let look = self.sample()?;
        self.record.quiet_points.push(look);
        Ok(())
    }

    /// SIGTERM under load: the server answers what has arrived, and leaves. Every other time it is
    /// stopped then, so that it finds the signal and a queue of connections at once.
    fn leave(&mut self) -> Result<(), Stop> {
        let stopped = self.life % 2 == 1;
        if stopped {
            self.server()?.signal(Signal::STOP)?;
            self.board.announce(self.life, Phase::Stopped);
            self.wait(DRAIN_TIMEOUT / 2)?;
            self.wait_until("messages have come to the stopped server", |director| {
                Ok(director.board.notes().arrived > 0)
            })?;
        }
        self.board.announce(self.life, Phase::Leaving);
        let at = self.now();
        self.server()?.signal(Signal::TERM)?;
        if stopped {
            // It takes the signal when it goes on. What was sent last has arrived by then.
            self.wait(LOOK_EVERY)?;
            self.server()?.signal(Signal::CONT)?;
        }
        let took = self.await_exit(at)?;
        self.record.exits.push(Exit { at, took });
        self.life += 1;
        let next = Epoch { life: self.life, phase: Phase::Starting };
        self.board.announce(next.life, next.phase);
        let Some(server) = self.server.take() else { return Ok(()) };
        let account = server.account();
        self.record.take(&account);
        if let Some(complaint) = account.complaint() {
            return Err(Stop::Violation(complaint));
        }
        self.await_judgement(next)?;
        self.check_unanswered(&account.received)
    }

    /// How long the exit took; its code must be 0.
    fn await_exit(&mut self, since: Duration) -> Result<Duration, Stop> {
        let limit = DRAIN_TIMEOUT + EXIT_SLACK;
        loop {
            let took = self.now().saturating_sub(since);
            let ended = self.server.as_mut().map(Server::ended).transpose()?.flatten();
            match ended {
                Some(status) if status.success() => return Ok(took),
                Some(status) => {
                    return Err(Stop::Violation(format!("the server left with {status}, not 0")));
                }
                None if took > limit => {
                    return Err(Stop::Violation(format!(
                        "the server has not left after {limit:?}"
                    )));
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// The load has seen the end of every connection of the life that is over.
    fn await_judgement(&mut self, next: Epoch) -> Result<(), Stop> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let notes = self.board.notes();
            if let Some(violation) = &notes.violation {
                return Err(Stop::Violation(violation.clone()));
            }
            if notes.oldest_open.is_none_or(|oldest| oldest >= next) {
                return Ok(());
            }
            drop(notes);
            if Instant::now() >= deadline {
                return Err(Stop::Violation("connections of a server that is gone".into()));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What a server took in, it has to answer, whatever happens to it afterwards.
    fn check_unanswered(&mut self, received: &HashSet<u64>) -> Result<(), Stop> {
        let unanswered = std::mem::take(&mut self.board.notes().unanswered);
        let mut lost = unanswered.into_iter().filter(|number| received.contains(number));
        match (lost.next(), lost.count()) {
            (None, _) => Ok(()),
            (Some(number), more) => Err(Stop::Violation(format!(
                "{} messages were received before a restart, but never answered; one is {number}",
                more + 1
            ))),
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn server(&self) -> Result<&Server, Stop> {
        self.server.as_ref().ok_or_else(|| Stop::Violation("the server does not run".into()))
    }

    fn wait(&mut self, time: Duration) -> Result<(), Stop> {
        let end = self.now() + time;
        while self.now() < end {
            self.look()?;
        }
        Ok(())
    }

    fn wait_until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Self) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let deadline = self.now() + PATIENCE;
        while !done(self)? {
            if self.now() >= deadline {
                return Err(Stop::Violation(format!("after {PATIENCE:?} still not: {what}")));
            }
            self.look()?;
        }
        Ok(())
    }

    /// What every wait consists of: a look at all that can go wrong, a sample and a line of progress
    /// when they are due, and a short sleep.
    fn look(&mut self) -> Result<(), Stop> {
        interrupt::check().map_err(|_| Stop::Interrupted)?;
        if let Some(violation) = &self.board.notes().violation {
            return Err(Stop::Violation(violation.clone()));
        }
        if let Some(status) = self.server.as_mut().map(Server::ended).transpose()?.flatten() {
            return Err(Stop::Violation(format!("the server died: {status}")));
        }
        // A process that has only just begun has not yet the memory that it works with.
        let works = self.server.as_ref().is_some_and(|server| server.log.accepts());
        if works && self.now() >= self.next_sample {
            self.next_sample = self.now() + SAMPLE_EVERY;
            let sample = self.sample()?;
            self.record.samples.push(sample);
        }
        if self.now() >= self.next_progress {
            self.next_progress += PROGRESS_EVERY;
            self.show_progress();
        }
        thread::sleep(LOOK_EVERY);
        Ok(())
    }

    fn sample(&self) -> Result<Look, Stop> {
        let server = self.server()?;
        Ok(Look {
            at: self.now(),
            life: self.life,
            resident_bytes: server.resident_bytes()?,
            descriptors: server.descriptors()?,
        })
    }

    fn show_progress(&self) {
        let messages: u64 = self.board.notes().tallies.iter().map(|tally| tally.messages).sum();
        let (seconds, whole) = (self.now().as_secs(), self.plan.time.as_secs());
        let latest = self.record.samples.last().map_or_else(String::new, |look| {
            let (kib, count) = (look.resident_bytes / 1024, look.descriptors);
            format!(", {kib} KiB resident, {count} descriptors")
        });
        let life = self.life + 1;
        eprintln!("{seconds} of {whole} s: life {life}, {messages} messages answered{latest}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_lives_and_rounds_of_its_length() {
        let plan = |seconds| Plan { time: Duration::from_secs(seconds), program: PathBuf::new() };
        assert_eq!((plan(600).lives(), plan(600).rounds()), (10, 8));
        assert_eq!((plan(60).lives(), plan(60).rounds()), (2, 4));
        assert_eq!((plan(10).lives(), plan(10).rounds()), (2, 3));
    }
}
