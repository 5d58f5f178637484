//! `serve --print-config`.

use std::fmt::Write as _;

use super::load::Loaded;

/// Where the comments begin, unless the value is longer.
const COMMENT_COLUMN: usize = 48;

impl Loaded {
    /// The effective settings with where each came from: TOML that, given as a file, makes the same settings.
    #[must_use]
    pub fn print(&self) -> String {
        let mut page = String::new();
        for row in &self.effective {
            let line = format!("{} = {}", row.key, row.toml);
            writeln!(page, "{line:COMMENT_COLUMN$} # {}", row.origin).expect("a String takes all");
        }
        page
    }
}
