//! # Instruction counts
//!
//! Counts what the hot paths of the shipped crates cost in instructions, which a busy machine does not change: a loss of a tenth
//! shows where a clock would see noise. Needs valgrind (`apt-get install valgrind`) and nothing else.
//!
//! ```sh
//! cargo bench -p hasses-tests --bench instructions                      # a table
//! cargo bench -p hasses-tests --bench instructions -- --check           # fails where a case costs more than its bound
//! cargo bench -p hasses-tests --bench instructions -- --record          # writes bounds.toml anew
//! cargo bench -p hasses-tests --bench instructions -- --only session --keep DIR   # and callgrind_annotate DIR/*
//! cargo bench -p hasses-tests --bench instructions -- --help
//! ```
//!
//! ## How the figures are taken
//!
//! For each case this program runs itself under `valgrind --tool=callgrind`. Only what happens within one function is counted
//! (`meter.rs`), so setting a case up costs nothing. What is counted is user space: a system call is one instruction. Beside the
//! instructions stand the calls to the allocator. Both are divided by the operations of the case: commands, events, deliveries.
//! Waiting is not in it: the reactor, and what a shard does to fall asleep.
//!
//! Time stands still, sockets are pairs within the process, and one thread drives everything turn by turn, so the same program
//! counts the same each time; what is hashed with a random seed (the keys of publishers, in the log) may differ in the last digits.
//! Built in another folder it is another program: up to two percent either way were seen.
//!
//! ## Bounds
//!
//! `bounds.toml` has what each case cost when it was recorded, with the versions of the compiler and of the C library: the code that
//! they bring is counted as well. With the same versions a case may cost 8 % more. With others the check is coarse, 25 %, and says so;
//! on another architecture it checks nothing. A case that costs 8 % less than recorded is pointed out, and its bound is to be lowered.

#![expect(clippy::expect_used, reason = "a case that cannot go on shall fail, and say where")]

mod bounds;
mod callgrind;
mod case;

mod delivery;
mod events;
mod lookup;
mod meter;
mod options;
mod origin;
mod report;
mod session;
mod stage;
mod wire;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use bounds::Bounds;
use callgrind::Callgrind;
use case::Case;
use meter::Meter;
use options::{Options, Request};
use origin::Origin;
use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = writeln!(io::stderr(), "instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the program's two lives apart: one case, under valgrind, and the benchmark.
fn dispatch(arguments: &[OsString]) -> io::Result<ExitCode> {
    if let [first, name] = arguments
        && first == callgrind::CASE
    {
        return run_case(name);
    }
    match Options::parse(arguments)? {
        Request::Help => {
            io::stdout().write_all(options::HELP.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Nothing => {
            writeln!(io::stdout(), "instructions: not run (cargo bench runs it)")?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Run(options) => run(&options),
    }
}

/// The life under valgrind: runs a case, and says how many operations that were.
fn run_case(name: &OsString) -> io::Result<ExitCode> {
    let case = Case::all().find(|case| name == case.name);
    let case = case.ok_or_else(|| io::Error::other(format!("{name:?} is no case")))?;
    let mut meter = Meter::default();
    (case.run)(&mut meter);
    writeln!(io::stdout(), "{}", meter.operations())?;
    Ok(ExitCode::SUCCESS)
}

fn run(options: &Options) -> io::Result<ExitCode> {
    let cases: Vec<&Case> = Case::all().filter(|case| options.wants(case)).collect();
    if cases.is_empty() {
        return Err(io::Error::other(format!("no case begins with {}, see --help", options.only.join(" or "))));
    }
    let origin = Origin::of_this_program();
    let counts = Callgrind::find(options.keep.as_deref())?.count(&cases)?;
    let recorded = Bounds::read(&fs::read_to_string(bounds::PATH)?)?;
    let report = Report::new(&cases, &counts, &recorded, &origin);
    let mut out = io::stdout().lock();
    report.print(&mut out)?;
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    if options.record {
        fs::write(bounds::PATH, recorded.with(&report.figures(), &origin)?.to_string())?;
        writeln!(out, "recorded in {}", bounds::PATH)?;
        return Ok(ExitCode::SUCCESS);
    }
    report.print_verdicts(&mut out)?;
    let failed = options.check && report.has_failed();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
