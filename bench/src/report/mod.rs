//! Charts and the page of figures, drawn from the records. The same records give the same files, byte for byte.

pub mod axis;
pub mod chart;
pub mod goal;
pub mod goals;
pub mod metric;
pub mod page;
pub mod pictures;
pub mod results;
pub mod spread;
pub mod svg;
pub mod table;
pub mod text;
pub mod wins;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod golden;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::Failure;
use crate::place::Place;
use crate::record::Record;
use pictures::Picture;
use results::Results;

/// What `bench report` is told.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArguments {
    /// The folder of the records [default: target/bench/records].
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// The folder that gets benchmarks.md and benchmarks/*.svg [default: docs].
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Draws everything anew from the records.
pub fn run(place: &Place, arguments: &ReportArguments) -> Result<(), Failure> {
    let records = arguments.records.clone().unwrap_or_else(|| place.records());
    let out = arguments.out.clone().unwrap_or_else(|| place.root().join("docs"));
    let read = Record::read_all(&records)?;
    if read.is_empty() {
        return Err(Failure::new(format!("{} has no records: run some stories first", records.display())));
    }
    let report = Report::draw(&Results::newest(&read), notes(&out)?.as_deref());
    report.save(&out)?;
    println!("{} charts and {} from {} records", report.charts.len(), out.join(PAGE).display(), read.len());
    Ok(())
}

const PAGE: &str = "benchmarks.md";
const CHARTS: &str = "benchmarks";
const NOTES: &str = "benchmarks/notes.md";

/// What people wrote about the path of a message, if they did.
fn notes(out: &Path) -> Result<Option<String>, Failure> {
    let path = out.join(NOTES);
    match fs::read_to_string(&path) {
        Ok(notes) => Ok(Some(without_title(&notes).to_owned())),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(Failure::new(format!("{}: {why}", path.display()))),
    }
}

/// The notes have a title, as every page has; here they are a section of another.
fn without_title(notes: &str) -> &str {
    match notes.split_once('\n') {
        Some((title, rest)) if title.starts_with("# ") => rest.trim_start(),
        _ => notes,
    }
}

/// The page and its charts.
pub struct Report {
    /// The page in Markdown.
    pub page: String,
    /// The charts, file names first.
    pub charts: BTreeMap<String, String>,
}

impl Report {
    /// Draws all of it.
    pub fn draw(results: &Results, notes: Option<&str>) -> Report {
        let pictures: BTreeMap<String, Vec<Picture>> = results
            .stories()
            .into_iter()
            .map(|story| (story.to_owned(), pictures::of_story(results, story)))
            .collect();
        let page = page::write(results, &pictures, notes);
        let charts = pictures.into_values().flatten().map(|picture| (picture.file, picture.svg)).collect();
        Report { page, charts }
    }

    /// Writes all of it; charts that are drawn no more are removed.
    fn save(&self, out: &Path) -> Result<(), Failure> {
        let charts = out.join(CHARTS);
        let wrong = |path: &Path, why: std::io::Error| Failure::new(format!("{}: {why}", path.display()));
        fs::create_dir_all(&charts).map_err(|why| wrong(&charts, why))?;
        for entry in fs::read_dir(&charts).map_err(|why| wrong(&charts, why))? {
            let path = entry?.path();
            let drawn = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| self.charts.contains_key(name));
            if path.extension().is_some_and(|ending| ending == "svg") && !drawn && is_ours(&path) {
                fs::remove_file(&path).map_err(|why| wrong(&path, why))?;
            }
        }
        for (name, svg) in &self.charts {
            let path = charts.join(name);
            fs::write(&path, svg).map_err(|why| wrong(&path, why))?;
        }
        let page = out.join(PAGE);
        fs::write(&page, &self.page).map_err(|why| wrong(&page, why))
    }
}

/// Whether a picture was drawn by a report: flame graphs lie in the same folder and stay.
fn is_ours(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    pictures::KIND_NAMES.iter().any(|kind| name.ends_with(&format!("-{kind}")))
}
