//! What is measured in which order: trials, what needs more than one generator or none, and curves.

use std::io::{self, Write};
use std::time::Instant;

use crate::curves::{self, CURVES, Curve, Line, Point};
use crate::generator;
use crate::kind::Kind;
use crate::options::{Extent, Options};
use crate::programs::{Place, Programs};
use crate::report::Report;
use crate::servers::Server;
use crate::trials::{TRIALS, Trial};
use crate::{fairness, flood, idle, start};

/// One case, as `--only` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Case {
    Single,
    Burst,
    Topics,
    Connect,
    Memory,
    Tls,
    Control,
    Latency,
    Stalled,
    Storm,
    Fairness,
    Idle,
    Start,
    Scaling,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Self; 14] = [
        Self::Single,
        Self::Burst,
        Self::Topics,
        Self::Connect,
        Self::Memory,
        Self::Tls,
        Self::Control,
        Self::Latency,
        Self::Stalled,
        Self::Storm,
        Self::Fairness,
        Self::Idle,
        Self::Start,
        Self::Scaling,
    ];

    /// Its name in options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Burst => "burst",
            Self::Topics => "topics",
            Self::Connect => "connect",
            Self::Memory => "memory",
            Self::Tls => "tls",
            Self::Control => "control",
            Self::Latency => "latency",
            Self::Stalled => "stalled",
            Self::Storm => "storm",
            Self::Fairness => "fairness",
            Self::Idle => "idle",
            Self::Start => "start",
            Self::Scaling => "scaling",
        }
    }
}

/// A measurement of the daemon that is more than one server under one generator.
struct Special {
    case: Case,
    /// Runs that are enough.
    runs: usize,
    measure: fn(&Plan, &mut Report) -> io::Result<()>,
}

const SPECIALS: [Special; 4] = [
    Special { case: Case::Stalled, runs: 3, measure: flood::measure },
    Special { case: Case::Fairness, runs: 3, measure: fairness::measure },
    Special { case: Case::Idle, runs: 1, measure: idle::measure },
    Special { case: Case::Start, runs: 1, measure: start::measure },
];

/// What a comparison consists of.
pub(crate) struct Plan<'a> {
    options: &'a Options,
    pub(crate) programs: &'a Programs,
    started: Instant,
}

impl<'a> Plan<'a> {
    /// The plan that the options ask for.
    pub(crate) fn new(options: &'a Options, programs: &'a Programs) -> Self {
        Self { options, programs, started: Instant::now() }
    }

    /// How much is measured.
    pub(crate) fn extent(&self) -> Extent {
        self.options.extent
    }

    /// Measures everything once; `run` counts from 0.
    pub(crate) fn run(&self, run: usize, report: &mut Report) -> io::Result<()> {
        let mut order = self.options.servers.clone();
        let first = run % order.len();
        order.rotate_left(first);
        for trial in TRIALS.iter().filter(|trial| self.wants(trial.case, trial.runs, run)) {
            for _ in 0..trial.takes {
                for kind in order.iter().copied().filter(|kind| trial.who.includes(*kind)) {
                    self.tell(run, trial.name, kind.title())?;
                    self.trial(trial, kind, report).map_err(|error| named(trial.name, kind.title(), &error))?;
                }
            }
        }
        for special in SPECIALS.iter().filter(|special| self.wants(special.case, special.runs, run)) {
            if order.contains(&Kind::Hasses) {
                self.tell(run, special.case.name(), Kind::Hasses.title())?;
                (special.measure)(self, report).map_err(|error| named(special.case.name(), "hasses", &error))?;
            }
        }
        if self.wants(Case::Scaling, curves::RUNS, run) {
            for curve in &CURVES {
                self.curve(run, curve, report)?;
            }
        }
        Ok(())
    }

    fn wants(&self, case: Case, runs: usize, run: usize) -> bool {
        self.options.cases.contains(&case) && run < runs
    }

    /// The messages that this extent measures.
    fn messages(&self, full: usize) -> usize {
        if self.extent() == Extent::Quick { full.div_ceil(3) } else { full }
    }

    fn trial(&self, trial: &Trial, kind: Kind, report: &mut Report) -> io::Result<()> {
        let server = Server::start(self.programs, kind, trial.transport, &[], Place::Server)?;
        let load = format!("{} --messages {}", trial.load, self.messages(trial.messages));
        let answer = generator::run(self.programs, &server, &load)?;
        if generator::was_the_bottleneck(&answer) {
            report.held_up(trial.name, kind);
        }
        for figure in trial.figures {
            if let Some(value) = figure.read(&answer, kind)? {
                report.add(trial.name, figure, kind, value);
            }
        }
        Ok(())
    }

    fn curve(&self, run: usize, curve: &'static Curve, report: &mut Report) -> io::Result<()> {
        let count = curve.points.len();
        // Of a quick comparison's curves both ends and the middle.
        let picked = |index: usize| self.extent() == Extent::Full || [0, count / 2, count - 1].contains(&index);
        for (_, point) in curve.points.iter().enumerate().filter(|(index, _)| picked(*index)) {
            let mut lines: Vec<&Line> =
                curve.lines.iter().filter(|line| self.options.servers.contains(&line.kind)).collect();
            let first = run % lines.len().max(1);
            lines.rotate_left(first);
            for line in lines {
                self.tell(run, &format!("{} {}", curve.name, point.at), line.title)?;
                let cost = self.point(curve, point, line).map_err(|error| named(curve.name, line.title, &error))?;
                report.add_point(curve, line, point.at, cost);
            }
        }
        Ok(())
    }

    /// Microseconds of CPU a delivery.
    fn point(&self, curve: &Curve, point: &Point, line: &Line) -> io::Result<f64> {
        let (place, flags) =
            if line.shards == 2 { (Place::TwoCores, ["--shards", "2"]) } else { (Place::Server, ["--shards", "1"]) };
        let server = Server::start(self.programs, line.kind, curve.transport, &flags, place)?;
        let load = format!("{} {} --messages {}", curve.load, point.load, self.messages(point.messages));
        let answer = generator::run(self.programs, &server, &load)?;
        curves::COST.read(&answer, line.kind)?.ok_or_else(|| io::Error::other("no process to measure"))
    }

    fn tell(&self, run: usize, what: &str, who: &str) -> io::Result<()> {
        let seconds = self.started.elapsed().as_secs();
        writeln!(io::stderr(), "{seconds:>4} s, run {} of {}: {what}: {who}", run + 1, self.options.runs)
    }
}

fn named(what: &str, who: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("{what}: {who}: {error}"))
}
