//! Lines over a logarithmic horizontal axis; the vertical one begins at zero.

use super::shade;
use super::svg::{Anchor, FOOT, PALE, Picture, RULE, SMALL, Style, TEXT};
use crate::curves::Line;
use crate::figure::{grouped, number};
use crate::report::Plot;

const HEIGHT: f64 = 390.0 + FOOT;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 720.0;
const TOP: f64 = 106.0;
const BOTTOM: f64 = 336.0;
/// Rules across, at most.
const RULES: f64 = 6.0;

/// Draws the medians of a curve chart, which this machine is below.
pub(super) fn draw(plot: &Plot, machine: &str) -> String {
    let mut picture = Picture::new(HEIGHT, plot.curve.title, "µs, user and system time of the server; less is better");
    let places = plot.places();
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return picture.finish(machine);
    };
    let across = |at: f64| {
        let share = if last > first { (at / first).ln() / (last / first).ln() } else { 0.5 };
        LEFT + 24.0 + share * (RIGHT - LEFT - 48.0)
    };
    let lines = &plot.curve.lines;
    let values = lines.iter().flat_map(|line| places.iter().filter_map(|at| plot.median(line, *at)));
    let step = step(values.fold(f64::MIN_POSITIVE, f64::max));
    let highest =
        lines.iter().flat_map(|line| places.iter().filter_map(|at| plot.median(line, *at))).fold(0.0, f64::max);
    let top = (highest / step).ceil() * step;
    let up = |value: f64| BOTTOM - value / top * (BOTTOM - TOP);

    let mut rule = 0.0;
    while rule <= top + step / 2.0 {
        picture.rule((LEFT, up(rule)), (RIGHT, up(rule)), if rule > 0.0 { RULE } else { PALE });
        picture.text(LEFT - 10.0, up(rule) + 4.0, &number(rule), Style { anchor: Anchor::End, ..SMALL });
        rule += step;
    }
    for at in &places {
        picture.text(across(*at), BOTTOM + 20.0, &grouped(*at), Style { anchor: Anchor::Middle, ..SMALL });
    }
    picture.text(
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 44.0,
        plot.curve.along,
        Style { anchor: Anchor::Middle, ..SMALL },
    );
    legend(&mut picture, lines);
    // The daemon's own line comes last, over the others.
    for line in lines.iter().rev() {
        let points = |is_apart| -> Vec<(f64, f64)> {
            let places = places.iter().filter(|at| plot.is_apart(**at) == is_apart);
            places.filter_map(|at| Some((across(*at), up(plot.median(line, *at)?)))).collect()
        };
        picture.curve(&points(false), shade(line), dashes(line));
        picture.dots(&points(true), shade(line));
    }
    picture.finish(machine)
}

fn legend(picture: &mut Picture, lines: &[Line]) {
    let mut x = LEFT;
    for line in lines {
        picture.curve(&[(x, 80.0), (x + 30.0, 80.0)], shade(line), dashes(line));
        picture.text(x + 42.0, 84.5, line.title, TEXT);
        // An estimate of the width of the text.
        x += 72.0 + 7.2 * line.title.len() as f64;
    }
}

/// The second line of a server is dashed.
fn dashes(line: &Line) -> &'static str {
    if line.shards > 1 { "6 5" } else { "none" }
}

/// A round distance of rules: 1, 2 or 5 times a power of ten.
fn step(highest: f64) -> f64 {
    let rough = highest / RULES;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(rough)
}
