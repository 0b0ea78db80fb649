//! The charts: which there are, and their files. Drawn from the medians.

mod bars;
mod lines;
mod svg;

use std::fs;
use std::io;
use std::path::Path;

use crate::curves::Line;
use crate::kind::Kind;
use crate::report::{Report, Row};

/// A bar chart: its file, its title and what each of its groups shows.
struct Chart {
    name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    /// Name of a row of the report, and what stands above its bars.
    groups: &'static [(&'static str, &'static str)],
}

const CHARTS: [Chart; 3] = [
    Chart {
        name: "cpu",
        title: "CPU a delivery, one message at a time",
        subtitle: "user and system time of the server; less is better",
        groups: &[
            ("one at a time, 1,000 subscribers: CPU a delivery", "1,000 subscribers"),
            ("one at a time, 10,000 subscribers: CPU a delivery", "10,000 subscribers"),
            ("TLS, one at a time, 1,000 subscribers: CPU a delivery", "1,000 subscribers, TLS"),
        ],
    },
    Chart {
        name: "burst",
        title: "Deliveries a second on one core",
        subtitle: "1,000 subscribers; more is better",
        groups: &[
            ("bursts of 50, 1,000 subscribers: deliveries", "bursts of 50 messages"),
            ("one at a time, 1,000 subscribers: deliveries", "one message at a time"),
        ],
    },
    Chart {
        name: "memory",
        title: "Memory of an idle subscriber",
        subtitle: "resident memory of the server, 10,000 subscribers; less is better",
        groups: &[
            ("idle, 10,000 subscribers: memory a subscriber", "plain"),
            ("idle with TLS, 10,000 subscribers: memory a subscriber", "TLS"),
        ],
    },
];

/// A chart that was drawn: its file and what it shows.
pub(crate) struct Drawn {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
}

/// Draws every chart for which there are figures into `folder`.
pub(crate) fn draw(report: &Report, folder: &Path) -> io::Result<Vec<Drawn>> {
    fs::create_dir_all(folder)?;
    let mut drawn = Vec::new();
    let mut write = |name: &'static str, title: &'static str, picture: String| {
        drawn.push(Drawn { name, title });
        fs::write(folder.join(format!("{name}.svg")), picture)
    };
    for chart in &CHARTS {
        let groups: Vec<(&str, &Row)> =
            chart.groups.iter().filter_map(|(name, title)| Some((*title, report.row(name)?))).collect();
        if !groups.is_empty() {
            write(chart.name, chart.title, bars::draw(report, chart, &groups))?;
        }
    }
    for plot in &report.plots {
        write(plot.curve.name, plot.curve.title, lines::draw(plot, &report.machine.line()))?;
    }
    Ok(drawn)
}

/// The colour of a line: a server's, paler for its second line.
fn shade(line: &Line) -> &'static str {
    if line.shards > 1 { "#7cc7bf" } else { colour(line.kind) }
}

/// The colour of a server.
fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Floor => "#94a3b8",
        Kind::Hasses => "#0d9488",
        Kind::Nchan => "#e08e0b",
        Kind::Other(_) => "#7c5cd6",
    }
}
