//! The documents that hold the figures: `hasses/docs/benchmarks.md` with its charts, and the block in the README.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::charts::{self, Drawn};
use crate::report::Report;
use crate::tables;

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const BEGIN: &str = "<!-- benchmarks: begin -->";
const END: &str = "<!-- benchmarks: end -->";

/// The rows of the README's table.
const SHORT: [&str; 12] = [
    "one at a time, 1,000 subscribers: CPU a delivery",
    "one at a time, 10,000 subscribers: CPU a delivery",
    "bursts of 50, 1,000 subscribers: deliveries",
    "bursts of 50, 1,000 subscribers: CPU a delivery",
    "a topic each, bursts of 50, 100 subscribers: CPU a publish",
    "a topic each, bursts of 50, 15,000 subscribers: CPU a publish",
    "JSON publishes on one connection: acknowledged",
    "TLS, one at a time, 1,000 subscribers: CPU a delivery",
    "accepting and subscribing, 15,000: CPU a subscriber",
    "100 messages a second, 1,000 subscribers: p99",
    "idle, 10,000 subscribers: memory a subscriber",
    "idle with TLS, 10,000 subscribers: memory a subscriber",
];
/// The README's charts.
const SHOWN: [&str; 3] = ["burst", "cpu", "subscribers"];

const HOW: &str = "\
Servers run one at a time, fresh for each measurement, pinned to the first core; [`hasses-ctl bench`](../../hasses-ctl/docs/bench.md)
makes the load and is pinned to the second. It polls without sleeping, so that no server pays for waking it up, and checks each stream for order, completeness
and intact content: one fault makes a run invalid. A run measures every server, in an order that rotates. A figure is the median
over the runs, with the smallest and the largest in brackets; a ratio is the median of the ratios within each run, since
absolute figures drift on shared machines. What is over within a quarter of a second is measured seven times a run, in turn. CPU is user and system time of the server's processes as the scheduler accounts it.
Memory is the growth of their resident set; what the kernel holds for sockets is not in it. Messages are 64 bytes unless said
otherwise.

*bare loop* is one epoll thread that renders a message once and calls `send` for each subscriber: about the least that a server can do
one message at a time. There hasses makes the same calls, and nine tenths of both are the kernel's; where it is below the bare loop that is
no merit of its own, since what a send costs varies by a fifth with how it meets the receiver's reads. In bursts the others send each
message by itself, while hasses writes to each subscriber once what has come together for it: that is what the ratio shows.

With two shards the daemon has a further core only where the machine has more than two:
elsewhere the line shows what a second thread costs. More on each case is in `tests/benches/compare/main.rs` and the tables
beside it.
";

/// Writes all of it.
pub(crate) fn write(report: &Report) -> io::Result<()> {
    let root = Path::new(ROOT);
    let drawn = charts::draw(report, &root.join("hasses/docs/benchmarks"))?;
    fs::write(root.join("hasses/docs/benchmarks.md"), page(report, &drawn))?;

    let readme = root.join("README.md");
    let text = fs::read_to_string(&readme)?;
    let missing = || io::Error::other(format!("README.md has no block between {BEGIN:?} and {END:?}"));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(&readme, format!("{before}{BEGIN}\n{}{END}{after}", block(report, &drawn)))
}

fn page(report: &Report, drawn: &[Drawn]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `cargo bench -p hasses-tests --bench compare -- --runs {} --write`; do not edit.\n\n\
         Machine: {}.  \nPrograms: {}.\n\n## Goals\n\n",
        report.runs,
        report.machine.line(),
        report.machine.versions()
    );
    text += &tables::goals(report);
    text += "\n## Charts\n";
    for Drawn { name, title } in drawn {
        let _ = write!(text, "\n![{title}](benchmarks/{name}.svg)\n");
    }
    text += "\n## All figures\n\nMedian (smallest..largest) of so many measurements of each server.\n\n";
    text += &tables::figures(report);
    for plot in &report.plots {
        let _ = write!(text, "\n### {}\n\nAlong: {}.\n\n{}", plot.curve.title, plot.curve.along, tables::points(plot));
    }
    if report.has_bottlenecks() {
        let _ = write!(text, "\n{}\n", tables::FOOTNOTE);
    }
    let _ = write!(text, "\n## How the figures are taken\n\n{HOW}");
    text
}

fn block(report: &Report, drawn: &[Drawn]) -> String {
    let mut text = format!("{} ({}):\n\n", report.machine.line(), report.machine.versions());
    text += &tables::medians(report, &SHORT);
    if report.has_bottlenecks() {
        let _ = write!(text, "\n{}\n", tables::FOOTNOTE);
    }
    let (met, all) = report.goals_met();
    let _ = write!(
        text,
        "\n{met} of {all} goals are met; they stand in [benchmarks.md](hasses/docs/benchmarks.md#goals).\n"
    );
    for name in SHOWN {
        if let Some(Drawn { name, title }) = drawn.iter().find(|drawn| drawn.name == name) {
            let _ = write!(text, "\n![{title}](hasses/docs/benchmarks/{name}.svg)\n");
        }
    }
    text
}
