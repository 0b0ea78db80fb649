//! # Comparison
//!
//! Measures hasses against its goals, side by side with other servers on this machine:
//!
//! - **bare loop**: one epoll thread that renders an event once and calls `send` for every subscriber (`floor/`);
//! - **hasses**: the daemon, built by this benchmark with the release profile unless `--hasses PATH` names one;
//! - **nchan**: Debian's nginx with its nchan module (`apt-get install -y nginx-light libnginx-mod-nchan`);
//! - any server that runs already: `--server NAME=URL,pid=PID,post=URL`, or `control=URL` where it takes hasses' lines.
//!
//! ```sh
//! cargo bench -p hasses-tests --bench compare                      # everything: some 20 minutes
//! cargo bench -p hasses-tests --bench compare -- --quick           # one run, smaller: some minutes
//! cargo bench -p hasses-tests --bench compare -- --only burst      # one case
//! cargo bench -p hasses-tests --bench compare -- --skip nchan --json compare.json
//! cargo bench -p hasses-tests --bench compare -- --write           # docs/benchmarks.md, its charts, the README's table
//! cargo bench -p hasses-tests --bench compare -- --help
//! ```
//!
//! Needs Linux, two cores, and about 18,100 descriptors a process (`ulimit -Hn`).
//!
//! ## How the figures are taken
//!
//! Servers run one at a time, pinned to the first core this process may use; the load generator is `hasses-ctl bench`, pinned
//! to the second. Each measurement has a server of its own, fresh. One run measures every server, and the order rotates from
//! run to run, so that slow drift of the machine meets all of them. A figure is the median over the runs, followed by the
//! smallest and the largest value; a ratio is the median of the ratios *within* each run. What is over within a quarter of a
//! second is measured seven times a run, in turn with the other servers. Messages are 64 bytes unless said otherwise, subscribers
//! are connections from loopback addresses, Nagle is off.
//!
//! CPU is what the scheduler accounts to the server's threads (`/proc/PID/task/*/schedstat`, user and system, nanoseconds) and
//! is divided by deliveries, publishes or subscribers. Resident memory is `Rss` of `/proc/PID/smaps_rollup`; what the kernel
//! keeps for sockets is not in it. Children of a server count as the server. The generator polls without sleeping, so that no
//! `send` of a server pays for waking the receiver up. Latency counts from the moment at which a message was due.
//!
//! Each subscriber's stream is checked for order, completeness and intact content: one event lost, doubled, damaged or out of
//! order, or one subscriber refused, makes the run invalid and the exit code 1. Where the generator says that it was the
//! bottleneck, the report says so.
//!
//! What is measured stands in three tables: `trials.rs` (one server, one generator), `curves.rs` (cost over a growing size) and
//! `SPECIALS` in `plan.rs` (what needs two generators, or none). The goals stand with their figures.

mod charts;
mod curves;
mod document;
mod fairness;
mod figure;
mod flood;
mod floor;
mod generator;
mod idle;
mod kind;
mod machine;
mod nchan;
mod options;
mod pinning;
mod plan;
mod probe;
mod programs;
mod report;
mod servers;
mod start;
mod tables;
mod trials;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use options::{Options, Request};
use plan::Plan;
use programs::Programs;
use report::Report;

/// Descriptors that a server and the generator each need: one a subscriber, and some.
const DESCRIPTORS: u64 = 18_100;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the program's three lives apart: a guarded program, the bare loop, the benchmark.
fn dispatch(arguments: &[OsString]) -> io::Result<ExitCode> {
    match arguments.first().and_then(|first| first.to_str()) {
        Some(programs::GUARD) => return programs::guard(&arguments[1..]),
        Some(servers::FLOOR) => return floor::serve(&arguments[1..]),
        _ => {}
    }
    match Options::parse(arguments)? {
        Request::Help => {
            io::stdout().write_all(options::HELP.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Nothing => {
            writeln!(io::stdout(), "compare: not run (cargo bench runs it)")?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Run(options) => run(options),
    }
}

/// Runs the benchmark and reports; the exit code tells of missed goals where that was asked for.
fn run(mut options: Options) -> io::Result<ExitCode> {
    let cores = pinning::Cores::of_this_process()?;
    let programs = Programs::find(&mut options, &cores)?;
    // After the build of the programs, which may use every core.
    pinning::pin_this_thread(&[cores.loader])?;
    pinning::raise_descriptor_limit(DESCRIPTORS)?;

    let plan = Plan::new(&options, &programs);
    let mut report = Report::new(&options, machine::describe(&programs));
    for run in 0..options.runs {
        plan.run(run, &mut report)?;
    }

    tables::print(&report, &mut io::stdout().lock())?;
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    if options.write {
        document::write(&report)?;
    }
    let failed = options.goals && report.goal_missed();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
