//! One file a command that has something to it; [`one_line`] has those whose answer is one line.

mod bench;
mod clients;
mod doctor;
mod lines;
mod listen;
mod one_line;
mod pages;
mod send;
mod status;
mod topics;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command, manual};
use crate::doctor::Sought;
use crate::failure::Failure;
use crate::locate::{self, Surroundings};
use crate::output::{End, Output};

/// Does what the command line asks for; gives the exit code of what was done.
///
/// # Errors
/// Why it was not done, or not to the end.
pub(crate) fn run(arguments: Arguments, surroundings: &Surroundings, out: &mut Output) -> Result<ExitCode, End> {
    let Some(command) = arguments.command else {
        return Err(Failure::usage("no command is given").into());
    };
    let connect = || locate::connect(arguments.control.as_deref(), surroundings);
    let done = match command {
        Command::Doctor(doctor) => {
            let sought = if arguments.control.is_some() { Sought::There } else { Sought::Anywhere };
            return doctor::run(&doctor, connect, sought, out);
        }
        Command::Bench(bench) => {
            let control = || locate::find(arguments.control.as_deref(), surroundings);
            return bench::run(&bench, control, out);
        }
        Command::Completions(completions) => out.text(&completions.shell.script()),
        Command::Manual(_) => out.text(&manual()),
        Command::Listen(listen) => listen::run(&listen, out),
        Command::Send(send) => send::run(&send, connect, out),
        Command::Status(_) => status::run(&connect()?, out),
        Command::Clients(clients) => clients::run(&clients, &connect()?, out),
        Command::Topics(topics) => topics::run(&topics, &connect()?, out),
        Command::Disconnect(disconnect) => {
            let which = one_line::which(disconnect)?;
            one_line::disconnect(which, &connect()?, out)
        }
        Command::Count(count) => one_line::count(&count, &connect()?, out),
        Command::LogLevel(level) => one_line::log_level(&level, &connect()?, out),
        Command::Reinit(reinit) => one_line::reinit(&reinit, &connect()?, out),
        Command::Ping(_) => one_line::ping(&connect()?, out),
        Command::Position(_) => one_line::position(&connect()?, out),
    };
    done.map(|()| ExitCode::SUCCESS)
}
