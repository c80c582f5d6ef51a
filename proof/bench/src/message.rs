//! The lines that are sent, and the check of what comes back.
//!
//! Every line of a run is different, so that a reply of another connection, of another message or
//! of a stale buffer cannot pass for the right one.

use std::io;

/// Shortest line in bytes: room for what tells one line from all others, and the `\n`.
pub const LINE_BYTES_MIN: usize = 32;

const DIGITS: usize = 12;

/// Makes the line of any connection and sequence number, one at a time.
pub struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Lines of `length` bytes, the `\n` included.
    ///
    /// # Panics
    /// If `length` is below [`LINE_BYTES_MIN`].
    #[must_use]
    pub fn new(length: usize) -> Self {
        assert!(length >= LINE_BYTES_MIN, "no room for the numbers");
        let mut bytes: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
        bytes[DIGITS] = b' ';
        bytes[2 * DIGITS + 1] = b' ';
        bytes[length - 1] = b'\n';
        Self { bytes }
    }

    /// The length of each line in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The line with this sequence number on this connection.
    pub fn line(&mut self, connection: usize, sequence: u64) -> &[u8] {
        write_decimal(&mut self.bytes[..DIGITS], connection as u64);
        write_decimal(&mut self.bytes[DIGITS + 1..=2 * DIGITS], sequence);
        &self.bytes
    }

    /// Compares `part` with what must stand at `offset` in the reply to that line.
    ///
    /// # Errors
    /// `InvalidData` at the first byte that is wrong or too many.
    pub fn verify(
        &mut self,
        connection: usize,
        sequence: u64,
        offset: usize,
        part: &[u8],
    ) -> io::Result<()> {
        let line = self.line(connection, sequence);
        if line.get(offset..offset + part.len()) == Some(part) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "wrong reply on connection {connection}, message {sequence}, from byte {offset}: {}",
                part[..part.len().min(80)].escape_ascii()
            ),
        ))
    }
}

fn write_decimal(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b"0123456789"[usize::try_from(number % 10).expect("a digit")];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_length_and_differ() {
        for length in [LINE_BYTES_MIN, 64, 4096] {
            let mut lines = Lines::new(length);
            let first = lines.line(7, 1).to_vec();
            assert_eq!(first.len(), length);
            assert!(!first[..length - 1].contains(&b'\n'));
            assert_eq!(first.last(), Some(&b'\n'));
            assert_ne!(lines.line(7, 2), first);
            assert_ne!(lines.line(8, 1), first);
        }
    }

    #[test]
    fn replies_are_checked_in_any_parts() {
        let mut lines = Lines::new(64);
        let line = lines.line(3, 9).to_vec();
        for cut in 0..=64 {
            lines.verify(3, 9, 0, &line[..cut]).unwrap();
            lines.verify(3, 9, cut, &line[cut..]).unwrap();
        }
    }

    #[test]
    fn every_wrong_byte_is_found() {
        let mut lines = Lines::new(64);
        let line = lines.line(3, 9).to_vec();
        for at in 0..64 {
            let mut wrong = line.clone();
            wrong[at] ^= 1;
            assert!(lines.verify(3, 9, 0, &wrong).is_err(), "byte {at}");
        }
        assert!(lines.verify(3, 10, 0, &line).is_err(), "a stale reply");
        let twice = [line.as_slice(), &line].concat();
        assert!(lines.verify(3, 9, 0, &twice).is_err(), "a reply too many");
    }
}
