//! A picture in SVG, of rectangles, lines and text. It names no font file and needs no script, so it shows everywhere.
//!
//! The background is a white rectangle of its own, so that it can be read on a dark page as well.

use std::fmt::Write as _;

pub(super) const INK: &str = "#0f172a";
pub(super) const PALE: &str = "#64748b";
pub(super) const RULE: &str = "#e2e8f0";

/// Every picture is as wide as the others: they stand below each other.
const WIDTH: f64 = 760.0;

/// Room below everything, for what a picture is true of.
pub(super) const FOOT: f64 = 34.0;

/// A picture that is being drawn.
pub(super) struct Picture {
    /// For who cannot see it.
    title: String,
    height: f64,
    body: String,
}

/// Where a text stands in relation to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) size: u32,
    pub(super) weight: u32,
    pub(super) colour: &'static str,
    pub(super) anchor: Anchor,
}

/// Text of charts, at its start.
pub(super) const TEXT: Style = Style { size: 13, weight: 400, colour: INK, anchor: Anchor::Start };
/// Text at axes.
pub(super) const SMALL: Style = Style { size: 12, weight: 400, colour: PALE, anchor: Anchor::Start };

impl Picture {
    /// An empty picture with its title.
    pub(super) fn new(height: f64, title: &str, subtitle: &str) -> Self {
        let mut picture = Self { title: escaped(title), height, body: String::new() };
        picture.text(24.0, 34.0, title, Style { size: 17, weight: 600, ..TEXT });
        picture.text(24.0, 54.0, subtitle, SMALL);
        picture
    }

    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        let width = width.max(2.0);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="3" fill="{colour}"/>"#
        );
    }

    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="1"/>"#
        );
    }

    /// A line through points, with a dot at each.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], colour: &str, dashes: &str) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-linejoin="round" stroke-dasharray="{dashes}"/>"#,
            path.join(" ")
        );
        self.dots(points, colour);
    }

    pub(super) fn dots(&mut self, points: &[(f64, f64)], colour: &str) {
        for (x, y) in points {
            let _ = writeln!(
                self.body,
                r##"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" stroke="#ffffff" stroke-width="1.5"/>"##
            );
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: Style) {
        let Style { size, weight, colour, anchor } = style;
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// The file; `foot` says what the picture is true of.
    pub(super) fn finish(mut self, foot: &str) -> String {
        self.text(24.0, self.height - 14.0, foot, SMALL);
        let Self { title, height, body } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0}" height="{height:.0}" viewBox="0 0 {WIDTH:.0} {height:.0}" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" role="img" aria-label="{title}">
<title>{title}</title>
<rect x="0.5" y="0.5" width="{:.0}" height="{:.0}" rx="10" fill="#ffffff" stroke="{RULE}"/>
{body}</svg>
"##,
            WIDTH - 1.0,
            height - 1.0
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
