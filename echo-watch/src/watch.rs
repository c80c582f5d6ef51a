//! The views, and the two threads: a worker reads and shows, and the main thread takes the signals.
//!
//! A signal has to end the program at once, also while the worker waits for the server, or for a reader
//! of its output. So the main thread calls nothing that can block.

use std::io;
use std::net::SocketAddr;
use std::panic;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use echo_status::{Frame, Phase, Step, StepLine};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

use crate::feed::{Feed, News, SILENCE};
use crate::history::History;
use crate::notes::how_it_ended;
use crate::output::{self, Output};
use crate::screen::{Contact, draw};
use crate::steps;
use crate::table::Table;
use crate::text::wrapped;
use crate::trouble::{Trouble, reason};

/// What is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The whole picture, four times a second. Where the output is no terminal: [`View::Lines`].
    Screen,
    /// A line a second.
    Lines,
    /// The next connection that is accepted, step by step.
    Follow,
}

/// How long the worker may take to give the terminal back.
const GRACE: Duration = Duration::from_millis(300);

/// How many rows are left free below the last picture.
const ROWS_BELOW: usize = 4;

/// A width where there is no terminal: enough for each step in one line.
const WIDE: usize = 160;

/// Shows the server whose status port listens on `address`, until it has left, or a signal comes, or the
/// reader of the output has gone.
///
/// # Errors
/// Why there is nothing to see any more.
///
/// # Panics
/// If the worker does, which has said why.
pub(crate) fn watch(address: SocketAddr, view: View) -> Result<(), Trouble> {
    // A file that may not grow is an error of a write, and no reason to be killed.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(Trouble::System)?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT]).map_err(Trouble::System)?;
    let is_terminal = output::columns().is_some();
    let output = Shared::new();
    output.give_back_in_a_panic();
    let end = EndOfSignals(signals.handle());
    let (report, result) = mpsc::channel();
    let workers = output.clone();
    let work = move || {
        let _end = end;
        let result = show(address, view, &workers);
        workers.lock().leave();
        let _ = report.send(result);
    };
    thread::Builder::new().name("worker".to_owned()).spawn(work).map_err(Trouble::System)?;
    match signals.forever().next() {
        Some(_) => {
            output.leave_within(GRACE);
            Ok(())
        }
        None => match result.recv().expect("the worker ends with a result") {
            Err(Trouble::Output(error)) if has_gone(&error, is_terminal) => Ok(()),
            result => result,
        },
    }
}

/// Whether the reader of the output has seen enough: a pipe that is closed, a terminal that is gone.
fn has_gone(error: &io::Error, is_terminal: bool) -> bool {
    let is_gone_terminal = error.raw_os_error() == Some(Errno::IO.raw_os_error());
    error.kind() == io::ErrorKind::BrokenPipe || is_terminal && is_gone_terminal
}

fn show(address: SocketAddr, view: View, output: &Shared) -> Result<(), Trouble> {
    match view {
        View::Screen if output::can_be_a_screen() => show_screen(address, output),
        View::Screen | View::Lines => show_lines(address, output),
        View::Follow => show_steps(address, output),
    }
}

fn show_screen(address: SocketAddr, output: &Shared) -> Result<(), Trouble> {
    let with_colours = output::wants_colours();
    let mut picture = Vec::new();
    let left = watch_frames(address, |history, contact| {
        let mut size = output::size();
        if history.now().phase == Phase::Stopped {
            // The last picture stays to be looked at, with some lines and the user's prompt below it.
            size.rows = size.rows.saturating_sub(ROWS_BELOW);
        }
        picture = draw(history, contact, size);
        let mut output = output.lock();
        // Not before there is a picture: a server that is not there is one line, and no flash of an empty screen.
        output.take_screen()?;
        output.draw(&picture, size, with_colours)
    })?;
    let picture = picture.iter().map(|line| line.painted(with_colours));
    let left = wrapped("", &left, output::size().columns);
    let text: String = picture.chain(left).map(|line| line + "\n").collect();
    let mut output = output.lock();
    output.give_back().and_then(|()| output.write(&text)).map_err(Trouble::Output)
}

fn show_lines(address: SocketAddr, output: &Shared) -> Result<(), Trouble> {
    let mut table = Table::default();
    let left = watch_frames(address, |history, contact| {
        output.lock().write(&table.next(history, contact))
    })?;
    output.lock().write(&format!("{left}\n")).map_err(Trouble::Output)
}

/// Shows what is heard of the server until it has left. Returns a line that says how it left.
fn watch_frames(
    address: SocketAddr,
    mut show: impl FnMut(&History, &Contact) -> io::Result<()>,
) -> Result<String, Trouble> {
    let mut feed = Feed::<Frame>::open(address)?;
    let mut history: Option<History> = None;
    let mut heard_at = Instant::now();
    loop {
        let contact = match feed.next()? {
            News::Line(frame) => {
                heard_at = Instant::now();
                match &mut history {
                    Some(history) => history.add(frame),
                    None => history = Some(History::new(frame)),
                }
                Contact::Live
            }
            News::Nothing if heard_at.elapsed() < SILENCE => Contact::Live,
            News::Nothing => Contact::Silent(heard_at.elapsed()),
            News::Gone(error) => Contact::Gone(heard_at.elapsed(), reason(&error)),
        };
        // Before the first frame there is nothing to show.
        let Some(history) = &history else { continue };
        show(history, &contact).map_err(Trouble::Output)?;
        if history.now().phase == Phase::Stopped {
            return Ok(how_it_left(history.now()));
        }
    }
}

fn how_it_left(last: &Frame) -> String {
    let drain = last.drain.as_ref();
    let end = drain.and_then(|drain| Some(how_it_ended(drain.exit?, drain.us)));
    end.map_or("The server has left".to_owned(), |end| format!("The server has left: {end}"))
}

/// Shows the steps of one connection. A server that is restarted before there is one is waited for.
fn show_steps(address: SocketAddr, output: &Shared) -> Result<(), Trouble> {
    let write = |text: String| output.lock().write(&(text + "\n")).map_err(Trouble::Output);
    let columns = || output::columns().unwrap_or(WIDE);
    let mut feed = Feed::<StepLine>::open(address)?;
    let mut has_begun = false;
    // While it waits, the server says so every second.
    let mut waits = false;
    let mut is_gone = false;
    let mut flushing = false;
    write(steps::heading(columns()))?;
    loop {
        match feed.next()? {
            News::Nothing => {}
            News::Gone(error) if has_begun => return Err(Trouble::Lost(error)),
            News::Gone(error) => {
                if !is_gone {
                    write(format!("! {}", Contact::gone_sentence(&reason(&error))))?;
                }
                (is_gone, waits) = (true, false);
            }
            News::Line(StepLine { step: Step::Waiting, .. }) if waits => {}
            News::Line(step) => {
                is_gone = false;
                waits = step.step == Step::Waiting;
                has_begun |= step.step != Step::Waiting;
                write(steps::lines(&step, flushing, columns()).join("\n"))?;
                if let Step::Moved { to, .. } = &step.step {
                    flushing = to == "flushing";
                }
                if matches!(step.step, Step::Closed { .. }) {
                    return Ok(());
                }
            }
        }
    }
}

/// The output, of which both threads know.
#[derive(Clone)]
struct Shared(Arc<Mutex<Output>>);

impl Shared {
    fn new() -> Shared {
        Shared(Arc::new(Mutex::new(Output::Lines)))
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the terminal back, unless it takes nothing: a thread tries, because it may wait for ever.
    fn leave_within(&self, limit: Duration) {
        let (done, is_done) = mpsc::channel();
        let shared = self.clone();
        let leave = move || {
            shared.lock().leave();
            let _ = done.send(());
        };
        if thread::Builder::new().spawn(leave).is_ok() {
            let _ = is_done.recv_timeout(limit);
        }
    }

    /// A panic is to be read on the page where the user is, with a cursor behind it.
    fn give_back_in_a_panic(&self) {
        let shared = self.clone();
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Ok(mut output) = shared.0.try_lock() {
                output.leave();
            }
            report(info);
        }));
    }
}

/// Ends the main thread's wait for signals when the worker ends, also by a panic.
struct EndOfSignals(Handle);

impl Drop for EndOfSignals {
    fn drop(&mut self) {
        self.0.close();
    }
}
