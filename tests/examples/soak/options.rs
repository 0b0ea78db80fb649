//! The command line of the soak.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Runs publishers, subscribers, restarts, kills and stalls at one log, and checks every sequence.

Usage: cargo run -p hasses-tests --release --example soak -- [OPTIONS]

  --minutes N      how long (20)
  --rate N         events a second, all publishers together (800)
  --seed N         what chance does; a failure names its own (by the clock)
  --hasses PATH    this daemon, instead of building one
  --directory DIR  where log and sockets go; made if missing (a temporary folder)
  --help           print this";

/// What the command line asks for.
pub(crate) enum Request {
    /// A soak.
    Run(Options),
    /// The help text.
    Help,
}

/// The options of a soak.
pub(crate) struct Options {
    /// How long, in minutes.
    pub(crate) minutes: u64,
    /// Events a second, about.
    pub(crate) rate: u64,
    /// What chance does.
    pub(crate) seed: u64,
    /// A daemon that is built already.
    pub(crate) hasses: Option<PathBuf>,
    /// Where the log goes.
    pub(crate) directory: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; an error names the argument.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = since.as_secs() ^ u64::from(since.subsec_nanos());
        let mut options = Self { minutes: 20, rate: 800, seed, hasses: None, directory: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let name = argument.to_string_lossy().into_owned();
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--help" | "-h" => return Ok(Request::Help),
                "--minutes" => options.minutes = number(&name, &value()?)?,
                "--rate" => options.rate = number(&name, &value()?)?,
                "--seed" => options.seed = number(&name, &value()?)?,
                "--hasses" => options.hasses = Some(value()?.into()),
                "--directory" => options.directory = Some(value()?.into()),
                _ => return Err(format!("unknown argument {name} (--help lists all)")),
            }
        }
        Ok(Request::Run(options))
    }
}

fn number(name: &str, value: &OsString) -> Result<u64, String> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("{name} needs a number from 1 on, not {}", value.to_string_lossy()))
}
