//! # Fan-out benchmark
//!
//! Compares, side by side on this machine, what one delivered event costs:
//!
//! - **floor**: a bare epoll loop that renders an event once and calls `send` for every subscriber (`floor.rs`);
//! - **hasses**: the daemon, built by this benchmark with the release profile unless `--hasses PATH` names one;
//! - **nchan**: Debian's nginx with its nchan module (`apt-get install -y nginx-light libnginx-mod-nchan`).
//!
//! ```sh
//! cargo bench -p hasses-tests --bench fanout                       # everything: some minutes
//! cargo bench -p hasses-tests --bench fanout -- --only burst       # one case
//! cargo bench -p hasses-tests --bench fanout -- --skip nchan --json fanout.json
//! cargo bench -p hasses-tests --bench fanout -- --help
//! ```
//!
//! Needs Linux, two cores, and about 10,100 descriptors a process (`ulimit -Hn`).
//!
//! ## How the figures are taken
//!
//! Servers run one at a time, pinned to the first core this process may use; the loader is this process, pinned to the second.
//! One run measures every server, and the order rotates from run to run, so that slow drift of the machine meets all of them.
//! A figure is the median over the runs, followed by the smallest and the largest value; a ratio is the median of the ratios
//! *within* each run. Messages are 64 bytes, subscribers are connections from loopback addresses, Nagle is off.
//!
//! - `single`: one message at a time, the next one when every subscriber has it; 1,000 and 10,000 subscribers.
//! - `burst`: 50 messages in one write to the publisher's connection, the next burst when every subscriber has all; 1,000 subscribers.
//! - `connect`: the server's CPU to accept and subscribe 10,000 connections, for each.
//! - `memory`: growth of the server's resident set by 10,000 idle subscribers, for each; the kernel's sockets are not in it.
//!
//! CPU is what the scheduler accounts to the server's threads (`/proc/PID/task/*/schedstat`, user and system, nanoseconds) and
//! is divided by deliveries. Resident memory is `Rss` of `/proc/PID/smaps_rollup`. Children of a server count as the server.
//! The loader polls without sleeping, so that no `send` of a server pays for waking the receiver up.
//!
//! Messages carry a running number. Each subscriber's stream is checked for order, completeness and intact content: one event
//! lost, doubled, damaged or out of order makes the run invalid and the exit code 1.

mod cases;
mod floor;
mod loader;
mod nchan;
mod options;
mod pinning;
mod publisher;
mod report;
mod servers;
mod stream;
mod usage;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use cases::Plan;
use options::{Options, Request};
use report::Report;
use servers::Programs;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = writeln!(io::stderr(), "fanout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the program's three lives apart: a guarded server, the bare loop, the benchmark.
fn dispatch(arguments: &[OsString]) -> io::Result<ExitCode> {
    match arguments.first().and_then(|first| first.to_str()) {
        Some(servers::GUARD) => return servers::guard(&arguments[1..]),
        Some(servers::FLOOR) => return floor::serve(&arguments[1..]),
        _ => {}
    }
    match Options::parse(arguments)? {
        Request::Help => {
            io::stdout().write_all(options::HELP.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Nothing => {
            writeln!(io::stdout(), "fanout: not run (cargo bench runs it)")?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Run(options) => run(&options),
    }
}

/// Runs the benchmark and reports; the exit code tells of missed goals where that was asked for.
fn run(options: &Options) -> io::Result<ExitCode> {
    let cores = pinning::Cores::of_this_process()?;
    let programs = Programs::find(options, cores.server)?;
    // After the build of the daemon, which may use every core.
    pinning::pin_this_thread(cores.loader)?;
    pinning::raise_descriptor_limit(cases::DESCRIPTORS)?;

    let plan = Plan::new(options);
    let mut report = Report::new(options);
    for run in 0..options.runs {
        plan.run(run, &programs, &mut report)?;
    }

    report.print(&mut io::stdout().lock())?;
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    let failed = options.goals && report.goal_missed();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
