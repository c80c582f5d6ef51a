//! Bytes and addresses as Python writes them: the log shows peers and their messages like this.
//!
//! The result is printable ASCII, whatever a peer sends, so it cannot move a terminal's cursor or
//! start a new log line.

use std::convert::Infallible;
use std::fmt::{self, Display, Write};
use std::net::SocketAddr;

/// Bytes as Python's `repr(bytes)`, cut after a number of source bytes.
///
/// Behind a text that is cut stands the length of the whole: `b'abc'... (5000 bytes)`. The rules
/// are those of `bytes.__repr__` in Python 3: single quotes, or double ones when there are single
/// quotes and no double ones in the text; `\\`, `\t`, `\n`, `\r`, and `\xNN` for everything else
/// that is not printable ASCII.
#[derive(Clone, Copy, Debug)]
pub struct BytesRepr<'a> {
    shown: &'a [u8],
    length: usize,
}

impl<'a> BytesRepr<'a> {
    /// Shows at most `limit` of the bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self { shown: &bytes[..bytes.len().min(limit)], length: bytes.len() }
    }
}

impl Display for BytesRepr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = quote_for(self.shown);
        let mut pieces = Pieces::new(f);
        pieces.push(&[b'b', quote])?;
        escape(self.shown, Some(quote), |piece| pieces.push(piece))?;
        pieces.push(&[quote])?;
        pieces.flush()?;
        if self.shown.len() < self.length {
            write!(f, "... ({} bytes)", self.length)?;
        }
        Ok(())
    }
}

/// Bytes with the escapes of [`BytesRepr`], but without quotes around them, and cut without a word:
/// for a field of its own, such as one of a JSON object.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Shows at most `limit` of the bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self(&bytes[..bytes.len().min(limit)])
    }
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = Pieces::new(f);
        escape(self.0, None, |piece| pieces.push(piece))?;
        pieces.flush()
    }
}

fn quote_for(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' }
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Which bytes need no escape, whatever the quote is. A table, because a log line asks for each byte.
static IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        is_plain[byte as usize] = is_printable(byte) && !matches!(byte, b'\'' | b'"' | b'\\');
        byte += 1;
    }
    is_plain
};

fn hex_escape(byte: u8) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value)];
    [b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]
}

/// Hands on the bytes with their escapes, piece by piece. Only a quote of the kind that stands around them
/// is escaped. Inlined, because a line of the log takes longer without.
#[inline]
fn escape<E>(
    bytes: &[u8],
    quote: Option<u8>,
    mut push: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = bytes;
    loop {
        let plain = rest.iter().position(|byte| !IS_PLAIN[usize::from(*byte)]);
        let (run, behind) = rest.split_at(plain.unwrap_or(rest.len()));
        push(run)?;
        let Some((&byte, behind)) = behind.split_first() else { return Ok(()) };
        match byte {
            b'\t' => push(b"\\t")?,
            b'\n' => push(b"\\n")?,
            b'\r' => push(b"\\r")?,
            _ if Some(byte) == quote || byte == b'\\' => push(&[b'\\', byte])?,
            _ if !is_printable(byte) => push(&hex_escape(byte))?,
            _ => push(&[byte])?,
        }
        rest = behind;
    }
}

/// Adds the text that [`BytesRepr`] shows for all of the bytes to memory. For long texts this is many times
/// as fast as the formatter.
pub fn append_repr(bytes: &[u8], out: &mut Vec<u8>) {
    let quote = quote_for(bytes);
    out.extend_from_slice(&[b'b', quote]);
    let Ok(()) = escape(bytes, Some(quote), |piece| {
        out.extend_from_slice(piece);
        Ok::<_, Infallible>(())
    });
    out.push(quote);
}

/// How many bytes [`append_repr`] adds.
#[must_use]
pub fn repr_bytes(bytes: &[u8]) -> usize {
    let mut count = b"b''".len();
    let Ok(()) = escape(bytes, Some(quote_for(bytes)), |piece| {
        count += piece.len();
        Ok::<_, Infallible>(())
    });
    count
}

/// Collects pieces of ASCII: to call the formatter for each costs more than the rest of a line.
struct Pieces<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    buffer: [u8; PIECES_BYTES],
    length: usize,
}

/// Room for most messages, in bytes.
const PIECES_BYTES: usize = 128;

impl<'a, 'f> Pieces<'a, 'f> {
    fn new(out: &'a mut fmt::Formatter<'f>) -> Self {
        let buffer = [0; PIECES_BYTES];
        Self { out, buffer, length: 0 }
    }

    #[inline]
    fn push(&mut self, piece: &[u8]) -> fmt::Result {
        for part in piece.chunks(PIECES_BYTES) {
            if self.length + part.len() > PIECES_BYTES {
                self.flush()?;
            }
            self.buffer[self.length..][..part.len()].copy_from_slice(part);
            self.length += part.len();
        }
        Ok(())
    }

    fn flush(&mut self) -> fmt::Result {
        let text = str::from_utf8(&self.buffer[..self.length]).map_err(|_| fmt::Error)?;
        self.length = 0;
        self.out.write_str(text)
    }
}

/// The bytes without trailing white space: Python's `bytes.rstrip()`.
#[must_use]
pub fn trim_end(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let spaces = bytes.iter().rev().take_while(|byte| is_space(byte)).count();
    &bytes[..bytes.len() - spaces]
}

/// Bytes as text on one line: characters that are not printable are escaped, all others stay.
///
/// Unlike [`BytesRepr`] it keeps the letters of all languages, and cannot always be read back.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '"' | '\\' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// An address as Python shows a peer: `('172.24.125.3', 60392)`.
///
/// IPv6 differs on purpose: flow and scope are left out, and an IPv4 address that is mapped into
/// IPv6 is shown as IPv4, so that one search finds a connection in the logs of both sides.
#[derive(Clone, Copy, Debug)]
pub struct AddressRepr(
    /// The address to show.
    pub SocketAddr,
);

impl Display for AddressRepr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "('{}', {})", self.0.ip().to_canonical(), self.0.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text, which is the same by each way.
    fn repr(bytes: &[u8]) -> String {
        let text = BytesRepr::new(bytes, usize::MAX).to_string();
        let mut appended = Vec::new();
        append_repr(bytes, &mut appended);
        assert_eq!(appended, text.as_bytes());
        assert_eq!(repr_bytes(bytes), text.len());
        text
    }

    /// Reads a bytes literal back; `None` where Python would not have written it like this.
    fn parse_literal(literal: &str) -> Option<Vec<u8>> {
        let text = literal.strip_prefix('b')?.as_bytes();
        let quote = *text.first()?;
        let mut rest = text.get(1..)?.strip_suffix(&[quote])?;
        let mut bytes = Vec::new();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte != b'\\' {
                bytes.push(Some(byte).filter(|b| (32..127).contains(b) && *b != quote)?);
                continue;
            }
            let (&escape, tail) = rest.split_first()?;
            rest = tail;
            bytes.push(match escape {
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                b'x' => {
                    let (digits, tail) = rest.split_at_checked(2)?;
                    rest = tail;
                    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
                }
                _ => Some(escape).filter(|b| *b == quote)?,
            });
        }
        Some(bytes)
    }

    /// Each right-hand side was printed by Python 3.11.
    #[test]
    fn as_python_writes_it() {
        for (bytes, expected) in [
            (&b""[..], "b''"),
            (b"[CLIENT 1] Message number 1 sent", "b'[CLIENT 1] Message number 1 sent'"),
            (b"it's", r#"b"it's""#),
            (b"say \"hi\"", r#"b'say "hi"'"#),
            (b"it's \"hi\"", r#"b'it\'s "hi"'"#),
            (b"back\\slash", r"b'back\\slash'"),
            (b"\t\n\r\x0b\x0c\0\x1b[31m", r"b'\t\n\r\x0b\x0c\x00\x1b[31m'"),
            (b"\x7f\x80\xff ~", r"b'\x7f\x80\xff ~'"),
            ("ñ".as_bytes(), r"b'\xc3\xb1'"),
        ] {
            assert_eq!(repr(bytes), expected);
        }
    }

    #[test]
    fn runs_of_every_length() {
        for length in 0..3 * PIECES_BYTES {
            let run = "x".repeat(length);
            let expected = format!("b'{run}\\n{run}'");
            assert_eq!(repr(format!("{run}\n{run}").as_bytes()), expected);
        }
    }

    #[test]
    fn a_text_that_is_cut_says_so() {
        assert_eq!(BytesRepr::new(b"abcdef", 6).to_string(), "b'abcdef'");
        assert_eq!(BytesRepr::new(b"abcdef", 5).to_string(), "b'abcde'... (6 bytes)");
        assert_eq!(BytesRepr::new(b"abcdef", 0).to_string(), "b''... (6 bytes)");
        // Only the bytes that are shown decide on the quote.
        assert_eq!(BytesRepr::new(b"a\"'", 1).to_string(), "b'a'... (3 bytes)");
    }

    #[test]
    fn without_quotes_none_is_escaped() {
        for (bytes, limit, expected) in [
            (&b"it's \"hi\"\n"[..], 100, r#"it's "hi"\n"#),
            (b"back\\slash\x00\xff", 100, r"back\\slash\x00\xff"),
            (b"abcdef", 5, "abcde"),
            (b"", 5, ""),
        ] {
            assert_eq!(Escaped::new(bytes, limit).to_string(), expected);
        }
    }

    #[test]
    fn addresses() {
        for (address, expected) in [
            ("172.24.125.3:60392", "('172.24.125.3', 60392)"),
            ("[::1]:5", "('::1', 5)"),
            ("[::ffff:10.0.0.1]:80", "('10.0.0.1', 80)"),
        ] {
            let address = AddressRepr(address.parse().expect("an address"));
            assert_eq!(address.to_string(), expected);
        }
    }

    #[test]
    fn printable_text_stays_and_the_rest_is_escaped() {
        for (bytes, expected) in [
            ("Grüße, 'a' \"b\" \\ ✓".as_bytes(), "Grüße, 'a' \"b\" \\ ✓"),
            (b"\x1b[31m\r\n\0", r"\u{1b}[31m\r\n\0"),
            ("\u{202e}\u{2028}".as_bytes(), r"\u{202e}\u{2028}"),
            (b"a\xffb", r"a\xffb"),
        ] {
            assert_eq!(printable(bytes), expected);
        }
    }

    #[test]
    fn trailing_white_space() {
        for (bytes, expected) in [
            (&b"a b \t\n\r\x0b\x0c"[..], &b"a b"[..]),
            (b"a\n\0", b"a\n\0"),
            (b" \n", b""),
            (b"", b""),
            // U+0085 is white space in text, not in bytes.
            (b"a\x85\xa0", b"a\x85\xa0"),
        ] {
            assert_eq!(trim_end(bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn printable_text_is_one_line_without_controls(bytes: Vec<u8>) {
            prop_assert!(!printable(&bytes).chars().any(char::is_control));
        }

        #[test]
        fn nothing_is_lost(bytes: Vec<u8>) {
            prop_assert_eq!(parse_literal(&repr(&bytes)), Some(bytes));
        }

        #[test]
        fn nothing_is_lost_of_long_runs(text in "[ -~\n]{0,600}") {
            prop_assert_eq!(parse_literal(&repr(text.as_bytes())), Some(text.into_bytes()));
        }

        #[test]
        fn the_quote_is_pythons_choice(bytes in r#"['"a]{0,4}"#) {
            let double = bytes.contains('\'') && !bytes.contains('"');
            prop_assert_eq!(repr(bytes.as_bytes()).starts_with("b\""), double);
        }

        #[test]
        fn only_printable_ascii(bytes: Vec<u8>, limit in 0..100_usize) {
            let text = BytesRepr::new(&bytes, limit).to_string();
            let bare = Escaped::new(&bytes, limit).to_string();
            prop_assert!(text.bytes().chain(bare.bytes()).all(is_printable));
        }

        #[test]
        fn the_escapes_are_the_same_without_quotes(bytes: Vec<u8>) {
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\'').collect();
            let bare = Escaped::new(&bytes, usize::MAX);
            prop_assert_eq!(format!("b'{bare}'"), repr(&bytes));
        }
    }
}
