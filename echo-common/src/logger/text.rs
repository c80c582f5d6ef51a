//! A log line as text: `2020-04-10 23:10:54 INFO     text`. The level is padded as by Python's `%-8s`.

use std::io::{self, Write};

use log::Record;

use super::timestamp::{self, SECONDS_BYTES};

/// Length of the part before the text, in bytes: time, a space, the level padded to 8, a space.
const PREFIX_BYTES: usize = SECONDS_BYTES + 1 + 8 + 1;

/// Pads the level by hand: `format_args!` would take as long for that as for the rest of the line.
pub(super) fn write_line(line: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let level = record.level().as_str().as_bytes();
    let mut prefix = [b' '; PREFIX_BYTES];
    prefix[..SECONDS_BYTES].copy_from_slice(&timestamp::seconds(timestamp::last_tick()));
    prefix[SECONDS_BYTES + 1..][..level.len()].copy_from_slice(level);
    line.write_all(&prefix)?;
    line.write_fmt(*record.args())?;
    line.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn the_line_is_padded_as_by_python() {
        for (level, padded) in
            [(Level::Error, "ERROR   "), (Level::Warn, "WARN    "), (Level::Info, "INFO    ")]
        {
            let mut line = Vec::new();
            let record = Record::builder().level(level).args(format_args!("text")).build();
            write_line(&mut line, &record).expect("a vector takes all");
            let line = String::from_utf8(line).expect("text");
            assert_eq!(&line[SECONDS_BYTES..], format!(" {padded} text\n"));
        }
    }
}
