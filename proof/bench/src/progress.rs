//! What the user sees while the benchmark runs: one line that is rewritten on a terminal, plain lines
//! elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Progress on stderr.
pub struct Progress {
    display: Display,
    begun: Instant,
    steps: usize,
    done: usize,
    expected: Duration,
    passed: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Display {
    Terminal,
    Lines,
    Silent,
}

/// Erases the line that the cursor is on.
const ERASE: &str = "\r\x1b[K";

impl Progress {
    /// Progress in the form that fits stderr.
    #[must_use]
    pub fn on_stderr() -> Self {
        Self::with(if stderr().is_terminal() { Display::Terminal } else { Display::Lines })
    }

    /// No progress at all.
    #[must_use]
    pub fn silent() -> Self {
        Self::with(Display::Silent)
    }

    fn with(display: Display) -> Self {
        Self {
            display,
            begun: Instant::now(),
            steps: 0,
            done: 0,
            expected: Duration::ZERO,
            passed: Duration::ZERO,
        }
    }

    /// A part of the run with so many steps begins; how long they should take together is a guess.
    pub fn begin(&mut self, steps: usize, expected: Duration) {
        (self.begun, self.steps, self.done) = (Instant::now(), steps, 0);
        (self.expected, self.passed) = (expected, Duration::ZERO);
    }

    /// The next step begins, of which so much is expected.
    pub fn step(&mut self, what: &str, expected: Duration) {
        let left = remaining(self.begun.elapsed(), self.passed, self.expected);
        self.passed += expected;
        self.done += 1;
        let text = format!("[{}/{}] {what}{left}", self.done, self.steps);
        match self.display {
            Display::Terminal => write(&format!("{ERASE}{text}")),
            Display::Lines => write(&format!("{text}\n")),
            Display::Silent => {}
        }
    }

    /// Something that must stay visible.
    pub fn say(&self, text: &str) {
        match self.display {
            Display::Terminal => write(&format!("{ERASE}{text}\n")),
            Display::Lines => write(&format!("{text}\n")),
            Display::Silent => {}
        }
    }

    /// The part is over.
    pub fn end(&self) {
        if self.display == Display::Terminal {
            write(ERASE);
        }
    }
}

/// Progress is a courtesy: a terminal that went away must not end a measurement.
fn write(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

/// What is left, if the rest of the guess is as wrong as the part that has passed.
fn remaining(elapsed: Duration, passed: Duration, expected: Duration) -> String {
    let left = expected.saturating_sub(passed);
    if passed.is_zero() || left.is_zero() {
        return String::new();
    }
    let seconds = elapsed.mul_f64(left.as_secs_f64() / passed.as_secs_f64()).as_secs();
    match seconds {
        0..=89 => format!(", about {seconds} s left"),
        _ => format!(", about {} min left", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_guessed_from_what_is_done() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(seconds(0), seconds(0), seconds(10)), "");
        assert_eq!(remaining(seconds(10), seconds(5), seconds(10)), ", about 10 s left");
        assert_eq!(remaining(seconds(60), seconds(1), seconds(5)), ", about 4 min left");
        assert_eq!(remaining(seconds(60), seconds(5), seconds(5)), "");
    }
}
