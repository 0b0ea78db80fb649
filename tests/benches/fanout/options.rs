//! The command line of the benchmark.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::cases::Case;
use crate::servers::Kind;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Compares the cost of a delivered event: a bare send loop, hasses, and nchan.

Usage: cargo bench -p hasses-tests --bench fanout -- [OPTIONS]

  --runs N         measure each server N times and report medians (5)
  --messages N     messages of case single at 1,000 subscribers (300);
                   a fifth of it at 10,000, a tenth of it as bursts of 50
  --only CASE      single, burst, connect or memory; repeatable
  --skip SERVER    floor, hasses or nchan; repeatable
  --hasses PATH    measure this daemon instead of building one
  --json FILE      write every figure to FILE as well
  --goals          exit with 1 when a goal is missed
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
    /// Messages of the case `single` at 1,000 subscribers, at least 10.
    pub(crate) messages: usize,
    /// The cases to measure.
    pub(crate) cases: Vec<Case>,
    /// The servers to measure, in the order of [`Kind::ALL`].
    pub(crate) servers: Vec<Kind>,
    /// A daemon that is built already.
    pub(crate) hasses: Option<PathBuf>,
    /// Where to write the figures.
    pub(crate) json: Option<PathBuf>,
    /// A missed goal fails the benchmark.
    pub(crate) goals: bool,
}

impl Options {
    /// Reads the arguments; an error is the operator's and names the argument.
    pub(crate) fn parse(arguments: &[OsString]) -> io::Result<Request> {
        let mut options = Self {
            runs: 5,
            messages: 300,
            cases: Vec::new(),
            servers: Kind::ALL.to_vec(),
            hasses: None,
            json: None,
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
                "--runs" => options.runs = number(name, value()?, 1)?,
                "--messages" => options.messages = number(name, value()?, 10)?,
                "--only" => options.cases.push(named(name, value()?, &Case::ALL, Case::name)?),
                "--skip" => {
                    let skipped = named(name, value()?, &Kind::ALL, Kind::name)?;
                    options.servers.retain(|kind| *kind != skipped);
                }
                "--hasses" => options.hasses = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(io::Error::other(format!("unknown option {argument:?}, see --help"))),
            }
        }
        if !benchmark {
            return Ok(Request::Nothing);
        }
        if options.servers.is_empty() {
            return Err(io::Error::other("every server is skipped"));
        }
        if options.cases.is_empty() {
            options.cases = Case::ALL.to_vec();
        }
        Ok(Request::Run(options))
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
