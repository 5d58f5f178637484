//! Columns for people.

/// Rows under a heading, each column as wide as its widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand at the right.
    right: &'static [usize],
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str], right: &'static [usize]) -> Table {
        Table { rows: vec![headings.iter().map(ToString::to_string).collect()], right }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = widths[column];
                if self.right.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let mut table = Table::new(&["topic", "records"], &[1]);
        table.row(["flights".into(), "336,776".into()]);
        table.row(["a".into(), "1".into()]);
        assert_eq!(table.text(), "topic    records\nflights  336,776\na              1\n");
    }
}
