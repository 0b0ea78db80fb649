//! Talks to the hasses daemon from the command line: arguments, run, exit code.

mod arguments;
mod bench;
mod commands;
mod doctor;
mod failure;
mod locate;
mod output;
mod quantity;
mod table;
mod tls;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::Invocation;
use failure::Failure;
use locate::Surroundings;
use output::{End, Output, complain, error_layout};

fn main() -> ExitCode {
    let typed: Result<Vec<String>, OsString> = std::env::args_os().skip(1).map(OsString::into_string).collect();
    let json = typed.as_deref().is_ok_and(arguments::wants_json);
    let ended = match typed {
        Ok(typed) => arguments::read(&typed).map_err(End::Failed).and_then(obey),
        Err(word) => Err(Failure::usage(format!("{word:?} is not UTF-8")).into()),
    };
    match ended {
        Ok(code) => code,
        Err(End::ReaderGone) => ExitCode::SUCCESS,
        Err(End::Failed(failure)) => {
            complain(&failure.render(error_layout(json)));
            failure.exit_code()
        }
    }
}

fn obey(invocation: Invocation) -> Result<ExitCode, End> {
    match invocation {
        Invocation::Nothing(help) => {
            complain(&help);
            Ok(ExitCode::from(2))
        }
        Invocation::Print(text) => {
            let mut out = Output::new(false);
            out.text(&text)?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Invocation::Run(arguments) => {
            let mut out = Output::new(arguments.json);
            let ended = commands::run(*arguments, &Surroundings::of_this_process(), &mut out);
            // Also after a failure, so that what was written before it is seen before it.
            let flushed = out.flush();
            ended.and_then(|code| flushed.map(|()| code))
        }
    }
}
