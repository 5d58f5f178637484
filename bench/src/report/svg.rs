//! A picture as text: shapes with classes, and the colours of the classes for light and for dark surroundings.
//!
//! Written by hand, because a chart here is rows of rectangles and text, its bytes must not change with a library's version,
//! and no chart crate gives one file that suits both light and dark pages.

use std::fmt::Write;

use super::text::xml;

/// A picture that grows downwards.
pub struct Svg {
    width: f64,
    body: String,
}

/// Where a text stands relative to its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Svg {
    /// An empty picture so many pixels wide.
    pub fn new(width: f64) -> Svg {
        Svg { width, body: String::new() }
    }

    /// A rectangle.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.line(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}"/>"#,
            width.max(0.0)
        ));
    }

    /// A straight line.
    pub fn stroke(&mut self, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
        self.line(format_args!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    /// A closed shape.
    pub fn shape(&mut self, class: &str, corners: &[(f64, f64)]) {
        let points: Vec<String> = corners.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.line(format_args!(r#"<polygon class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// A disc.
    pub fn disc(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.line(format_args!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}"/>"#));
    }

    /// Words on one line; `y` is their foot.
    pub fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.line(format_args!(
            r#"<text class="{class}" text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{}</text>"#,
            xml(words)
        ));
    }

    fn line(&mut self, shape: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{shape}").expect("a String takes everything");
    }

    /// The whole file; `title` is what a reader hears who cannot see it.
    pub fn finish(self, title: &str, height: f64) -> String {
        let Svg { width, body } = self;
        let title = xml(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             <rect class=\"paper\" x=\"0\" y=\"0\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{body}</svg>\n"
        )
    }
}

/// Hues that people with colour-blindness can tell apart, each a little lighter on dark paper. Every bar carries its name
/// as text all the same.
const STYLE: &str = "\
text { font: 12px system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.quiet { fill: #59636e }
.paper { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.spread { stroke: #1f2328; stroke-width: 1.2 }
.range { stroke-width: 2 }
.p0 { fill: #0072b2; stroke: #0072b2 }
.p1 { fill: #d55e00; stroke: #d55e00 }
.p2 { fill: #009e73; stroke: #009e73 }
.p3 { fill: #b8860b; stroke: #b8860b }
.p4 { fill: #b0508a; stroke: #b0508a }
.p5 { fill: #6b7f99; stroke: #6b7f99 }
.p6 { fill: #444444; stroke: #444444 }
.cached { fill-opacity: 0.3; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.paper { fill: #0d1117 }
.grid { stroke: #3d444d }
.spread { stroke: #e6edf3 }
.p0 { fill: #4aa8e0; stroke: #4aa8e0 }
.p1 { fill: #f0803c; stroke: #f0803c }
.p2 { fill: #2fc79a; stroke: #2fc79a }
.p3 { fill: #e0b43c; stroke: #e0b43c }
.p4 { fill: #e08cc0; stroke: #e08cc0 }
.p5 { fill: #9fb3cc; stroke: #9fb3cc }
.p6 { fill: #c0c0c0; stroke: #c0c0c0 }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_records_cannot_become_shapes() {
        let mut svg = Svg::new(100.0);
        svg.text("quiet", Anchor::Start, (1.0, 2.0), "</text><script>");
        let file = svg.finish("a \"title\"", 50.0);
        assert!(!file.contains("<script>"), "{file}");
        assert!(file.contains("aria-label=\"a &quot;title&quot;\""), "{file}");
    }
}
