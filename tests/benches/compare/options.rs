//! The command line of the benchmark.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::kind::{Kind, Other};
use crate::plan::Case;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Measures hasses against its goals, beside a bare send loop, nchan, and other servers.

Usage: cargo bench -p hasses-tests --bench compare -- [OPTIONS]

  --quick          one run with a third of the messages, and fewer points of the curves
  --runs N         measure each server N times and report medians (5);
                   what takes long or hardly varies is measured less often
  --only CASE      single, burst, topics, connect, memory, tls, control, latency,
                   stalled, storm, fairness, idle, start or scaling; repeatable
  --scaling        as --only scaling
  --skip SERVER    floor, hasses or nchan; repeatable
  --server NAME=URL[,pid=PID][,control=URL|,post=URL[,body=TEMPLATE]]
                   a server that runs already, pinned by whoever started it: where
                   subscribers connect, whose CPU and memory it is, where it takes lines
                   as hasses does, or posts, and the body of a post; repeatable.
                   {topic} and {message} are put in
  --hasses PATH    measure this daemon instead of building one
  --ctl PATH       use this hasses-ctl as the load generator instead of building one
  --json FILE      write every figure to FILE as well
  --write          write hasses/docs/benchmarks.md, its charts, and the README's table
  --goals          exit with 1 when a goal is missed; nchan has to be there
  --help           print this
";

/// What the command line asks for.
pub(crate) enum Request {
    /// The benchmark.
    Run(Options),
    /// The help text.
    Help,
    /// Started as a test (`cargo test --all-targets`), not by `cargo bench`.
    Nothing,
}

/// The options of a measurement.
pub(crate) struct Options {
    /// Times that every server is measured, at least 1.
    pub(crate) runs: usize,
    /// How much is measured.
    pub(crate) extent: Extent,
    /// The cases to measure.
    pub(crate) cases: Vec<Case>,
    /// The servers to measure, in the order of the report.
    pub(crate) servers: Vec<Kind>,
    /// A daemon that is built already.
    pub(crate) hasses: Option<PathBuf>,
    /// A load generator that is built already.
    pub(crate) ctl: Option<PathBuf>,
    /// Where to write the figures.
    pub(crate) json: Option<PathBuf>,
    /// The documents are written.
    pub(crate) write: bool,
    /// A missed goal fails the benchmark.
    pub(crate) goals: bool,
}

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// Enough for figures to be kept.
    Full,
    /// Enough to see where things stand.
    Quick,
}

impl Options {
    /// Reads the arguments; an error is the operator's and names the argument.
    pub(crate) fn parse(arguments: &[OsString]) -> io::Result<Request> {
        let mut options = Self {
            runs: 0,
            extent: Extent::Full,
            cases: Vec::new(),
            servers: Kind::OWN.to_vec(),
            hasses: None,
            ctl: None,
            json: None,
            write: false,
            goals: false,
        };
        let mut benchmark = false;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.to_str().unwrap_or_default();
            let mut value = || arguments.next().ok_or_else(|| io::Error::other(format!("{name} needs a value")));
            match name {
                // `cargo bench` passes it last, to every benchmark.
                "--bench" => benchmark = true,
                "--help" | "-h" => return Ok(Request::Help),
                "--goals" => options.goals = true,
                "--write" => options.write = true,
                "--quick" => options.extent = Extent::Quick,
                "--scaling" => options.cases.push(Case::Scaling),
                "--runs" => options.runs = number(name, value()?, 1)?,
                "--only" => options.cases.push(named(name, value()?, &Case::ALL, Case::name)?),
                "--skip" => {
                    let skipped = named(name, value()?, &Kind::OWN, Kind::name)?;
                    options.servers.retain(|kind| *kind != skipped);
                }
                "--server" => options.servers.push(Kind::Other(Other::parse(value()?)?)),
                "--hasses" => options.hasses = Some(value()?.into()),
                "--ctl" => options.ctl = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(io::Error::other(format!("unknown option {argument:?}, see --help"))),
            }
        }
        if !benchmark {
            return Ok(Request::Nothing);
        }
        options.complete().map(Request::Run)
    }

    fn complete(mut self) -> io::Result<Self> {
        if self.servers.is_empty() {
            return Err(io::Error::other("every server is skipped"));
        }
        if self.write && !self.cases.is_empty() {
            return Err(io::Error::other("--write takes a whole comparison: without --only and --scaling"));
        }
        if self.cases.is_empty() {
            self.cases = Case::ALL.to_vec();
        }
        if self.runs == 0 {
            self.runs = if self.extent == Extent::Quick { 1 } else { 5 };
        }
        Ok(self)
    }
}

fn number(option: &str, value: &OsString, least: usize) -> io::Result<usize> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| *number >= least);
    number.ok_or_else(|| io::Error::other(format!("{option} {value:?}: a number of at least {least} is needed")))
}

fn named<T: Copy>(option: &str, value: &OsString, all: &[T], name: fn(T) -> &'static str) -> io::Result<T> {
    all.iter().copied().find(|one| value == name(*one)).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        io::Error::other(format!("{option} {value:?}: one of {} is needed", names.join(", ")))
    })
}
