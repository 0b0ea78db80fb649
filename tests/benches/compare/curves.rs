//! The curves: what a delivery costs over a growing size, of the daemon with one and two shards, and of the bare loop.

use crate::figure::{Figure, Unit};
use crate::kind::Kind;
use crate::servers::Transport;

/// One curve chart: its points, and who is measured at each.
pub(crate) struct Curve {
    /// Its name in file names and in JSON.
    pub(crate) name: &'static str,
    /// Above the chart.
    pub(crate) title: &'static str,
    /// Along the horizontal axis.
    pub(crate) along: &'static str,
    pub(crate) transport: Transport,
    /// Flags of `hasses-ctl bench` for all points.
    pub(crate) load: &'static str,
    pub(crate) points: &'static [Point],
    pub(crate) lines: &'static [Line],
}

/// One point on the horizontal axis.
pub(crate) struct Point {
    pub(crate) at: f64,
    /// Its load is of another kind than that of the others, so that no line leads to it.
    pub(crate) is_apart: bool,
    /// Flags of `hasses-ctl bench` for it.
    pub(crate) load: &'static str,
    pub(crate) messages: usize,
}

/// One line of a chart.
#[derive(PartialEq, Eq)]
pub(crate) struct Line {
    /// In the legend.
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// Threads that hold subscribers.
    pub(crate) shards: u8,
}

/// What is drawn.
pub(crate) const COST: Figure = Figure::new("CPU a delivery", Unit::Microseconds, "/deliveries/cpu_us");

/// Runs that are enough for a point.
pub(crate) const RUNS: usize = 2;

const ONE: Line = Line { title: "hasses", kind: Kind::Hasses, shards: 1 };
const TWO: Line = Line { title: "hasses, two shards", kind: Kind::Hasses, shards: 2 };
const FLOOR: Line = Line { title: "bare loop", kind: Kind::Floor, shards: 1 };

const fn point(at: f64, load: &'static str, messages: usize) -> Point {
    Point { at, is_apart: false, load, messages }
}

/// Every chart.
pub(crate) const CURVES: [Curve; 4] = [
    Curve {
        name: "subscribers",
        title: "CPU a delivery over the number of subscribers",
        along: "subscribers of one topic, one message at a time",
        transport: Transport::Plain,
        load: "",
        points: &[
            point(100.0, "--subscribers 100", 1_500),
            point(1_000.0, "--subscribers 1000", 300),
            point(5_000.0, "--subscribers 5000", 60),
            point(10_000.0, "--subscribers 10000", 45),
            point(18_000.0, "--subscribers 18000", 30),
        ],
        lines: &[ONE, TWO, FLOOR],
    },
    Curve {
        name: "topics",
        title: "CPU a delivery over the number of topics",
        along: "topics of 10,000 subscribers, bursts of 50 (100,000: by Zipf's law, so most deliveries are of a few topics)",
        transport: Transport::Plain,
        load: "--subscribers 10000 --burst 50",
        points: &[
            point(1.0, "--topics one", 150),
            point(100.0, "--topics 100", 3_000),
            point(10_000.0, "--topics 10000", 30_000),
            Point { is_apart: true, ..point(100_000.0, "--topics zipf:100000", 6_000) },
        ],
        lines: &[ONE, TWO, FLOOR],
    },
    Curve {
        name: "sizes",
        title: "CPU a delivery over the size of a message",
        along: "bytes of a message, 1,000 subscribers, one message at a time",
        transport: Transport::Plain,
        load: "--subscribers 1000",
        points: &[
            point(16.0, "--size 16", 300),
            point(64.0, "--size 64", 300),
            point(256.0, "--size 256", 300),
            point(1_024.0, "--size 1024", 300),
            point(4_096.0, "--size 4096", 150),
            point(16_384.0, "--size 16384", 90),
            point(65_536.0, "--size 65536", 30),
        ],
        lines: &[ONE, TWO, FLOOR],
    },
    Curve {
        name: "tls",
        title: "CPU a delivery with TLS over the number of subscribers",
        along: "subscribers of one topic with TLS 1.3, one message at a time",
        transport: Transport::Tls,
        load: "",
        points: &[
            point(100.0, "--subscribers 100", 900),
            point(1_000.0, "--subscribers 1000", 150),
            point(5_000.0, "--subscribers 5000", 45),
        ],
        lines: &[ONE, TWO, FLOOR],
    },
];
