//! Horizontal bars in groups: one group a figure, one bar a server.

use super::colour;
use super::svg::{Anchor, Picture, RULE, SMALL, Style, TEXT};
use crate::figure::{Unit, grouped};
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

/// A bar chart.
pub(super) struct Bars {
    pub(super) title: &'static str,
    pub(super) subtitle: &'static str,
    pub(super) scale: Scale,
}

/// What a length means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

impl Bars {
    /// Draws the medians of these rows, each below its title.
    pub(super) fn draw(&self, report: &Report, groups: &[(&str, &Row)]) -> String {
        let bars: Vec<Vec<(Kind, f64)>> = groups.iter().map(|(_, row)| medians(report, row)).collect();
        let values = || bars.iter().flatten().map(|(_, value)| *value).filter(|value| *value > 0.0);
        let most = values().fold(f64::MIN_POSITIVE, f64::max);
        let least = 10_f64.powf(values().fold(f64::MAX, f64::min).log10().floor());
        let count: usize = bars.iter().map(Vec::len).sum();
        let height = TOP + groups.len() as f64 * (GROUP_TITLE + GROUP_GAP) + count as f64 * (BAR + GAP) + self.foot();

        let mut picture = Picture::new(height, self.title, self.subtitle);
        if self.scale == Scale::Logarithmic {
            let unit = groups.first().map_or(Unit::ASecond, |(_, row)| row.figure.unit);
            decades(&mut picture, least, most, unit, height - self.foot());
        }
        let mut y = TOP;
        for ((title, row), bars) in groups.iter().zip(&bars) {
            picture.text(24.0, y + 15.0, title, Style { weight: 600, ..TEXT });
            y += GROUP_TITLE;
            for (kind, value) in bars {
                let length = self.share(*value, least, most) * (RIGHT - LEFT);
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
        picture.finish()
    }

    /// Room below the bars.
    fn foot(&self) -> f64 {
        match self.scale {
            Scale::Linear => 6.0,
            Scale::Logarithmic => 32.0,
        }
    }

    /// The length of a value as a share of the longest.
    fn share(&self, value: f64, least: f64, most: f64) -> f64 {
        match self.scale {
            Scale::Linear => value / most,
            Scale::Logarithmic => ((value / least).ln() / (most / least).ln()).max(0.0),
        }
    }
}

fn medians(report: &Report, row: &Row) -> Vec<(Kind, f64)> {
    report.servers.iter().filter_map(|kind| Some((*kind, row.spread(*kind)?.median))).collect()
}

/// A rule at each power of ten.
fn decades(picture: &mut Picture, least: f64, most: f64, unit: Unit, bottom: f64) {
    let mut decade = least;
    while decade <= most {
        let x = LEFT + (decade / least).ln() / (most / least).ln() * (RIGHT - LEFT);
        picture.rule((x, TOP), (x, bottom), RULE);
        picture.text(
            x,
            bottom + 16.0,
            &format!("{} {}", grouped(decade), unit.axis()),
            Style { anchor: Anchor::Middle, ..SMALL },
        );
        decade *= 10.0;
    }
}
