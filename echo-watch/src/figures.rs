//! Numbers as people read them.
//!
//! They are whole numbers throughout: a rate is a count and a time, and is divided when it is shown.

/// Microseconds in a second.
pub(crate) const SECOND_US: u64 = 1_000_000;

/// `18,204`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one` thing, or `many` of them: `1 event`, `1,024 events`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How many in a second, where `number` came in `us` microseconds. Below ten with one decimal.
pub(crate) fn a_second(number: u64, us: u64) -> String {
    let tenths = scaled(number, 10 * SECOND_US, us);
    let has_decimal = tenths < 100 && !tenths.is_multiple_of(10);
    if has_decimal { decimal(tenths) } else { count(tenths / 10) }
}

/// `7.7`, the mean of `whole` over `parts`.
pub(crate) fn mean(whole: u64, parts: u64) -> String {
    decimal(scaled(whole, 10, parts))
}

/// `63 %`, at most 100.
pub(crate) fn share(part: u64, whole: u64) -> String {
    format!("{} %", scaled(part, 100, whole).min(100))
}

/// `84 us`, `2.1 ms`, `1.2 s`, `12m44s`, `3h02m`, `2d03h`.
pub(crate) fn time(us: u64) -> String {
    let seconds = us / SECOND_US;
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", decimal(us / 100)),
        _ if seconds < 60 => format!("{} s", decimal(us / 100_000)),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `64 B`, `610 KiB`, `1.3 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_240 {
        tenths /= 1024;
        unit += 1;
    }
    let has_decimal = unit > 0 && tenths < 100;
    let tenths = u64::try_from(tenths).expect("it is less than 10,240");
    let number = if has_decimal { decimal(tenths) } else { count(tenths / 10) };
    format!("{number} {}", UNITS[unit])
}

/// `number * factor / divisor`; 0 where nothing can be divided by.
pub(crate) fn scaled(number: u64, factor: u64, divisor: u64) -> u64 {
    if divisor == 0 {
        return 0;
    }
    let scaled = u128::from(number) * u128::from(factor) / u128::from(divisor);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", count(tenths / 10), tenths % 10)
}

/// A number with a fraction that the server has measured, as a whole one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, and NaN is 0.
pub(crate) fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// What came from elsewhere, without a character that could move the cursor or be wider than one column.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_short() {
        for (shown, expected) in [
            (count(0), "0"),
            (count(999), "999"),
            (count(1_000), "1,000"),
            (count(18_204_000), "18,204,000"),
            (counted(1, "event", "events"), "1 event"),
            (counted(1_024, "event", "events"), "1,024 events"),
            (a_second(0, SECOND_US), "0"),
            (a_second(1, 2 * SECOND_US), "0.5"),
            (a_second(4, SECOND_US), "4"),
            (a_second(99, 10 * SECOND_US), "9.9"),
            (a_second(9_310, SECOND_US), "9,310"),
            (a_second(1, 0), "0"),
            (mean(77, 10), "7.7"),
            (mean(1, 0), "0.0"),
            (share(63, 100), "63 %"),
            (share(101, 100), "100 %"),
            (share(1, 0), "0 %"),
            (time(0), "0 us"),
            (time(999), "999 us"),
            (time(2_149), "2.1 ms"),
            (time(999_999), "999.9 ms"),
            (time(1_250_000), "1.2 s"),
            (time(764 * SECOND_US), "12m44s"),
            (time(10_920 * SECOND_US), "3h02m"),
            (time(183_600 * SECOND_US), "2d03h"),
            (bytes(1_023), "1,023 B"),
            (bytes(1_024), "1.0 KiB"),
            (bytes(610 * 1_024), "610 KiB"),
            (bytes(1_400_000), "1.3 MiB"),
            (bytes(u64::MAX), "15 EiB"),
        ] {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_fraction_is_rounded_and_nonsense_is_none() {
        for (number, expected) in
            [(0.4, 0), (0.5, 1), (71.2, 71), (-1.0, 0), (f64::NAN, 0), (f64::INFINITY, u64::MAX)]
        {
            assert_eq!(whole(number), expected);
        }
    }

    #[test]
    fn what_came_from_elsewhere_moves_no_cursor() {
        assert_eq!(plain("a b~\x1b[2J\u{7f}\u{f1}\u{4e2d}\n"), "a b~?[2J????");
    }
}
