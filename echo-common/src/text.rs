//! Text in lines that fit a terminal.

/// No line is longer, in characters, as long as no single word is.
pub(crate) const WIDTH_CHARS: usize = 100;

/// The words of `text` in lines, each behind `prefix`.
pub(crate) fn wrapped(text: &str, prefix: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH_CHARS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{prefix}{word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_full_as_they_can_be() {
        let long = "x".repeat(WIDTH_CHARS - 4);
        assert_eq!(wrapped("a b", "  # "), ["  # a b"]);
        assert_eq!(wrapped(&format!("{long} y"), "  # "), [format!("  # {long}"), "  # y".into()]);
        assert_eq!(wrapped(&format!("{long} y"), "# "), [format!("# {long} y")]);
    }
}
