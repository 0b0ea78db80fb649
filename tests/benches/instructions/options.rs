//! The command line of the benchmark.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::case::Case;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Counts what the hot paths of hasses cost in instructions, under valgrind.

Usage: cargo bench -p hasses-tests --bench instructions -- [OPTIONS]

  --only NAME      cases whose name begins so (decode, index/topic); repeatable
  --check          exit with 1 where a case costs more than bounds.toml allows
  --record         write what was counted into bounds.toml
  --json FILE      write every figure to FILE as well; like DIR below, from
                   where cargo runs it, the folder tests, if not absolute
  --keep DIR       leave callgrind's files in DIR, for callgrind_annotate
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

/// The options of a run.
#[derive(Default)]
pub(crate) struct Options {
    /// Beginnings of names; none is every case.
    pub(crate) only: Vec<String>,
    /// A case over its bound fails the benchmark.
    pub(crate) check: bool,
    /// What was counted is to hold from now on.
    pub(crate) record: bool,
    /// Where to write the figures.
    pub(crate) json: Option<PathBuf>,
    /// Where callgrind's files stay.
    pub(crate) keep: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; an error is the operator's and names the argument.
    pub(crate) fn parse(arguments: &[OsString]) -> io::Result<Request> {
        let mut options = Self::default();
        let mut benchmark = false;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.to_str().unwrap_or_default();
            let mut value = || arguments.next().ok_or_else(|| io::Error::other(format!("{name} needs a value")));
            match name {
                // `cargo bench` passes it last, to every benchmark.
                "--bench" => benchmark = true,
                "--help" | "-h" => return Ok(Request::Help),
                "--check" => options.check = true,
                "--record" => options.record = true,
                "--only" => options.only.push(value()?.to_string_lossy().into_owned()),
                "--json" => options.json = Some(value()?.into()),
                "--keep" => options.keep = Some(value()?.into()),
                _ => return Err(io::Error::other(format!("unknown option {argument:?}, see --help"))),
            }
        }
        if options.check && options.record {
            return Err(io::Error::other("--check and --record are one or the other"));
        }
        Ok(if benchmark { Request::Run(options) } else { Request::Nothing })
    }

    /// Whether a case is asked for.
    pub(crate) fn wants(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|beginning| case.name.starts_with(beginning))
    }
}
