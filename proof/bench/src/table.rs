//! A table: rows of words, printed for a terminal or for Markdown.

use std::fmt::Write as _;

/// A table with a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// A sentence on how to read it, or nothing.
    pub caption: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The cells, a row each as long as `head`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(title: &str, caption: &str, head: &[&str]) -> Self {
        Self {
            title: title.to_string(),
            caption: caption.to_string(),
            head: head.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// The table with its columns aligned by spaces.
    #[must_use]
    pub fn to_text(&self) -> String {
        let widths = self.widths();
        let mut text = format!("{}\n", self.title);
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width - cell.chars().count());
                let _ = write!(line, " {cell}{padding} ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The table in Markdown, under a heading of the third level.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let heading = format!("### {}", self.title);
        let parts = [heading, self.caption.clone(), self.rows_to_markdown()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n\n")
    }

    /// The rows in Markdown, with nothing around.
    #[must_use]
    pub fn rows_to_markdown(&self) -> String {
        let rule = vec!["---".to_string(); self.head.len()];
        let rows = [&self.head, &rule].into_iter().chain(&self.rows);
        let lines: Vec<_> = rows.map(|row| format!("| {} |", row.join(" | "))).collect();
        lines.join("\n")
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let rows = std::iter::once(&self.head).chain(&self.rows);
            let cells = rows.filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.head.len()).map(width).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Cost", "In µs.", &["server", "µs"]);
        table.rows.push(vec!["a".into(), "17.25".into()]);
        table.rows.push(vec!["longer".into(), "3".into()]);
        table
    }

    #[test]
    fn text_is_aligned() {
        let expected = "Cost\n  server  µs\n  a       17.25\n  longer  3\n";
        assert_eq!(table().to_text(), expected);
    }

    #[test]
    fn markdown_has_a_rule() {
        let expected =
            "### Cost\n\nIn µs.\n\n| server | µs |\n| --- | --- |\n| a | 17.25 |\n| longer | 3 |";
        assert_eq!(table().to_markdown(), expected);
    }
}
