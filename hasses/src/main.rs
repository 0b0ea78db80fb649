//! The daemon's program: arguments, configuration, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hasses::run::main(std::env::args_os().skip(1))
}
