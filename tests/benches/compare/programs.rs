//! The programs of a comparison: found or built before anything is measured, and started behind a guard.
//!
//! A program is started through this same executable (`--guard`), which pins itself, asks the kernel to be told when the
//! benchmark dies, and then becomes the program: however the benchmark ends, nothing that it started outlives it.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Signal, nice, set_parent_process_death_signal};

use crate::kind::Kind;
use crate::nchan;
use crate::options::Options;
use crate::pinning::{Cores, pin_this_thread};

/// First argument of the executable that turns into another program.
pub(crate) const GUARD: &str = "--guard";
/// Niceness of a program that stands back for every other.
const STANDS_BACK: i32 = 19;

/// Every program that is started, and the cores for them.
pub(crate) struct Programs {
    /// This executable.
    pub(crate) this: PathBuf,
    /// The daemon.
    pub(crate) hasses: PathBuf,
    /// The load generator.
    pub(crate) ctl: PathBuf,
    /// nginx, where its nchan module is installed and wanted.
    pub(crate) nginx: Option<PathBuf>,
    server_core: usize,
    second_core: Option<usize>,
    loader_core: usize,
}

/// Where a program runs.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// On the server's core.
    Server,
    /// On the server's core and a further one, where the machine has more than two.
    TwoCores,
    /// On the generator's core.
    Loader,
    /// There, too, but only while nobody else wants it.
    LoaderStandingBack,
}

impl Programs {
    /// Finds what the chosen servers need and builds what no path is given for; takes nchan out where it is not installed.
    pub(crate) fn find(options: &mut Options, cores: &Cores) -> io::Result<Self> {
        let nginx = if options.servers.contains(&Kind::Nchan) { nchan::find() } else { None };
        if nginx.is_none() && options.servers.contains(&Kind::Nchan) {
            if options.goals {
                return Err(io::Error::other(nchan::MISSING));
            }
            writeln!(io::stderr(), "nchan: not installed, left out ({})", nchan::INSTALL)?;
            options.servers.retain(|kind| *kind != Kind::Nchan);
        }
        Ok(Self {
            this: env::current_exe()?,
            hasses: options.hasses.clone().map_or_else(|| build("hasses"), Ok)?,
            ctl: options.ctl.clone().map_or_else(|| build("hasses-ctl"), Ok)?,
            nginx,
            server_core: cores.server,
            second_core: cores.second,
            loader_core: cores.loader,
        })
    }

    /// The command that becomes `program`, pinned and guarded.
    pub(crate) fn guarded(&self, program: &Path, place: Place) -> Command {
        let (cores, niceness) = match place {
            Place::Server => (self.server_core.to_string(), 0),
            Place::TwoCores => {
                let second = self.second_core.map(|core| format!(",{core}")).unwrap_or_default();
                (format!("{}{second}", self.server_core), 0)
            }
            Place::Loader => (self.loader_core.to_string(), 0),
            Place::LoaderStandingBack => (self.loader_core.to_string(), STANDS_BACK),
        };
        let mut command = Command::new(&self.this);
        command.arg(GUARD).arg(cores).arg(niceness.to_string()).arg(program);
        command
    }
}

/// Becomes another program: `CORES NICENESS PROGRAM ARGUMENT…`.
pub(crate) fn guard(arguments: &[OsString]) -> io::Result<ExitCode> {
    let [cores, niceness, program, arguments @ ..] = arguments else {
        return Err(io::Error::other("the guard takes cores, a niceness and a program"));
    };
    let cores: Option<Vec<usize>> =
        cores.to_str().and_then(|cores| cores.split(',').map(|core| core.parse().ok()).collect());
    pin_this_thread(&cores.ok_or_else(|| io::Error::other("the guard takes the numbers of cores"))?)?;
    if let Some(niceness) = niceness.to_str().and_then(|text| text.parse().ok()).filter(|niceness| *niceness > 0) {
        nice(niceness)?;
    }
    // Holds across the exec below.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let error = Command::new(program).args(arguments).exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

/// Builds a program of the workspace with the release profile and returns where cargo put it.
fn build(package: &str) -> io::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(cargo)
        .args(["build", "--release", "-p", package, "--manifest-path", manifest])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        let option = package.trim_start_matches("hasses-");
        return Err(io::Error::other(format!("{package} does not build; a built one can be named: --{option} PATH")));
    }
    output
        .stdout
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
        .filter(|message| message["target"]["name"] == package)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| io::Error::other(format!("cargo build does not say where it put {package}")))
}
