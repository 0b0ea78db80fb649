//! A run of the program: what was asked for on the command line, up to the exit code.
//!
//! Exit codes: 0 after a signal ended it, 1 when it cannot start, 2 when it was told something wrong (classic switches: 1).

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_lite::StreamExt as _;
use hasses_adapters::Passed;
use tracing::{info, warn};

use crate::config::{Config, Environment, Invocation, describe, load};
use crate::daemon::Daemon;
use crate::logging::{self, LevelSwitch};
use crate::shared::Listening;

/// Does what the arguments, without the program's name, ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match load(arguments, &Environment::of_this_process()) {
        Ok(Invocation::Run(config)) => match serve(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, 1),
        },
        Ok(Invocation::Check(config)) => print(&describe(&config).join("\n")),
        Ok(Invocation::Help(text) | Invocation::Version(text)) => print(&text),
        Err(error) => complain(&error.text, error.exit_code),
    }
}

/// Serves until SIGTERM or SIGINT.
fn serve(config: Config) -> Result<(), String> {
    let switch = LevelSwitch::new(config.log.level);
    logging::init(&config.log, &switch).map_err(|error| match &config.log.file {
        Some(path) => format!("cannot open the log file {}: {error}", path.display()),
        None => format!("cannot begin to log: {error}"),
    })?;
    if let Some(socket) = &config.default_socket {
        socket.make_folder().map_err(|error| error.text)?;
    }
    // Before anything is bound, so that a signal which comes early is not lost.
    let mut signals =
        Signals::new([Signal::Term, Signal::Int]).map_err(|error| format!("cannot catch signals: {error}"))?;
    let (notes, path, classic) = (config.notes.clone(), config.path.clone(), config.classic);
    let default_control = config.default_socket.is_some();
    let daemon = Daemon::start(config, switch, Passed::from_environment()).map_err(|error| error.to_string())?;
    notes.iter().for_each(|note| warn!("{note}"));
    greet(&daemon, &path, default_control && !classic);
    let signal = async_io::block_on(signals.next());
    let name = if matches!(signal, Some(Ok(Signal::Int))) { "SIGINT" } else { "SIGTERM" };
    info!("{name}: ending every stream");
    daemon.stop();
    info!("stopped");
    Ok(())
}

/// Says where it listens, and two commands that show it at work.
fn greet(daemon: &Daemon, path: &str, default_control: bool) {
    info!("hasses {} (pid {})", env!("CARGO_PKG_VERSION"), std::process::id());
    for listening in daemon.listening() {
        info!("subscribers: {}", listening.url(path));
    }
    for source in daemon.sources() {
        info!("control: {source}");
    }
    info!("room for {} subscribers", daemon.max_subscribers());
    if let Some(listening) = daemon.listening().first() {
        info!("try: {}", listen_command(listening, path));
    }
    if let Some(source) = daemon.sources().iter().find(|source| !source.starts_with("fifo:")) {
        let source =
            source.strip_prefix("tcp://").map_or_else(|| source.clone(), |at| format!("tcp://{}", reachable(at)));
        let control = if default_control { String::new() } else { format!("--control {source} ") };
        info!("and: {} {control}send room624 \"hi\"", ctl());
    }
}

fn listen_command(listening: &Listening, path: &str) -> String {
    let query = format!("{path}?subscribe=room624");
    // The certificate is for a name, which is not known here.
    let (insecure, scheme) = if listening.tls { ("-k ", "https") } else { ("", "http") };
    match listening.address.strip_prefix("unix:") {
        Some(socket) => format!("curl -N {insecure}--unix-socket {socket} '{scheme}://localhost{query}'"),
        None => format!("curl -N {insecure}'{scheme}://{}{query}'", reachable(&listening.address)),
    }
}

/// Every interface is reached through loopback.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_owned(),
    }
}

/// The tool beside this program, where it is there, since it may not be on the path yet.
fn ctl() -> String {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("hasses-ctl"));
    match beside.filter(|path| path.is_file()) {
        Some(path) => path.display().to_string(),
        None => "hasses-ctl".to_owned(),
    }
}

fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        // Whoever asked may have read enough (`hasses --help | head`).
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str, exit_code: u8) -> ExitCode {
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "hasses: {text}");
    ExitCode::from(exit_code)
}
