//! Horizontal bars in groups: one group a figure, one bar a server.

use super::svg::{Anchor, FOOT, Picture, Style, TEXT};
use super::{Chart, colour};
use crate::kind::Kind;
use crate::report::{Report, Row};

/// Where bars begin, and how far the longest goes: its value stands behind it.
const LEFT: f64 = 128.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 74.0;
const BAR: f64 = 20.0;
const GAP: f64 = 5.0;
const GROUP_TITLE: f64 = 26.0;
const GROUP_GAP: f64 = 14.0;

/// Draws the medians of these rows, each below its title.
pub(super) fn draw(report: &Report, chart: &Chart, groups: &[(&str, &Row)]) -> String {
    let bars: Vec<Vec<(Kind, f64)>> = groups.iter().map(|(_, row)| medians(report, row)).collect();
    let most = bars.iter().flatten().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let count: usize = bars.iter().map(Vec::len).sum();
    let height = TOP + groups.len() as f64 * (GROUP_TITLE + GROUP_GAP) + count as f64 * (BAR + GAP) + FOOT;

    let mut picture = Picture::new(height, chart.title, chart.subtitle);
    let mut y = TOP;
    for ((title, row), bars) in groups.iter().zip(&bars) {
        picture.text(24.0, y + 15.0, title, Style { weight: 600, ..TEXT });
        y += GROUP_TITLE;
        for (kind, value) in bars {
            let length = value / most * (RIGHT - LEFT);
            let weight = if *kind == Kind::Hasses { 600 } else { 400 };
            let base = y + BAR / 2.0 + 4.5;
            picture.text(LEFT - 10.0, base, kind.title(), Style { weight, anchor: Anchor::End, ..TEXT });
            picture.bar(LEFT, y, length, BAR, colour(*kind));
            let shown = row.figure.unit.show(*value);
            picture.text(LEFT + length.max(2.0) + 8.0, base, &shown, Style { weight, ..TEXT });
            y += BAR + GAP;
        }
        y += GROUP_GAP;
    }
    picture.finish(&report.machine.line())
}

fn medians(report: &Report, row: &Row) -> Vec<(Kind, f64)> {
    report.servers.iter().filter_map(|kind| Some((*kind, row.spread(*kind)?.median))).collect()
}
