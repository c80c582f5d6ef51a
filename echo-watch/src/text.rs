//! Lines of text with tones, which fit the terminal.
//!
//! All text is printable ASCII, so that a character is a column.

/// How a piece of text is shown, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// What only helps to read the rest.
    Faint,
    Strong,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// Its "select graphic rendition".
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Faint => "\x1b[2m",
            Tone::Strong => "\x1b[1m",
            Tone::Good => "\x1b[1;32m",
            Tone::Warning => "\x1b[33m",
            Tone::Bad => "\x1b[1;31m",
        }
    }
}

/// A line of the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Line {
        Line::default().with(tone, text)
    }

    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Line {
        self.0.push((tone, text.into()));
        self
    }

    /// In columns.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.len()).sum()
    }

    /// Pads the line, so that what follows begins in this column, or as soon as the line has ended.
    pub(crate) fn padded(self, column: usize) -> Line {
        let missing = column.saturating_sub(self.width());
        self.with(Tone::Plain, " ".repeat(missing))
    }

    /// The line without what does not fit.
    pub(crate) fn cut(mut self, columns: usize) -> Line {
        let mut room = columns;
        for (_, text) in &mut self.0 {
            text.truncate(room);
            room -= text.len();
        }
        self
    }

    /// The line as the terminal gets it.
    pub(crate) fn painted(&self, with_colours: bool) -> String {
        let paint = |(tone, text): &(Tone, String)| match tone.code() {
            code if with_colours && !code.is_empty() => format!("{code}{text}\x1b[0m"),
            _ => text.clone(),
        };
        self.0.iter().map(paint).collect()
    }
}

/// Puts cells behind a label, as many as fit, and the others below in lines of their own. No cell is
/// broken. A cell has its column as long as no cell before it is wider than said.
pub(crate) fn flow(
    label: &str,
    label_columns: usize,
    cells: Vec<Cell>,
    columns: usize,
) -> Vec<Line> {
    let mut lines = vec![Line::new(Tone::Faint, label).padded(label_columns)];
    let mut is_first = true;
    for cell in cells {
        let mut line = lines.pop().expect("there is always one");
        let gap = if is_first { 0 } else { GAP };
        if !is_first && line.width() + gap + cell.line.width() > columns {
            lines.push(line);
            line = Line::default().padded(label_columns);
        } else {
            line = line.padded_by(gap);
        }
        let end = line.width() + cell.columns;
        for (tone, text) in cell.line.0 {
            line = line.with(tone, text);
        }
        lines.push(line.padded(end));
        is_first = false;
    }
    lines
}

/// Columns between two cells.
const GAP: usize = 2;

impl Line {
    fn padded_by(self, columns: usize) -> Line {
        let column = self.width() + columns;
        self.padded(column)
    }
}

/// A part of a line that is never broken.
#[derive(Debug)]
pub(crate) struct Cell {
    line: Line,
    columns: usize,
}

impl Cell {
    /// A name and its value. What follows stays where it is as long as both fit into `columns`.
    pub(crate) fn new(name: &str, value: impl AsRef<str>, columns: usize) -> Cell {
        let line = match name {
            "" => Line::new(Tone::Plain, value.as_ref()),
            _ => Line::new(Tone::Faint, format!("{name} ")).with(Tone::Plain, value.as_ref()),
        };
        Cell { line, columns }
    }

    pub(crate) fn of(line: Line, columns: usize) -> Cell {
        Cell { line, columns }
    }
}

/// A sentence in lines, broken between words, each behind so many columns of `mark` or of blanks.
pub(crate) fn wrapped(mark: &str, sentence: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{}{word}", " ".repeat(mark.len()))),
            None => lines.push(format!("{mark}{word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.painted(false).trim_end().to_owned()).collect()
    }

    fn cells() -> Vec<Cell> {
        vec![
            Cell::new("idle", "371", 10),
            Cell::new("", "none", 4),
            Cell::new("open", "1,000,000", 8),
        ]
    }

    #[test]
    fn cells_have_their_columns_and_are_never_broken() {
        for (columns, expected) in [
            (80, &["now    idle 371    none  open 1,000,000"][..]),
            (39, &["now    idle 371    none  open 1,000,000"]),
            (38, &["now    idle 371    none", "       open 1,000,000"]),
            (20, &["now    idle 371", "       none", "       open 1,000,000"]),
            (1, &["now    idle 371", "       none", "       open 1,000,000"]),
        ] {
            assert_eq!(shown(&flow("now", 7, cells(), columns)), expected, "{columns}");
        }
    }

    #[test]
    fn a_line_is_cut_where_it_does_not_fit() {
        let line = Line::new(Tone::Bad, "abc").with(Tone::Plain, "defg");
        for (columns, expected) in [(0, ""), (2, "ab"), (3, "abc"), (5, "abcde"), (9, "abcdefg")] {
            assert_eq!(line.clone().cut(columns).painted(false), expected);
        }
        assert_eq!(line.cut(5).painted(true), "\x1b[1;31mabc\x1b[0mde");
    }

    #[test]
    fn a_sentence_is_broken_between_words() {
        assert_eq!(wrapped("!  ", "one two three", 10), ["!  one two", "   three"]);
        assert_eq!(wrapped("!  ", "one two three", 9), ["!  one", "   two", "   three"]);
        assert_eq!(wrapped("!  ", "one two three", 80), ["!  one two three"]);
    }
}
