//! The protocol, sans-IO: bytes in, bytes out, no socket and no clock.
//!
//! With [`Framing::Line`] a message is the bytes up to and including `\n`. Bytes without a `\n` at
//! the end of the input are a message too. With [`Framing::Stream`] (RFC 862) there are no messages:
//! every byte goes back. An [`Echo`] holds what must outlive a read: the beginning of a message whose
//! end has not arrived, and the number of messages.

use std::fmt;
use std::mem;
use std::ops::Deref;

use echo_common::repr::{append_repr, repr_bytes, trim_end};
use memchr::{memchr, memchr_iter, memrchr};

use crate::config::{Framing, Reply, Rules};

/// The most that is read at once, in bytes, where nobody looks at single messages. A larger read
/// makes bulk no cheaper, and a peer that does not read can leave this much unsent.
const READ_MAX_BYTES_IN_BULK: usize = 64 * 1024;

/// The same where a connection sends a few messages at most.
const READ_MAX_BYTES: usize = 16 * 1024;

/// The same where a read may hold thousands of messages, and each is looked at. A visit cannot stop
/// in the middle of a read, because all of it has to be answered.
const READ_MAX_BYTES_OF_MESSAGES: usize = 4 * 1024;

/// The same where replies are acknowledgements. A message of one byte, its newline, is acknowledged
/// with 36 bytes: a full read owes 36 KiB.
const READ_MAX_BYTES_ACKNOWLEDGED: usize = 1024;

/// The original server's words in front of the message that it quotes.
const ACKNOWLEDGEMENT: &str = "Your Message has been received: ";

/// The acknowledgement of a message longer than this, in bytes, gets memory of exactly its size.
const LARGE_BYTES: usize = 64 * 1024;

/// This many messages in one read keep nobody waiting.
const FEW_MESSAGES: u32 = 64;

/// How much to read at once, in bytes.
#[must_use]
pub fn read_max_bytes(rules: &Rules) -> usize {
    let few = 1..=FEW_MESSAGES;
    match rules.reply {
        Reply::Acknowledge => READ_MAX_BYTES_ACKNOWLEDGED,
        Reply::Echo if !looks_at_each_message(rules) => READ_MAX_BYTES_IN_BULK,
        Reply::Echo if few.contains(&rules.messages_per_connection) => READ_MAX_BYTES,
        Reply::Echo => READ_MAX_BYTES_OF_MESSAGES,
    }
}

/// Whether each message is looked at by itself. Where messages have neither a limit nor lines in the
/// log, a plain echo is answered read by read.
#[must_use]
pub fn looks_at_each_message(rules: &Rules) -> bool {
    let Rules { framing, reply, messages_per_connection, messages_are_logged, .. } = *rules;
    let is_plain = reply == Reply::Echo && messages_per_connection == 0 && !messages_are_logged;
    framing == Framing::Line && !is_plain
}

/// What the connection does once a reply is fully with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More messages may come: read on.
    Read,
    /// That was the last message that this connection may send.
    AllAnswered {
        /// More bytes follow the last message. They are not answered.
        input_behind: bool,
    },
    /// The next message is longer than `message_max_bytes`.
    TooLong,
    /// The peer has ended its input.
    InputEnded,
}

/// The longest acknowledgement of a message of `message_bytes` bytes, in bytes: Python may print each
/// byte with four characters, as `\xff`.
#[must_use]
pub fn acknowledgement_max_bytes(message_bytes: u64) -> u64 {
    4 * message_bytes + 40
}

/// The reply to one piece of input.
#[derive(Debug)]
pub struct Answer<'a> {
    /// What to send, in full, before anything else; may be empty.
    pub reply: Bytes<'a>,
    /// What follows it.
    pub then: Then,
}

/// The bytes of a reply.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// A part of the input itself.
    Input(&'a [u8]),
    /// Put together in the scratch memory.
    Scratch(&'a mut Vec<u8>),
}

impl Answer<'_> {
    /// How many bytes of the reply were put together: work that does not show in the bytes read, because
    /// most of a long message was read earlier.
    #[must_use]
    pub fn made_bytes(&self) -> usize {
        match &self.reply {
            Bytes::Input(_) => 0,
            Bytes::Scratch(bytes) => bytes.len(),
        }
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Input(bytes) => bytes,
            Bytes::Scratch(bytes) => bytes,
        }
    }
}

impl Bytes<'_> {
    /// Bytes to keep, and how many of these are sent already. A reply that fills most of the scratch
    /// memory is taken together with that memory: a copy would need as much again.
    #[must_use]
    pub fn keep_from(self, sent: usize) -> (Vec<u8>, usize) {
        match self {
            Bytes::Scratch(bytes) if bytes.len() > bytes.capacity() / 2 => (mem::take(bytes), sent),
            bytes => (bytes[sent..].to_vec(), 0),
        }
    }
}

/// The protocol's state of one connection. It owns heap memory only while a message is incomplete.
#[derive(Default)]
pub struct Echo {
    /// The beginning of a message. Holds no `\n`, and at most `message_max_bytes`.
    partial: Vec<u8>,
    messages: u32,
}

impl Echo {
    /// Takes in what was read and says what to answer.
    ///
    /// `seen` is shown every message once, complete and unaltered, or every piece of a stream. It is
    /// shown nothing where nobody looks at single messages. A plain echo is answered out of `input`
    /// itself; any other reply is put together in `scratch`.
    pub fn receive<'a>(
        &mut self,
        rules: &Rules,
        input: &'a [u8],
        scratch: &'a mut Vec<u8>,
        seen: &mut impl FnMut(&[u8]),
    ) -> Answer<'a> {
        if rules.framing == Framing::Stream {
            seen(input);
            return Answer { reply: Bytes::Input(input), then: Then::Read };
        }
        scratch.clear();
        if !looks_at_each_message(rules) {
            return self.receive_unseen(rules, input, scratch);
        }
        let in_place = self.partial.is_empty() && rules.reply == Reply::Echo;
        let mut rest = input;
        let then = loop {
            let line_end = memchr(b'\n', rest).map(|newline| newline + 1);
            let piece = &rest[..line_end.unwrap_or(rest.len())];
            if self.partial.len() + piece.len() > rules.message_max_bytes {
                break Then::TooLong;
            }
            if line_end.is_none() {
                self.keep(piece, rules);
                break Then::Read;
            }
            rest = &rest[piece.len()..];
            if in_place {
                seen(piece);
            } else {
                self.answer(rules, piece, scratch, seen);
            }
            self.messages = self.messages.saturating_add(1);
            if self.messages == rules.messages_per_connection {
                break Then::AllAnswered { input_behind: !rest.is_empty() };
            }
        };
        let answered = input.len() - rest.len();
        let reply =
            if in_place { Bytes::Input(&input[..answered]) } else { Bytes::Scratch(scratch) };
        Answer { reply, then }
    }

    /// The same where nobody looks at single messages. A window as long as the longest message moves
    /// over the input: while there is a newline in it, no message is too long.
    fn receive_unseen<'a>(
        &mut self,
        rules: &Rules,
        input: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Answer<'a> {
        let mut answered = 0;
        let mut room = rules.message_max_bytes - self.partial.len();
        let then = loop {
            let rest = &input[answered..];
            match memrchr(b'\n', &rest[..rest.len().min(room)]) {
                Some(newline) => answered += newline + 1,
                None if rest.len() > room => break Then::TooLong,
                None => break Then::Read,
            }
            room = rules.message_max_bytes;
        };
        let (ended, rest) = input.split_at(answered);
        let messages = u32::try_from(memchr_iter(b'\n', ended).count()).unwrap_or(u32::MAX);
        self.messages = self.messages.saturating_add(messages);
        let in_place = self.partial.is_empty();
        if answered > 0 && !in_place {
            scratch.append(&mut self.partial);
            scratch.extend_from_slice(ended);
            self.partial = Vec::new();
        }
        if then == Then::Read {
            self.keep(rest, rules);
        }
        let reply = if in_place { Bytes::Input(ended) } else { Bytes::Scratch(scratch) };
        Answer { reply, then }
    }

    /// Takes in the end of the input: a partial message is a message too.
    pub fn end<'a>(
        &mut self,
        rules: &Rules,
        scratch: &'a mut Vec<u8>,
        seen: &mut impl FnMut(&[u8]),
    ) -> Answer<'a> {
        scratch.clear();
        if !self.partial.is_empty() {
            self.answer(rules, &[], scratch, seen);
            self.messages = self.messages.saturating_add(1);
        }
        Answer { reply: Bytes::Scratch(scratch), then: Then::InputEnded }
    }

    /// Adds to the partial message. Its memory grows by doubling, but not beyond `message_max_bytes`.
    fn keep(&mut self, bytes: &[u8], rules: &Rules) {
        let needed = self.partial.len() + bytes.len();
        if needed > self.partial.capacity() {
            let doubled = (2 * self.partial.capacity()).min(rules.message_max_bytes);
            self.partial.reserve_exact(doubled.max(needed) - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
    }

    /// Adds the reply to the partial message and its end to the scratch memory.
    fn answer(
        &mut self,
        rules: &Rules,
        end: &[u8],
        scratch: &mut Vec<u8>,
        seen: &mut impl FnMut(&[u8]),
    ) {
        self.keep(end, rules);
        let mut message = mem::take(&mut self.partial);
        seen(&message);
        match rules.reply {
            Reply::Echo => scratch.append(&mut message),
            Reply::Acknowledge => {
                let quoted = trim_end(&message);
                if message.len() > LARGE_BYTES {
                    // Growing by doubling could take three times as much.
                    scratch.reserve_exact(ACKNOWLEDGEMENT.len() + repr_bytes(quoted) + 1);
                }
                scratch.extend_from_slice(ACKNOWLEDGEMENT.as_bytes());
                append_repr(quoted, scratch);
                scratch.push(b'\n');
            }
        }
    }

    /// Whether a message has begun and its end has not arrived.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.partial.is_empty()
    }

    /// How many messages were owed an answer. The count stops at its largest value.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echo")
            .field("partial_bytes", &self.partial.len())
            .field("messages", &self.messages)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_common::repr::BytesRepr;
    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    const LINES: Rules = Rules {
        framing: Framing::Line,
        reply: Reply::Echo,
        messages_per_connection: 0,
        message_max_bytes: 16,
        messages_are_logged: true,
    };

    /// The pieces of the input, the whole reply, and how the conversation ended early.
    type Case<'a> = (&'a [&'a [u8]], &'a [u8], Option<Then>);

    /// All that a connection does with its protocol: the reply, the messages seen, and the end.
    fn talk(rules: &Rules, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>, Option<Then>) {
        let (mut echo, mut scratch) = (Echo::default(), Vec::new());
        let (mut replies, mut seen) = (Vec::new(), Vec::new());
        let mut note = |message: &[u8]| seen.push(message.to_vec());
        for piece in pieces {
            let answer = echo.receive(rules, piece, &mut scratch, &mut note);
            replies.extend_from_slice(&answer.reply);
            if answer.then != Then::Read {
                let then = answer.then;
                return (replies, seen, Some(then));
            }
        }
        replies.extend_from_slice(&echo.end(rules, &mut scratch, &mut note).reply);
        (replies, seen, None)
    }

    #[test]
    fn lines_come_back_byte_for_byte_however_they_are_cut() {
        let cases: &[&[&[u8]]] = &[
            &[b"one\n"],
            &[b"o", b"n", b"e", b"\n"],
            &[b"one\ntwo\n"],
            &[b"one\ntw", b"o\nthree\n"],
            &[b"\n", b"\n\n"],
            &[b"\0\xff\r\x1b\n"],
            &[b"no newline"],
            &[b"one\nno ", b"newline"],
            &[],
        ];
        for pieces in cases {
            assert_eq!(talk(&LINES, pieces).0, pieces.concat(), "{pieces:?}");
        }
    }

    #[test]
    fn every_message_is_seen_once_and_whole() {
        let (_, seen, _) = talk(&LINES, &[b"one\ntw", b"o\n\nend"]);
        assert_eq!(seen, [&b"one\n"[..], b"two\n", b"\n", b"end"]);
    }

    #[test]
    fn the_last_message_closes_and_tells_of_input_behind_it() {
        let rules = Rules { messages_per_connection: 2, ..LINES };
        let cases: &[Case] = &[
            (&[b"1\n"], b"1\n", None),
            (&[b"1\n2\n"], b"1\n2\n", Some(Then::AllAnswered { input_behind: false })),
            (&[b"1\n2", b"\n3"], b"1\n2\n", Some(Then::AllAnswered { input_behind: true })),
            (&[b"1\n2\n3\n"], b"1\n2\n", Some(Then::AllAnswered { input_behind: true })),
        ];
        for (pieces, reply, then) in cases {
            let (replies, _, end) = talk(&rules, pieces);
            assert_eq!((&replies[..], &end), (*reply, then), "{pieces:?}");
        }
    }

    #[test]
    fn the_longest_message_is_answered_and_one_byte_more_is_not() {
        let fits = b"0123456789abcde\n";
        let unended = b"0123456789abcdef";
        let too_long = b"0123456789abcdef\n";
        let cases: &[Case] = &[
            (&[&fits[1..]], &fits[1..], None),
            (&[fits], fits, None),
            (&[&fits[..7], &fits[7..]], fits, None),
            (&[unended], unended, None),
            (&[too_long], b"", Some(Then::TooLong)),
            (&[unended, b"\n"], b"", Some(Then::TooLong)),
            (&[b"ok\n0123456789abcdefg"], b"ok\n", Some(Then::TooLong)),
        ];
        for (pieces, reply, then) in cases {
            let (replies, _, end) = talk(&LINES, pieces);
            assert_eq!((&replies[..], &end), (*reply, then), "{pieces:?}");
        }
    }

    #[test]
    fn acknowledgements_quote_the_message_as_python_does() {
        let rules = Rules { reply: Reply::Acknowledge, message_max_bytes: 64, ..LINES };
        let (replies, ..) =
            talk(&rules, &[b"[CLIENT 1] Message num", b"ber 1 sent\nit's \0\r\nend"]);
        let expected = "Your Message has been received: b'[CLIENT 1] Message number 1 sent'\n\
             Your Message has been received: b\"it's \\x00\"\n\
             Your Message has been received: b'end'\n";
        assert_eq!(String::from_utf8(replies).unwrap(), expected);
    }

    #[test]
    fn a_stream_has_no_messages_and_no_limits() {
        let rules = Rules { framing: Framing::Stream, messages_per_connection: 1, ..LINES };
        let pieces: &[&[u8]] = &[b"0123456789", b"\n\n\n", b"abcdefghijklmnopqrstuvwxyz"];
        let (replies, _, end) = talk(&rules, pieces);
        assert_eq!((replies, end), (pieces.concat(), None));
    }

    #[test]
    fn an_idle_connection_owns_no_memory() {
        let (mut echo, mut scratch) = (Echo::default(), Vec::new());
        for piece in [&b"begun"[..], b" and ended\n"] {
            echo.receive(&LINES, piece, &mut scratch, &mut |_| {});
        }
        assert_eq!((echo.is_mid_message(), echo.partial.capacity()), (false, 0));
    }

    proptest! {
        #[test]
        fn any_input_cut_anywhere_gives_the_same_reply(
            input in proptest::collection::vec(
                prop_oneof![3 => Just(b'\n'), 7 => any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1_usize..20, 1..40),
            limit in 0_u32..5,
            acknowledge in any::<bool>(),
        ) {
            let reply = if acknowledge { Reply::Acknowledge } else { Reply::Echo };
            let rules = Rules { messages_per_connection: limit, reply, ..LINES };
            let mut pieces = Vec::new();
            let mut rest = &input[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            let (whole, seen_whole, _) = talk(&rules, &[&input]);
            let (cut, seen_cut, _) = talk(&rules, &pieces);
            prop_assert_eq!(&cut, &whole);
            prop_assert_eq!(seen_cut, seen_whole);
            prop_assert!(acknowledge || input.starts_with(&whole));
        }
    }

    /// A second, plain implementation: it has the whole input, and takes one line after the other.
    /// `cuts` are the places where a piece ends.
    fn plainly(rules: &Rules, input: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Option<Then>) {
        let (mut answered, mut position) = (Vec::new(), 0);
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if line.len() > rules.message_max_bytes {
                return (answered, Some(Then::TooLong));
            }
            answered.push(line.to_vec());
            position += line.len();
            let is_whole = line.ends_with(b"\n");
            if is_whole && answered.len() == rules.messages_per_connection as usize {
                let input_behind = !cuts.contains(&position);
                return (answered, Some(Then::AllAnswered { input_behind }));
            }
        }
        (answered, None)
    }

    fn plain_reply(rules: &Rules, message: &[u8]) -> Vec<u8> {
        match rules.reply {
            Reply::Echo => message.to_vec(),
            Reply::Acknowledge => {
                let text = BytesRepr::new(trim_end(message), usize::MAX);
                format!("Your Message has been received: {text}\n").into_bytes()
            }
        }
    }

    /// Lines, most of them about as long as [`LINES`] allows. The last may lack its newline.
    fn input_near_the_limit() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![0_usize..4, 13_usize..18];
        let byte = any::<u8>().prop_filter("only the end is a newline", |byte| *byte != b'\n');
        let line = length.prop_flat_map(move |length| vec_of(byte.clone(), length));
        (vec_of(line, 0..6), any::<bool>()).prop_map(|(lines, is_ended)| {
            let mut input = lines.join(&b'\n');
            input.extend(is_ended.then_some(b'\n'));
            input
        })
    }

    fn rules_near_the_limit() -> impl Strategy<Value = Rules> {
        let reply = prop_oneof![Just(Reply::Echo), Just(Reply::Acknowledge)];
        (reply, 0_u32..4, any::<bool>()).prop_map(|(reply, limit, messages_are_logged)| Rules {
            reply,
            messages_per_connection: limit,
            messages_are_logged,
            ..LINES
        })
    }

    /// Cuts the input into pieces of these lengths, repeated. Returns also where each piece ends.
    fn cut<'a>(input: &'a [u8], lengths: &[usize]) -> (Vec<&'a [u8]>, Vec<usize>) {
        let (mut pieces, mut cuts, mut position) = (Vec::new(), Vec::new(), 0);
        for length in lengths.iter().cycle().take_while(|_| !input.is_empty()) {
            let end = (position + length).min(input.len());
            pieces.push(&input[position..end]);
            cuts.push(end);
            position = end;
            if position == input.len() {
                break;
            }
        }
        (pieces, cuts)
    }

    proptest! {
        #[test]
        fn a_plain_implementation_gives_the_same_replies(
            rules in rules_near_the_limit(),
            input in input_near_the_limit(),
            lengths in vec_of(1_usize..40, 1..8),
        ) {
            let (pieces, cuts) = cut(&input, &lengths);
            let (replies, seen, end) = talk(&rules, &pieces);
            let (answered, plain_end) = plainly(&rules, &input, &cuts);
            let plain: Vec<u8> = answered.iter().flat_map(|m| plain_reply(&rules, m)).collect();
            // Where nobody looks at single messages, only a message without its newline is shown.
            let is_shown = |m: &Vec<u8>| looks_at_each_message(&rules) || !m.ends_with(b"\n");
            let shown: Vec<Vec<u8>> = answered.into_iter().filter(is_shown).collect();
            prop_assert_eq!((replies, seen, end), (plain, shown, plain_end));
        }

        #[test]
        fn the_partial_message_and_the_count_follow_from_the_input(
            rules in rules_near_the_limit(),
            input in input_near_the_limit(),
            lengths in vec_of(1_usize..40, 1..8),
        ) {
            let (mut echo, mut scratch, mut position) = (Echo::default(), Vec::new(), 0);
            let (pieces, cuts) = cut(&input, &lengths);
            for (piece, end) in pieces.into_iter().zip(&cuts) {
                if echo.receive(&rules, piece, &mut scratch, &mut |_| {}).then != Then::Read {
                    return Ok(());
                }
                position = *end;
                let newlines = memchr::memchr_iter(b'\n', &input[..position]).count();
                prop_assert_eq!(echo.messages() as usize, newlines);
                let begun = input[..position].rsplit(|byte| *byte == b'\n').next().unwrap_or(&[]);
                prop_assert_eq!(&echo.partial[..], begun);
                prop_assert_eq!(echo.is_mid_message(), !begun.is_empty());
            }
            let count = input[..position].split_inclusive(|byte| *byte == b'\n').count();
            echo.end(&rules, &mut scratch, &mut |_| {});
            prop_assert_eq!((echo.messages() as usize, echo.is_mid_message()), (count, false));
        }

        #[test]
        fn any_stream_comes_back_byte_for_byte(
            pieces in vec_of(vec_of(any::<u8>(), 0..40), 0..8),
            limit in 0_u32..4,
        ) {
            let rules = Rules { framing: Framing::Stream, messages_per_connection: limit, ..LINES };
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (replies, seen, end) = talk(&rules, &pieces);
            prop_assert_eq!((replies, seen.concat(), end), (pieces.concat(), pieces.concat(), None));
        }
    }
}
