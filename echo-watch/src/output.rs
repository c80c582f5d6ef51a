//! Where a view goes: a whole terminal, or lines.

use std::env;
use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdout;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

use crate::screen::Size;
use crate::text::Line;

/// Another page of the terminal, whose old one comes back at the end; no cursor; and no line that is too
/// long goes on in the next one, which could happen while the terminal is resized.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Some terminals have one page only. What follows stands below the picture there.
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[999;1H\r\n\x1b[?1049l";

/// The size of a terminal that does not tell it.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The standard output.
#[derive(Debug)]
pub(crate) enum Output {
    /// Lines follow each other.
    Lines,
    /// The terminal is ours, and was in this state before.
    Screen { before: Option<Termios> },
    /// Nothing is written any more.
    Left,
}

/// Whether there is a terminal with a cursor that can be moved.
pub(crate) fn can_be_a_screen() -> bool {
    isatty(stdout()) && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the user wants colours: <https://no-color.org>.
pub(crate) fn wants_colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The terminal's size at this moment.
pub(crate) fn size() -> Size {
    let told = tcgetwinsize(stdout()).ok();
    let or = |number: Option<u16>, usual: usize| match number {
        None | Some(0) => usual,
        Some(number) => number.into(),
    };
    let columns = or(told.map(|size| size.ws_col), USUAL.columns);
    Size { columns, rows: or(told.map(|size| size.ws_row), USUAL.rows) }
}

/// The terminal's width, if the output is a terminal.
pub(crate) fn columns() -> Option<usize> {
    isatty(stdout()).then(|| size().columns)
}

impl Output {
    /// Takes the whole terminal, unless that is done, or everything is over.
    pub(crate) fn take_screen(&mut self) -> io::Result<()> {
        if !matches!(self, Output::Lines) {
            return Ok(());
        }
        let before = tcgetattr(stdout()).ok();
        *self = Output::Screen { before: before.clone() };
        if let Some(mut quiet) = before {
            // What is typed would be seen in the middle of the picture.
            quiet.local_modes.remove(LocalModes::ECHO);
            // Ctrl-Z would leave the shell in front of the picture, without a cursor.
            quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
            tcsetattr(stdout(), OptionalActions::Now, &quiet)?;
        }
        self.write(ENTER)
    }

    /// Writes text as it is.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        match self {
            Output::Left => Ok(()),
            Output::Lines | Output::Screen { .. } => write_all(text.as_bytes()),
        }
    }

    /// Shows a picture. Whatever was there is gone.
    pub(crate) fn draw(
        &mut self,
        lines: &[Line],
        size: Size,
        with_colours: bool,
    ) -> io::Result<()> {
        self.write(&picture(lines, size, with_colours))
    }

    /// Gives the terminal back as it was. Lines may follow then.
    pub(crate) fn give_back(&mut self) -> io::Result<()> {
        let Output::Screen { before } = self else { return Ok(()) };
        let before = before.take();
        *self = Output::Lines;
        let written = self.write(LEAVE);
        if let Some(before) = before {
            // What was typed meanwhile was not meant for the shell.
            tcsetattr(stdout(), OptionalActions::Flush, &before)?;
        }
        written
    }

    /// Gives the terminal back, and writes nothing any more.
    pub(crate) fn leave(&mut self) {
        // A terminal that is gone has nothing to get back.
        let _ = self.give_back();
        *self = Output::Left;
    }
}

/// A picture from the first row on, as a terminal gets it.
pub(crate) fn picture(lines: &[Line], size: Size, with_colours: bool) -> String {
    // A row is erased before its text: behind the last column that would erase the last character.
    let painted = lines.iter().map(|line| format!("\x1b[2K{}", line.painted(with_colours)));
    let picture = painted.collect::<Vec<_>>().join("\r\n");
    // Not behind the last row: that would scroll.
    let rest = if lines.len() < size.rows { "\r\n\x1b[J" } else { "" };
    format!("\x1b[H{picture}{rest}")
}

/// One write for each picture, so that none is seen in part. Nothing is buffered.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let out = stdout();
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Whoever has the terminal too may have made it nonblocking.
            Err(Errno::AGAIN) => {
                let mut room = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::OUT)];
                rustix::io::retry_on_intr(|| poll(&mut room, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
