//! A terminal, and what somebody in front of it sees and types.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::command::without_settings;
use crate::process::Process;
use crate::scratch;
use crate::wait;

/// How often the reader of the terminal looks whether it is to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A terminal that nobody else has. Dropping it is to close the window.
pub struct Terminal {
    viewer: Arc<File>,
    program: OwnedFd,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    parser: Mutex<Parser>,
    is_closed: AtomicBool,
}

impl Terminal {
    pub fn new(columns: u16, rows: u16) -> Terminal {
        let (viewer, program) = scratch::terminal();
        let parser = Mutex::new(Parser::new(size(rows), size(columns), 0));
        let shared = Arc::new(Shared { parser, is_closed: AtomicBool::new(false) });
        let viewer = Arc::new(viewer);
        let reader = thread::spawn({
            let (viewer, shared) = (Arc::clone(&viewer), Arc::clone(&shared));
            move || shared.read(&viewer)
        });
        let terminal = Terminal { viewer, program, shared, reader: Some(reader) };
        terminal.tell_size(columns, rows);
        terminal
    }

    /// Starts a program in this terminal, as a shell in it would: what is typed reaches the program, and
    /// Ctrl-C is a signal.
    pub fn start(&self, command: &Command) -> Process {
        let mut inside = without_settings("setsid");
        // A session of its own, which has this terminal.
        inside.arg("--ctty").arg(command.get_program()).args(command.get_args());
        inside.env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        let end = || self.program.try_clone().expect("a descriptor");
        inside.stdin(end()).stdout(end());
        Process::start_with_log(inside, end())
    }

    /// Makes the window larger or smaller.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shared.with(|parser| parser.screen_mut().set_size(size(rows), size(columns)));
        self.tell_size(columns, rows);
    }

    fn tell_size(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&*self.viewer, size).expect("a terminal has a size");
    }

    pub fn type_in(&self, keys: &str) {
        (&*self.viewer).write_all(keys.as_bytes()).expect("a terminal takes keys");
    }

    /// What is to be seen, row by row, without blanks at the ends.
    pub fn rows(&self) -> Vec<String> {
        self.shared.with(|parser| {
            let (_, columns) = parser.screen().size();
            let rows = parser.screen().rows(0, columns.get());
            rows.map(|row| row.trim_end().to_owned()).collect()
        })
    }

    pub fn shows(&self, text: &str) -> bool {
        self.rows().iter().any(|row| row.contains(text))
    }

    /// Waits until a row has this text, and returns the row.
    pub fn wait_for(&self, text: &str) -> String {
        wait::until_some(&format!("{text:?} in the terminal"), || {
            self.rows().into_iter().find(|row| row.contains(text))
        })
    }

    /// Whether a line has gone on in the next row, because it was too long.
    pub fn has_wrapped(&self) -> bool {
        self.shared.with(|parser| {
            let (rows, _) = parser.screen().size();
            (0..rows.get()).any(|row| parser.screen().row_wrapped(row))
        })
    }

    /// Whether the terminal shows its other page, as for a program that takes all of it.
    pub fn is_taken(&self) -> bool {
        self.shared.with(|parser| parser.screen().alternate_screen())
    }

    pub fn has_cursor(&self) -> bool {
        self.shared.with(|parser| !parser.screen().hide_cursor())
    }

    /// Whether any text that is seen has a colour, or is bold or faint.
    pub fn has_colours(&self) -> bool {
        self.shared.with(|parser| {
            let screen = parser.screen();
            let (rows, columns) = screen.size();
            let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |c| (row, c)));
            let mut cells = cells.filter_map(|(row, column)| screen.cell(row, column));
            cells.any(|cell| cell.fgcolor() != vt100::Color::Default || cell.bold() || cell.dim())
        })
    }

    /// Whether what is typed is seen, as in a shell.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.program).expect("a terminal has modes").local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Waits until all is as it was before a program took the terminal.
    pub fn wait_until_given_back(&self) {
        wait::until("the terminal given back", || {
            !self.is_taken() && self.has_cursor() && self.echoes()
        });
    }
}

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Parser) -> T) -> T {
        look(&mut self.parser.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read(&self, mut viewer: &File) {
        let mut bytes = vec![0; 1 << 16];
        while !self.is_closed.load(Ordering::Relaxed) {
            let mut input = [PollFd::from_borrowed_fd(viewer.as_fd(), PollFlags::IN)];
            if poll(&mut input, Some(&LOOK)).is_ok_and(|ready| ready > 0) {
                let count = viewer.read(&mut bytes).expect("this process has the other end too");
                self.with(|parser| parser.process(&bytes[..count]));
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a terminal has rows and columns")
}
