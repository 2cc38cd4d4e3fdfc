//! Tables of data.

use super::Style;

/// Most cells of a table; further ones are left out.
const CELLS_MAX: usize = 20_000;

/// A table as it grows.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    cells: usize,
}

impl Table {
    /// Starts a row.
    pub fn row(&mut self) {
        if self.rows.last().is_none_or(|row| !row.is_empty()) {
            self.rows.push(Vec::new());
        }
    }

    /// Adds a cell to the row.
    pub fn cell(&mut self, text: String) {
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        if let Some(row) = self.rows.last_mut().filter(|_| self.cells < CELLS_MAX) {
            row.push(text);
            self.cells += 1;
        }
    }

    /// The table as text; its first row is the head.
    pub fn render(mut self, style: Style) -> String {
        self.rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
        if style == Style::Plain {
            return self.rows.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n");
        }
        let Some(head) = self.rows.first() else { return String::new() };
        // A table without columns is a list of texts; short rows are not filled up, as Markdown allows.
        let width = head.len();
        if self.rows.iter().all(|row| row.len() == 1) {
            return self.rows.concat().join("\n\n");
        }
        let line = |row: &Vec<String>| format!("| {} |", row.iter().map(|cell| escape(cell)).collect::<Vec<_>>().join(" | "));
        let mut lines: Vec<String> = self.rows.iter().map(line).collect();
        lines.insert(1, format!("|{}", " --- |".repeat(width)));
        lines.join("\n")
    }
}

fn escape(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
