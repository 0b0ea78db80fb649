//! The measurements of one server under one load generator, as a table.

use crate::figure::{Figure, Goal, Unit};
use crate::kind::Kind;
use crate::plan::Case;
use crate::servers::Transport;

/// One row: who is measured under which load, and what is read off.
pub(crate) struct Trial {
    pub(crate) case: Case,
    /// Its name in the report.
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    pub(crate) transport: Transport,
    /// Further flags of `hasses-ctl bench`, but for the number of messages.
    pub(crate) load: &'static str,
    /// Messages measured; a quick comparison takes a third.
    pub(crate) messages: usize,
    /// Runs that are enough.
    pub(crate) runs: usize,
    /// Measurements of each server in a run, in turn: what is over within a quarter of a second meets the machine in one mood.
    pub(crate) takes: usize,
    pub(crate) figures: &'static [Figure],
}

/// The servers that a row is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Everyone,
    /// nchan's TLS is OpenSSL's, and was not set up.
    FloorAndHasses,
    Hasses,
}

impl Who {
    /// Whether it is for this server.
    pub(crate) fn includes(self, kind: Kind) -> bool {
        match self {
            Self::Everyone => true,
            Self::FloorAndHasses => matches!(kind, Kind::Floor | Kind::Hasses),
            Self::Hasses => kind == Kind::Hasses,
        }
    }
}

const DELIVERY_CPU: &str = "CPU a delivery";
const LATENCY_P99: &str = "/latency_us/p99";
const CONNECT_CPU: &str = "/connect/cpu_us";
const CONNECT_MEMORY: &str = "/connect/memory_bytes";
const PUBLISH_CPU: &str = "/publish_phase/cpu_us_per_publish";

/// Single messages, and what most rows have.
const BASE: Trial = Trial {
    case: Case::Single,
    name: "",
    who: Who::Everyone,
    transport: Transport::Plain,
    load: "",
    messages: 1,
    runs: usize::MAX,
    takes: 1,
    figures: &[
        Figure::with_goals(
            DELIVERY_CPU,
            Unit::Microseconds,
            "/deliveries/cpu_us",
            &[Goal::TimesAtMost(1.10, Kind::Floor)],
        ),
        Figure::new("deliveries", Unit::ASecond, "/deliveries/rate"),
    ],
};

/// Publish to socket, in milliseconds.
const P50: Figure = Figure::new("p50", Unit::Milliseconds, "/latency_us/p50");
const P99: Figure = Figure::new("p99", Unit::Milliseconds, LATENCY_P99);

/// Every row, in the order of the report.
pub(crate) const TRIALS: [Trial; 15] = [
    Trial { name: "one at a time, 1,000 subscribers", load: "--subscribers 1000", messages: 300, ..BASE },
    Trial { name: "one at a time, 10,000 subscribers", load: "--subscribers 10000", messages: 60, ..BASE },
    Trial {
        case: Case::Burst,
        name: "bursts of 50, 1,000 subscribers",
        load: "--subscribers 1000 --burst 50",
        messages: 1_500,
        figures: &[
            Figure::with_goals(
                "deliveries",
                Unit::ASecond,
                "/deliveries/rate",
                &[Goal::TimesAtLeast(20.0, Kind::Nchan)],
            ),
            Figure::new(DELIVERY_CPU, Unit::Microseconds, "/deliveries/cpu_us"),
        ],
        ..BASE
    },
    Trial {
        case: Case::Topics,
        name: "a topic each, bursts of 50, 100 subscribers",
        load: "--subscribers 100 --topics each --burst 50",
        messages: 30_000,
        takes: 7,
        figures: &[Figure::with_goals(
            "CPU a publish",
            Unit::Microseconds,
            PUBLISH_CPU,
            &[Goal::TimesAtMost(1.3, Kind::Floor)],
        )],
        ..BASE
    },
    Trial {
        case: Case::Topics,
        name: "a topic each, bursts of 50, 15,000 subscribers",
        load: "--subscribers 15000 --topics each --burst 50",
        messages: 30_000,
        figures: &[Figure::with_goals(
            "CPU a publish",
            Unit::Microseconds,
            PUBLISH_CPU,
            &[Goal::TimesAtMost(1.3, Kind::Floor)],
        )],
        ..BASE
    },
    Trial {
        case: Case::Connect,
        name: "accepting and subscribing, 15,000",
        load: "--subscribers 15000",
        figures: &[
            Figure::with_goals(
                "CPU a subscriber",
                Unit::Microseconds,
                CONNECT_CPU,
                &[Goal::TimesAtMost(1.0, Kind::Nchan), Goal::TimesAtMost(2.0, Kind::Floor)],
            ),
            Figure::new("subscribers", Unit::ASecond, "/connect/rate"),
        ],
        ..BASE
    },
    Trial {
        case: Case::Memory,
        name: "idle, 10,000 subscribers",
        load: "--subscribers 10000",
        runs: 3,
        figures: &[Figure::with_goals("memory a subscriber", Unit::Bytes, CONNECT_MEMORY, &[Goal::AtMost(1024.0)])],
        ..BASE
    },
    Trial {
        case: Case::Memory,
        name: "idle with TLS, 10,000 subscribers",
        who: Who::FloorAndHasses,
        transport: Transport::Tls,
        load: "--subscribers 10000",
        runs: 2,
        figures: &[
            Figure::with_goals("memory a subscriber", Unit::Bytes, CONNECT_MEMORY, &[Goal::AtMost(10_240.0)]),
            Figure::new("CPU a handshake and subscription", Unit::Microseconds, CONNECT_CPU),
        ],
        ..BASE
    },
    Trial {
        case: Case::Tls,
        name: "TLS, one at a time, 1,000 subscribers",
        who: Who::FloorAndHasses,
        transport: Transport::Tls,
        load: "--subscribers 1000",
        messages: 300,
        figures: &[Figure::with_goals(DELIVERY_CPU, Unit::Microseconds, "/deliveries/cpu_us", &[Goal::AtMost(6.5)])],
        ..BASE
    },
    Trial {
        case: Case::Control,
        name: "JSON publishes on one connection",
        who: Who::Hasses,
        // Lines of 128 bytes. One message in a thousand has a subscriber, since the generator wants one.
        load: "--subscribers 1 --topics 1000 --publish json --burst 4000 --size 80",
        messages: 400_000,
        figures: &[
            Figure::with_goals("acknowledged", Unit::ASecond, "/publish_phase/rate", &[Goal::AtLeast(300_000.0)]),
            Figure::new("CPU a publish", Unit::Microseconds, PUBLISH_CPU),
        ],
        ..BASE
    },
    Trial {
        case: Case::Latency,
        name: "100 messages a second, 1,000 subscribers",
        load: "--subscribers 1000 --rate 100",
        messages: 400,
        figures: &[
            P50,
            Figure::with_goals("p99", Unit::Milliseconds, LATENCY_P99, &[Goal::TimesAtMost(1.2, Kind::Floor)]),
        ],
        ..BASE
    },
    Trial {
        case: Case::Stalled,
        name: "1,000 readers at 50 messages of 2 KiB a second",
        who: Who::Hasses,
        load: "--subscribers 1000 --rate 50 --size 2048 --warm-up 200",
        messages: 250,
        runs: 3,
        figures: &[P50, P99],
        ..BASE
    },
    Trial {
        case: Case::Stalled,
        name: "the same beside 1,000 who read nothing",
        who: Who::Hasses,
        // The sockets of those who read nothing are full by the end of the warm-up.
        load: "--subscribers 1000 --rate 50 --size 2048 --warm-up 200 --stalled 1000",
        messages: 250,
        runs: 3,
        figures: &[
            P50,
            Figure::with_goals(
                "p99",
                Unit::Milliseconds,
                LATENCY_P99,
                &[Goal::BesideAtMost(1.5, "1,000 readers at 50 messages of 2 KiB a second: p99")],
            ),
        ],
        ..BASE
    },
    Trial {
        case: Case::Storm,
        name: "6,000 live subscribers at 20 messages a second",
        who: Who::Hasses,
        load: "--subscribers 6000 --rate 20",
        messages: 120,
        runs: 3,
        figures: &[P50, P99],
        ..BASE
    },
    Trial {
        case: Case::Storm,
        // Beside as many as they are together: who has come back gets every further message, too.
        name: "1,000 of them while the other 5,000 come back at once",
        who: Who::Hasses,
        load: "--subscribers 1000 --rate 20 --storm 5000",
        messages: 120,
        runs: 3,
        figures: &[
            P50,
            Figure::with_goals(
                "p99",
                Unit::Milliseconds,
                LATENCY_P99,
                &[Goal::BesideAtMost(1.0, "6,000 live subscribers at 20 messages a second: p99")],
            ),
            Figure::new("until all have what they missed", Unit::Seconds, "/storm/caught_up_seconds"),
        ],
        ..BASE
    },
];
