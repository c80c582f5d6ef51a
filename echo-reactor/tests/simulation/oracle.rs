//! What is owed, by a second implementation of the protocol. It takes one byte at a time, and shares
//! nothing with the first.

use std::collections::VecDeque;
use std::fmt::Write as _;

use echo_reactor::config::{Framing, Reply};

use crate::scenario::Settings;

/// How much of a message the log shows.
const SHOWN_MAX_BYTES: usize = 512;

/// Why no further byte is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    AllAnswered,
    TooLong,
    InputEnded,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    partial: Vec<u8>,
    /// All that is owed so far.
    pub(crate) reply: Vec<u8>,
    pub(crate) messages: u32,
    pub(crate) verdict: Option<Verdict>,
    /// The peer has sent more than it may, and may go on with that.
    pub(crate) has_input_behind: bool,
    /// The lines that the log must still show.
    pub(crate) lines: VecDeque<String>,
}

impl Oracle {
    /// What is owed for this input, which ends there if `ends`.
    pub(crate) fn of(settings: &Settings, input: &[u8], ends: bool) -> Oracle {
        let mut oracle = Oracle::default();
        oracle.take(settings, input);
        if ends {
            oracle.end(settings);
        }
        oracle
    }

    pub(crate) fn take(&mut self, settings: &Settings, input: &[u8]) {
        if self.verdict.is_some() {
            return;
        }
        if settings.framing == Framing::Stream {
            self.reply.extend_from_slice(input);
            self.lines.push_back(format!("Received {} bytes", input.len()));
            return;
        }
        for (position, &byte) in input.iter().enumerate() {
            self.partial.push(byte);
            if self.partial.len() > settings.message_max_bytes {
                self.verdict = Some(Verdict::TooLong);
                self.has_input_behind = true;
                return;
            }
            if byte == b'\n' {
                self.answer(settings);
                if self.messages == settings.messages_per_connection {
                    self.verdict = Some(Verdict::AllAnswered);
                    self.has_input_behind = position + 1 < input.len();
                    return;
                }
            }
        }
    }

    pub(crate) fn end(&mut self, settings: &Settings) {
        if self.verdict.is_none() {
            if !self.partial.is_empty() {
                self.answer(settings);
            }
            self.verdict = Some(Verdict::InputEnded);
        }
    }

    fn answer(&mut self, settings: &Settings) {
        let message = std::mem::take(&mut self.partial);
        self.messages += 1;
        let text = &message[..message.len() - white_space_at_end(&message)];
        if settings.messages_are_logged {
            self.lines.push_back(format!("Msg: {}", python_bytes(text, SHOWN_MAX_BYTES)));
        }
        match settings.reply {
            Reply::Echo => self.reply.extend(message),
            Reply::Acknowledge => {
                let whole = python_bytes(text, usize::MAX);
                let reply = format!("Your Message has been received: {whole}\n");
                self.reply.extend(reply.into_bytes());
            }
        }
    }

    pub(crate) fn is_mid_message(&self) -> bool {
        self.verdict.is_none() && !self.partial.is_empty()
    }
}

fn white_space_at_end(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|&byte| b" \t\n\r\x0b\x0c".contains(byte)).count()
}

fn python_bytes(bytes: &[u8], limit: usize) -> String {
    let shown = &bytes[..bytes.len().min(limit)];
    let quote = if shown.contains(&b'\'') && !shown.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for &byte in shown {
        match char::from(byte) {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\\' => text.push_str("\\\\"),
            plain if plain == quote => text.extend(['\\', quote]),
            plain @ ' '..='~' => text.push(plain),
            _ => write!(text, "\\x{byte:02x}").expect("memory suffices"),
        }
    }
    text.push(quote);
    if shown.len() < bytes.len() {
        write!(text, "... ({} bytes)", bytes.len()).expect("memory suffices");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::NEVER;

    #[test]
    fn an_acknowledgement_has_the_words_of_the_original() {
        let settings = Settings {
            framing: Framing::Line,
            reply: Reply::Acknowledge,
            messages_per_connection: 1,
            message_max_bytes: 100,
            messages_are_logged: true,
            message_lines_per_second: 0,
            work_per_turn: 1,
            idle_timeout: NEVER,
            message_timeout: NEVER,
            drain_delay: 0,
            drain_timeout: 0,
            connections_max: 1,
            backlog: 1,
        };
        let oracle = Oracle::of(&settings, b"[CLIENT 1] Message number 1 sent\nmore", false);
        let reply = "Your Message has been received: b'[CLIENT 1] Message number 1 sent'\n";
        assert_eq!(String::from_utf8(oracle.reply).unwrap(), reply);
        assert_eq!(oracle.verdict, Some(Verdict::AllAnswered));
        assert_eq!(python_bytes(b"it's \x00\\", 100), "b\"it's \\x00\\\\\"");
        assert_eq!(python_bytes(b"'\"", 1), "b\"'\"... (2 bytes)");
    }
}
