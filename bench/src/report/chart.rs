//! One chart: groups of rows, a row per peer and setting, with its name, its shape and its figures as text.

use super::axis::{Axis, Scale};
use super::svg::{Anchor, Svg};

/// One chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, with the unit.
    pub title: String,
    /// Which way is better, and what else a reader should know, in one line.
    pub subtitle: String,
    /// How values are laid out.
    pub scale: Scale,
    /// How a value is written under the axis.
    pub tick: fn(f64) -> String,
    /// What is compared within itself.
    pub groups: Vec<Group>,
}

/// The rows of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The case.
    pub label: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whose it is.
    pub label: String,
    /// The peer's number, which gives it its colour.
    pub colour: Colour,
    /// The peer's name for the legend.
    pub peer: String,
    /// When a confirm came.
    pub confirm: Confirm,
    /// What is drawn.
    pub shape: Shape,
    /// The figures as text.
    pub figures: String,
}

/// One of the colours of the style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Colour(pub u8);

/// What a confirm waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// The flush to the disk.
    Flush,
    /// The write to the page cache.
    PageCache,
}

/// What a row draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A bar to the median, with a line over the rounds.
    Bar {
        /// Its end.
        median: f64,
        /// The lowest and the highest round, where there was more than one.
        spread: Option<(f64, f64)>,
    },
    /// A mark per percentile.
    Marks {
        /// The 50th, the 99th and the 99.9th percentile, as far as the client tells them.
        percentiles: [Option<f64>; 3],
    },
}

impl Shape {
    fn values(&self) -> Vec<f64> {
        match self {
            Shape::Bar { median, spread } => {
                let (low, high) = spread.unwrap_or((*median, *median));
                vec![*median, low, high]
            }
            Shape::Marks { percentiles } => percentiles.iter().copied().flatten().collect(),
        }
    }
}

const WIDTH: f64 = 960.0;
const LABELS_END: f64 = 300.0;
const PLOT: (f64, f64) = (310.0, 750.0);
const FIGURES_START: f64 = 760.0;
const ROW: f64 = 19.0;
const BAR: f64 = 12.0;
const GROUP_HEAD: f64 = 24.0;
const MARGIN: f64 = 16.0;
/// The width of one legend entry per letter, and beside its letters.
const LETTER: f64 = 7.0;
const SWATCH: f64 = 30.0;

impl Chart {
    /// The chart as a file; `None` where it has nothing to draw.
    pub fn draw(&self) -> Option<String> {
        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        let axis = Axis::over(self.scale, rows().flat_map(|row| row.shape.values()))?;
        let mut svg = Svg::new(WIDTH);
        svg.text("title", Anchor::Start, (MARGIN, 26.0), &self.title);
        svg.text("quiet", Anchor::Start, (MARGIN, 45.0), &self.subtitle);
        let top = self.legend(&mut svg, 66.0) + 8.0;
        let rows_height: f64 =
            self.groups.iter().map(|group| GROUP_HEAD + ROW * group.rows.len() as f64).sum();
        let bottom = top + rows_height + 6.0;
        self.grid(&mut svg, &axis, top, bottom);
        let mut y = top;
        for group in &self.groups {
            svg.text("group", Anchor::Start, (MARGIN, y + 17.0), &group.label);
            y += GROUP_HEAD;
            for row in &group.rows {
                draw_row(&mut svg, &axis, row, y);
                y += ROW;
            }
        }
        Some(svg.finish(&self.title, bottom + 32.0))
    }

    /// Draws the legend and gives the foot of its last line.
    fn legend(&self, svg: &mut Svg, y: f64) -> f64 {
        let mut pen = Pen { svg, x: MARGIN, y };
        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        let mut peers: Vec<(Colour, &str)> = rows().map(|row| (row.colour, row.peer.as_str())).collect();
        peers.sort();
        peers.dedup();
        for (colour, peer) in peers {
            pen.entry(peer, |svg, x, y| svg.rect(&class(colour, Confirm::Flush), [x, y - 10.0, 14.0, 11.0]));
        }
        if rows().any(|row| matches!(row.shape, Shape::Marks { .. })) {
            for (at, name) in ["p50", "p99", "p99.9"].into_iter().enumerate() {
                pen.entry(name, |svg, x, y| mark(svg, at, "p6", (x + 7.0, y - 4.5)));
            }
        }
        if rows().any(|row| matches!(row.shape, Shape::Bar { spread: Some(_), .. })) {
            pen.entry("lowest to highest round", |svg, x, y| whisker(svg, (x, x + 14.0), y - 4.5));
        }
        for (confirm, name) in [
            (Confirm::Flush, "full: confirmed after a flush"),
            (Confirm::PageCache, "pale: confirmed from the page cache"),
        ] {
            if rows().any(|row| row.confirm == confirm) {
                pen.entry(name, |svg, x, y| svg.rect(&class(Colour(6), confirm), [x, y - 10.0, 14.0, 11.0]));
            }
        }
        pen.y
    }

    fn grid(&self, svg: &mut Svg, axis: &Axis, top: f64, bottom: f64) {
        for tick in axis.ticks() {
            let x = across(axis, tick);
            svg.stroke("grid", [x, top, x, bottom]);
            svg.text("quiet", Anchor::Middle, (x, bottom + 16.0), &(self.tick)(tick));
        }
    }
}

/// Writes the legend's entries behind each other, and on a new line where the picture ends.
struct Pen<'a> {
    svg: &'a mut Svg,
    x: f64,
    y: f64,
}

impl Pen<'_> {
    fn entry(&mut self, name: &str, draw: impl FnOnce(&mut Svg, f64, f64)) {
        let width = SWATCH + LETTER * name.chars().count() as f64;
        if self.x > MARGIN && self.x + width > WIDTH - MARGIN {
            (self.x, self.y) = (MARGIN, self.y + ROW);
        }
        draw(self.svg, self.x, self.y);
        self.svg.text("", Anchor::Start, (self.x + 19.0, self.y), name);
        self.x += width;
    }
}

fn draw_row(svg: &mut Svg, axis: &Axis, row: &Row, y: f64) {
    let (foot, middle) = (y + 13.5, y + ROW / 2.0);
    svg.text("", Anchor::End, (LABELS_END, foot), &row.label);
    let class = class(row.colour, row.confirm);
    match &row.shape {
        Shape::Bar { median, spread } => {
            svg.rect(&class, [PLOT.0, middle - BAR / 2.0, across(axis, *median) - PLOT.0, BAR]);
            if let Some((low, high)) = spread {
                whisker(svg, (across(axis, *low), across(axis, *high)), middle);
            }
        }
        Shape::Marks { percentiles } => {
            let known = || {
                percentiles.iter().enumerate().filter_map(|(at, value)| Some((at, across(axis, (*value)?))))
            };
            if let (Some((_, first)), Some((_, last))) = (known().next(), known().next_back()) {
                svg.stroke(&format!("range {class}"), [first, middle, last, middle]);
            }
            for (at, x) in known() {
                mark(svg, at, &class, (x, middle));
            }
        }
    }
    svg.text("", Anchor::Start, (FIGURES_START, foot), &row.figures);
}

/// A disc, a diamond or a triangle: a reader without colours tells them apart too.
fn mark(svg: &mut Svg, which: usize, class: &str, (x, y): (f64, f64)) {
    match which {
        0 => svg.disc(class, (x, y), 4.5),
        1 => svg.shape(class, &[(x - 5.5, y), (x, y - 5.5), (x + 5.5, y), (x, y + 5.5)]),
        _ => svg.shape(class, &[(x - 5.0, y + 4.5), (x, y - 5.5), (x + 5.0, y + 4.5)]),
    }
}

fn whisker(svg: &mut Svg, (from, to): (f64, f64), y: f64) {
    svg.stroke("spread", [from, y, to, y]);
    for x in [from, to] {
        svg.stroke("spread", [x, y - 4.0, x, y + 4.0]);
    }
}

fn across(axis: &Axis, value: f64) -> f64 {
    PLOT.0 + axis.share(value) * (PLOT.1 - PLOT.0)
}

fn class(colour: Colour, confirm: Confirm) -> String {
    match confirm {
        Confirm::Flush => format!("p{}", colour.0),
        Confirm::PageCache => format!("p{} cached", colour.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(shape: Shape) -> Row {
        Row {
            label: "Kafka (page cache)".into(),
            colour: Colour(1),
            peer: "Kafka".into(),
            confirm: Confirm::PageCache,
            shape,
            figures: "36,100".into(),
        }
    }

    fn chart(scale: Scale, shape: Shape) -> Chart {
        let groups = vec![Group { label: "64 connections".into(), rows: vec![row(shape)] }];
        Chart {
            title: "records/s".into(),
            subtitle: "higher is better".into(),
            scale,
            tick: super::super::text::figure,
            groups,
        }
    }

    #[test]
    fn a_bar_says_in_words_what_it_shows() {
        let bar = Shape::Bar { median: 36_100.0, spread: Some((30_000.0, 40_000.0)) };
        let file = chart(Scale::Linear, bar).draw().unwrap();
        for words in [
            ">records/s<",
            ">64 connections<",
            ">Kafka (page cache)<",
            ">36,100<",
            ">lowest to highest round<",
            ">pale: confirmed from the page cache<",
        ] {
            assert!(file.contains(words), "{words} is missing");
        }
        assert!(!file.contains("confirmed after a flush"), "nobody did");
    }

    #[test]
    fn a_chart_without_values_is_not_drawn() {
        assert_eq!(chart(Scale::Linear, Shape::Bar { median: 0.0, spread: None }).draw(), None);
    }

    #[test]
    fn percentiles_have_a_shape_each() {
        let file = chart(Scale::Logarithmic, Shape::Marks { percentiles: [100.0, 900.0, 5000.0].map(Some) })
            .draw()
            .unwrap();
        assert!(file.contains("<circle") && file.matches("<polygon").count() == 4, "{file}");
    }
}
