//! Aligned columns.
//!
//! Does no I/O. What stands in a cell may come from outside (a browser's agent, a subscriber's id), so it goes through
//! [`legible`] and cannot steer the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A column: its heading, and which side its cells keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// For text.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; it has as many cells as there are columns.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| legible(&cell).into_owned()).collect());
    }

    /// The lines, each with its end. Columns without any content are left out.
    pub(crate) fn render(&self, colour: bool) -> impl Iterator<Item = String> {
        let widths: Vec<usize> = (0..self.columns.len()).map(|nth| self.width(nth)).collect();
        let headings: Vec<&str> = self.columns.iter().map(|column| column.heading()).collect();
        let heading = line(&self.columns, &widths, &headings);
        let heading = if colour { format!("\x1b[1m{}\x1b[0m\n", heading.trim_end()) } else { heading };
        std::iter::once(heading).chain(self.rows.iter().map(move |row| {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            line(&self.columns, &widths, &cells)
        }))
    }

    /// Width of a column in characters; 0 where it has no content.
    fn width(&self, nth: usize) -> usize {
        let widest =
            self.rows.iter().filter_map(|row| row.get(nth)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        if widest == 0 && !self.rows.is_empty() { 0 } else { widest.max(self.columns[nth].heading().chars().count()) }
    }
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

fn line(columns: &[Column], widths: &[usize], cells: &[&str]) -> String {
    let mut text = String::new();
    for ((column, &width), cell) in columns.iter().zip(widths).zip(cells).filter(|((_, width), _)| **width > 0) {
        if !text.is_empty() {
            text.push_str("  ");
        }
        // Writing to a String cannot fail.
        let _ = match column {
            Column::Left(_) => write!(text, "{cell:<width$}"),
            Column::Right(_) => write!(text, "{cell:>width$}"),
        };
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The text with what steers a terminal written out: control characters, and marks that turn the direction of writing.
pub(crate) fn legible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            written.extend(c.escape_default());
        } else {
            written.push(c);
        }
    }
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new([Column::Left("NAME"), Column::Right("N"), Column::Left("TLS"), Column::Left("REST")]);
        table.push(["ü".into(), "1".into(), String::new(), "a b".into()]);
        table.push(["longer".into(), "1,000".into(), String::new(), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let expected = "NAME        N  REST\nü           1  a b\nlonger  1,000\n";
        assert_eq!(table().render(false).collect::<String>(), expected);
        assert!(table().render(true).collect::<String>().starts_with("\x1b[1mNAME        N  REST\x1b[0m\nü "));
    }

    #[test]
    fn a_table_without_rows_is_its_heading() {
        let table = Table::new([Column::Left("A"), Column::Right("B")]);
        assert_eq!(table.render(false).collect::<String>(), "A  B\n");
    }

    #[test]
    fn cells_cannot_steer_the_terminal() {
        assert_eq!(legible("a\x1b[2Jb\n\u{9b}\u{202e}ü"), "a\\u{1b}[2Jb\\n\\u{9b}\\u{202e}ü");
        assert!(matches!(legible("plain ü"), Cow::Borrowed(_)));
    }
}
