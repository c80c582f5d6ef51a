//! Bytes and addresses written as Python writes them, which is how the log shows peers.
//!
//! The result is plain printable ASCII, whatever a peer sends: nothing in it can move a terminal's
//! cursor or start a new log line.

use std::fmt::{self, Display, Write};
use std::net::SocketAddr;

/// Bytes as Python's `repr(bytes)`, cut after a number of source bytes.
///
/// What is cut is said behind the closing quote: `b'abc'... (5000 bytes)`, with the length of the
/// whole. The rules are those of `bytes.__repr__` in Python 3: single quotes, or double ones when
/// there are single quotes and no double ones in the text; `\\`, `\t`, `\n`, `\r`, and `\xNN` for
/// everything else that is not printable ASCII.
#[derive(Clone, Copy, Debug)]
pub struct BytesRepr<'a> {
    shown: &'a [u8],
    length: usize,
}

impl<'a> BytesRepr<'a> {
    /// Shows at most `limit` of the bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self {
            shown: &bytes[..bytes.len().min(limit)],
            length: bytes.len(),
        }
    }
}

impl Display for BytesRepr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = quote_for(self.shown);
        f.write_char('b')?;
        f.write_char(quote.into())?;
        write_escaped(f, self.shown, quote)?;
        f.write_char(quote.into())?;
        if self.shown.len() < self.length {
            write!(f, "... ({} bytes)", self.length)?;
        }
        Ok(())
    }
}

fn quote_for(bytes: &[u8]) -> u8 {
    if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        b'"'
    } else {
        b'\''
    }
}

/// Most messages are one run of plain bytes, so runs are written whole.
fn write_escaped(f: &mut fmt::Formatter<'_>, mut bytes: &[u8], quote: u8) -> fmt::Result {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != quote && *byte != b'\\';
    while !bytes.is_empty() {
        let plain = bytes.iter().take_while(|byte| is_plain(byte)).count();
        f.write_str(str::from_utf8(&bytes[..plain]).map_err(|_| fmt::Error)?)?;
        if let Some(&byte) = bytes.get(plain) {
            write_escape(f, byte)?;
        }
        bytes = bytes.get(plain + 1..).unwrap_or_default();
    }
    Ok(())
}

fn write_escape(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'\t' => f.write_str("\\t"),
        b'\n' => f.write_str("\\n"),
        b'\r' => f.write_str("\\r"),
        b' '..=b'~' => {
            f.write_char('\\')?;
            f.write_char(byte.into())
        }
        _ => {
            f.write_str("\\x")?;
            f.write_char(HEX[usize::from(byte >> 4)].into())?;
            f.write_char(HEX[usize::from(byte & 0xf)].into())
        }
    }
}

/// The bytes without trailing white space: Python's `bytes.rstrip()`.
#[must_use]
pub fn trim_end(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let spaces = bytes.iter().rev().take_while(|byte| is_space(byte)).count();
    &bytes[..bytes.len() - spaces]
}

/// Bytes as the text that they are, on one line: what is not printable is escaped, all else stays.
///
/// Unlike [`BytesRepr`] it keeps letters of all languages, and cannot always be read back.
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
/// Two deliberate differences for IPv6: flow and scope are left out, and a mapped IPv4 address is
/// shown as the IPv4 address that it is, so that one search finds a peer on both sides.
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

    fn repr(bytes: &[u8]) -> String {
        BytesRepr::new(bytes, usize::MAX).to_string()
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
            (
                b"[CLIENT 1] Message number 1 sent",
                "b'[CLIENT 1] Message number 1 sent'",
            ),
            (b"it's", r#"b"it's""#),
            (b"say \"hi\"", r#"b'say "hi"'"#),
            (b"it's \"hi\"", r#"b'it\'s "hi"'"#),
            (b"back\\slash", r"b'back\\slash'"),
            (
                b"\t\n\r\x0b\x0c\0\x1b[31m",
                r"b'\t\n\r\x0b\x0c\x00\x1b[31m'",
            ),
            (b"\x7f\x80\xff ~", r"b'\x7f\x80\xff ~'"),
            ("ñ".as_bytes(), r"b'\xc3\xb1'"),
        ] {
            assert_eq!(repr(bytes), expected);
        }
    }

    #[test]
    fn what_is_cut_is_said() {
        assert_eq!(BytesRepr::new(b"abcdef", 6).to_string(), "b'abcdef'");
        assert_eq!(
            BytesRepr::new(b"abcdef", 5).to_string(),
            "b'abcde'... (6 bytes)"
        );
        assert_eq!(BytesRepr::new(b"abcdef", 0).to_string(), "b''... (6 bytes)");
        // The quote fits what is shown, not what is cut.
        assert_eq!(BytesRepr::new(b"a\"'", 1).to_string(), "b'a'... (3 bytes)");
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
        fn the_quote_is_pythons_choice(bytes in r#"['"a]{0,4}"#) {
            let double = bytes.contains('\'') && !bytes.contains('"');
            prop_assert_eq!(repr(bytes.as_bytes()).starts_with("b\""), double);
        }

        #[test]
        fn only_printable_ascii(bytes: Vec<u8>, limit in 0..100_usize) {
            let text = BytesRepr::new(&bytes, limit).to_string();
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
