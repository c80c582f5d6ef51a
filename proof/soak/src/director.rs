//! The run: one life of the server, in rounds of load and faults. After each round there is a quiet
//! point, at which no connection is open. At the end the server gets SIGTERM under load.

use std::io;
use std::net::SocketAddrV4;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::wait::{Patience, try_until};
use echo_harness::{interrupt, sockets};
use rustix::process::Signal;

use crate::faults::{Fault, Planned, ROUNDS};
use crate::peers;
use crate::record::{Look, Record, Span};
use crate::round::Round;
use crate::server::{DRAIN_TIMEOUT, Server};

/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two samples for the picture.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A picture of hours needs no more.
const SAMPLES_MAX: u32 = 2000;
/// Between two lines about the progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Patience with what should happen at once, on a machine that is busy with other work. The pause
/// between two looks is in [`Director::look`].
const PATIENCE: Patience = Patience { limit: Duration::from_secs(20), pause: Duration::ZERO };
/// How much longer than the drain an exit may take. The last lines of the log may take 200 ms of it.
const EXIT_SLACK: Duration = Duration::from_secs(2);
/// About how long a round lasts.
const ROUND: Duration = Duration::from_secs(8);
/// How long there is load before SIGTERM.
const LAST_LOAD: Duration = Duration::from_secs(1);

/// Goes through the whole run, and returns what was seen.
pub(crate) fn soak(program: &Path, time: Duration) -> io::Result<Record> {
    let mut director = Director {
        server: Server::start(program)?,
        record: Record::default(),
        time,
        begun: Instant::now(),
        next_sample: Duration::ZERO,
        next_progress: PROGRESS_EVERY,
    };
    director.record.stopped_by = director.run().err().map(|error| error.to_string());
    director.record.lasted = director.begun.elapsed();
    director.record.log = director.server.log.account().to_string();
    Ok(director.record)
}

struct Director {
    server: Server,
    record: Record,
    time: Duration,
    begun: Instant,
    next_sample: Duration,
    next_progress: Duration,
}

/// A fault that has begun.
struct Active {
    fault: Fault,
    begun: Duration,
    /// Up to which part of the round it lasts.
    to: f64,
    /// [`Round::logged_bytes`] when it began.
    logged_before: u64,
}

impl Director {
    /// Fails with what ends the run before its time.
    fn run(&mut self) -> io::Result<()> {
        let address =
            self.wait_for("the server accepting", |director| Ok(director.server.address()))?;
        self.record.descriptors_at_start = self.server.descriptors()?;
        let time = self.time.saturating_sub(LAST_LOAD);
        let rounds = rounds(time);
        for (number, faults) in (1..=rounds).zip(ROUNDS.iter().cycle()) {
            let end = time.mul_f64(f64::from(number) / f64::from(rounds));
            let round = Round::new(address);
            self.under_load(&round, |director| director.disturb(faults, end, &round))?;
            self.quiet_point(address)?;
        }
        let round = Round::new(address);
        self.under_load(&round, |director| director.leave(&round))
    }

    /// Does `work` while all peers talk. If it fails, the run is over, and the server is killed, so that
    /// no peer waits for a reply.
    fn under_load(
        &mut self,
        round: &Round,
        work: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (worked, tallies) = thread::scope(|scope| {
            let load = scope.spawn(|| peers::load(round));
            let worked = work(self);
            if worked.is_err() {
                self.server.process.kill();
            }
            round.end();
            (worked, load.join().expect("the load does not panic"))
        });
        for (all, more) in self.record.tallies.iter_mut().zip(tallies) {
            *all += more;
        }
        worked.and_then(|()| fail(round.violation()))
    }

    /// Lets the faults have their time, until `end`.
    fn disturb(&mut self, faults: &[Planned], end: Duration, round: &Round) -> io::Result<()> {
        let begin = self.now();
        // On a slow machine, a round may have no time left.
        let length = end.saturating_sub(begin).max(LOOK_EVERY);
        let mut waiting = faults.to_vec();
        let mut active: Vec<Active> = Vec::new();
        loop {
            let part = self.now().saturating_sub(begin).div_duration_f64(length);
            let logged_bytes = round.logged_bytes();
            for (fault, _, to) in waiting.extract_if(.., |(_, from, _)| part >= *from) {
                fault.begin(&mut self.server, self.record.descriptors_at_start)?;
                active.push(Active { fault, begun: self.now(), to, logged_before: logged_bytes });
            }
            let is_done = |active: &mut Active| {
                part >= active.to && active.fault.may_end(logged_bytes - active.logged_before)
            };
            for Active { fault, begun, .. } in active.extract_if(.., is_done) {
                fault.end(&self.server)?;
                self.record.faults.push(Span { fault, from: begun, to: self.now() });
            }
            if part >= 1.0 && active.is_empty() {
                return Ok(());
            }
            for Active { fault, .. } in &active {
                fault.go_on(&self.server)?;
            }
            // If the server has died, that is the cause of its peers' complaints.
            let violation = round.violation();
            self.look()?;
            fail(violation)?;
        }
    }

    /// No load, and no connection: descriptors are as many as at the start, memory is looked at, and the
    /// log has a close for each accept.
    fn quiet_point(&mut self, address: SocketAddrV4) -> io::Result<()> {
        let start = self.record.descriptors_at_start;
        self.wait_for(&format!("{start} descriptors without a connection"), |director| {
            let is_quiet = sockets::queue_length(address.port()) == 0;
            Ok((is_quiet && director.server.descriptors()? == start).then_some(()))
        })?;
        let look = self.look_closely()?;
        self.record.quiet_points.push(look);
        // The log is read up to here once it tells of a new connection. If the log is still full and
        // drops this line, another connection has to come.
        let (mut last, mut next) = (String::new(), self.now());
        self.wait_for("a close for each accept in the log", |director| {
            if director.now() >= next {
                next += SAMPLE_EVERY;
                let came = peers::knock(&Round::new(address));
                last = came.map_err(|cut| io::Error::other(format!("a last peer: {cut:?}")))?;
            }
            let account = director.server.log.account();
            Ok((account.last_closed == last && account.missing().is_none()).then_some(()))
        })?;
        self.server.log.account().settle();
        Ok(())
    }

    /// SIGTERM under load: the server answers what has arrived, closes every socket, and leaves.
    fn leave(&mut self, round: &Round) -> io::Result<()> {
        let until = self.now() + LAST_LOAD;
        while self.now() < until {
            self.look()?;
        }
        round.let_server_leave();
        let asked = Instant::now();
        self.server.process.signal(Signal::TERM)?;
        let patience = Patience { limit: DRAIN_TIMEOUT + EXIT_SLACK, pause: LOOK_EVERY };
        let status = try_until("the server leaving", patience, || self.server.process.try_wait())?;
        self.record.exit_took = Some(asked.elapsed());
        if !status.success() {
            return Err(io::Error::other(format!("the server left with {status}, not 0")));
        }
        let account = self.server.log.read_to_end();
        if account.last_line != "All sockets closed, server stopped" {
            return Err(io::Error::other(format!("the log ends with {:?}", account.last_line)));
        }
        fail(account.missing())
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn wait_for<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Self) -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        try_until(what, PATIENCE, || {
            self.look()?;
            find(self)
        })
    }

    /// One step of every wait: a short sleep, a look at what can go wrong, and a sample and a line of
    /// progress when they are due.
    fn look(&mut self) -> io::Result<()> {
        thread::sleep(LOOK_EVERY);
        interrupt::check()?;
        if let Some(status) = self.server.process.try_wait()? {
            return Err(io::Error::other(format!("the server died: {status}")));
        }
        if self.now() >= self.next_sample {
            self.next_sample = self.now() + SAMPLE_EVERY.max(self.time / SAMPLES_MAX);
            let look = self.look_closely()?;
            self.record.samples.push(look);
        }
        if self.now() >= self.next_progress {
            self.next_progress += PROGRESS_EVERY;
            self.show_progress();
        }
        Ok(())
    }

    fn look_closely(&self) -> io::Result<Look> {
        let (resident_bytes, descriptors) =
            (self.server.resident_bytes()?, self.server.descriptors()?);
        Ok(Look { at: self.now(), resident_bytes, descriptors })
    }

    fn show_progress(&self) {
        let (seconds, whole) = (self.now().as_secs(), self.time.as_secs());
        let messages: u64 = self.record.tallies.iter().map(|tally| tally.messages).sum();
        let latest = self.record.quiet_points.last().map_or_else(String::new, |look| {
            format!(", {} KiB at the last quiet point", look.resident_bytes / 1024)
        });
        eprintln!("{seconds} of {whole} s: {messages} messages answered{latest}");
    }
}

/// Fails if there is a complaint.
fn fail(complaint: Option<String>) -> io::Result<()> {
    complaint.map_or(Ok(()), |complaint| Err(io::Error::other(complaint)))
}

/// At least three, so that each plan of faults has its turn.
fn rounds(time: Duration) -> u32 {
    u32::try_from(time.as_secs() / ROUND.as_secs()).unwrap_or(u32::MAX).max(3)
}
