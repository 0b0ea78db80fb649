//! A run of the program: what was asked for on the command line, up to the exit code.
//!
//! Exit codes: 0 after a signal ended it, 1 when it cannot start, 2 when it was told something wrong (classic switches: 1).

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_lite::{FutureExt as _, StreamExt as _};
use hasses_adapters::Passed;
use tracing::{error, info, warn};

use crate::config::{Config, DefaultSocket, Environment, Invocation, describe, load};
use crate::daemon::Daemon;
use crate::greeting::greet;
use crate::logging::{self, LevelSwitch, LogHandle};
use crate::opening::Opened;
use crate::service::background::{self, Caller, Role};
use crate::service::{Group, Manager, Origin, Owner, PidFile, Status, Terminal, beat, watchdog};

/// Does what the arguments, without the program's name, ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let origin = Origin { arguments: arguments.into_iter().collect(), environment: Environment::of_this_process() };
    match load(origin.arguments.iter().cloned(), &origin.environment) {
        Ok(Invocation::Run(config)) => run(*config, &origin).unwrap_or_else(|error| complain(&error, 1)),
        Ok(Invocation::Check(config)) => print(&describe(&config).join("\n")),
        Ok(Invocation::Help(text) | Invocation::Version(text)) => print(&text),
        Err(error) => complain(&error.text, error.exit_code),
    }
}

/// Serves here or in the background.
fn run(config: Config, origin: &Origin) -> Result<ExitCode, String> {
    let caller = match background::role(&config)? {
        Role::Caller => return background::start(&origin.arguments),
        Role::Background => Some(Caller::leave().map_err(|error| format!("cannot leave its caller: {error}"))?),
        Role::Foreground => None,
    };
    serve(config, origin, caller).map(|()| ExitCode::SUCCESS)
}

/// Serves until SIGTERM or SIGINT.
fn serve(config: Config, origin: &Origin, caller: Option<Caller>) -> Result<(), String> {
    // It changes the environment, so there must be no thread yet.
    let passed = Passed::from_environment();
    // Before anything is opened, so that a signal which comes early is not lost.
    let signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup])
        .map_err(|error| format!("cannot catch signals: {error}"))?;
    let owner = Owner::look_up(config.service.user.as_deref())?;
    let switch = LevelSwitch::new(config.log.level);
    let log = open_log(&config, &owner, &switch)?;
    let in_file = config.log.file.is_some();
    let served = Start { config, origin, owner, switch, passed }.serve(signals, &log, caller);
    if in_file && let Err(error) = &served {
        // Whoever starts it is told as well, but may not be a person.
        error!("{error}");
    }
    served
}

fn open_log(config: &Config, owner: &Owner, switch: &LevelSwitch) -> Result<LogHandle, String> {
    let Some(path) = &config.log.file else {
        return logging::init(&config.log, switch).map_err(|error| format!("cannot begin to log: {error}"));
    };
    let opened = owner.prepare_file(path).and_then(|()| owner.act(path, || logging::init(&config.log, switch)));
    opened.map_err(|error| format!("cannot open the log file {}: {error}", path.display()))
}

/// What a start works with once it can log.
struct Start<'a> {
    config: Config,
    origin: &'a Origin,
    owner: Owner,
    switch: LevelSwitch,
    passed: Passed,
}

impl Start<'_> {
    fn serve(self, signals: Signals, log: &LogHandle, caller: Option<Caller>) -> Result<(), String> {
        let manager = Manager::from_environment();
        let terminal = if self.config.log.file.is_none() { Terminal::of_this_process() } else { Terminal::None };
        let (origin, owner, passed) = (self.origin, self.owner.clone(), self.passed.clone());
        let is_found = self.config.default_socket.as_ref().is_some_and(DefaultSocket::is_looked_for);
        let notes = self.config.notes.clone();
        // Removed last, when nobody is served any more.
        let (mut daemon, _pid_file) = self.open()?;
        notes.iter().for_each(|note| warn!("{note}"));
        for name in passed.left() {
            warn!(
                "the service manager passed a socket named {name:?}, and no --listen, --listen-tls or --control takes it"
            );
        }
        if owner != Owner::Starter {
            origin.foresee(daemon.config());
        }
        greet(&daemon, is_found);
        manager.ready(Status::of(&daemon));
        if let Some(caller) = caller {
            caller.tell().map_err(|error| format!("whoever started it is gone, so it ends: {error}"))?;
        }
        let mut signals = signals;
        let why = async_io::block_on(live(&mut daemon, origin, &mut signals, log, &manager, terminal));
        manager.stopping();
        let subscribers = daemon.subscribers();
        let time = daemon.config().limits.drain;
        if why.is_calm() && subscribers > 0 && !time.is_zero() {
            let streams = if subscribers == 1 { "stream" } else { "streams" };
            info!("{why}: ending {subscribers} {streams} over {time:?}; a second signal ends them at once");
            async_io::block_on(drain(&daemon, &mut signals));
        } else {
            info!("{why}: ending every stream");
        }
        daemon.stop();
        info!("stopped");
        Ok(())
    }

    /// Opens everything, becomes the user, and starts.
    fn open(self) -> Result<(Daemon, Option<PidFile>), String> {
        let Self { config, owner, switch, passed, .. } = self;
        let pid_file = config.service.pid_file.as_deref().map(|path| {
            let written = owner.prepare_file(path).and_then(|()| owner.act(path, || PidFile::write(path)));
            written.map_err(|error| format!("pid file {}: {error}", path.display()))
        });
        let pid_file = pid_file.transpose()?;
        if let Some(socket) = &config.default_socket {
            let made = owner.make(socket.folder(), Group::Theirs, || socket.make_folder());
            made.map_err(|error| error.to_string())?;
        }
        let opened = Opened::open(config, passed, &owner).map_err(|error| error.to_string())?;
        // Before there is a thread that could do anything with the rights that are given up.
        owner.become_it()?;
        let daemon = opened.start(switch).map_err(|error| error.to_string())?;
        Ok((daemon, pid_file))
    }
}

/// Why it ends.
enum End {
    Term,
    Int,
    Terminal,
    Signals,
}

impl End {
    /// Whether there is time to let browsers go one by one: whoever presses Ctrl-C waits for it.
    fn is_calm(&self) -> bool {
        matches!(self, Self::Term)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Terminal => "the terminal was closed",
            Self::Signals => "signals cannot be caught any more",
        })
    }
}

/// Waits until every stream has ended, or another signal asks for an end at once.
async fn drain(daemon: &Daemon, signals: &mut Signals) {
    let again = async {
        loop {
            match signals.next().await {
                Some(Ok(Signal::Hup)) => warn!("SIGHUP is ignored: the daemon is ending"),
                _ => return info!("a second signal: ending every stream at once"),
            }
        }
    };
    daemon.drain().or(again).await;
}

/// Waits for the end, and sees to reloads and signs of life until then; gives the reason of the end.
async fn live(
    daemon: &mut Daemon,
    origin: &Origin,
    signals: &mut Signals,
    log: &LogHandle,
    manager: &Manager,
    terminal: Terminal,
) -> End {
    let pulse = beat(manager, watchdog(), daemon.inbox().clone(), Status::of(daemon));
    let troubles = async {
        loop {
            let error = log.trouble().await;
            warn!("the log file was moved away and cannot be made anew, lines go on to where they went: {error}");
        }
    };
    let ended = async {
        loop {
            match signals.next().await {
                Some(Ok(Signal::Hup)) if terminal.is_closed() => return End::Terminal,
                Some(Ok(Signal::Hup)) => origin.reload(daemon, log, manager),
                Some(Ok(Signal::Int)) => return End::Int,
                Some(Ok(_)) => return End::Term,
                Some(Err(_)) | None => return End::Signals,
            }
        }
    };
    ended.or(never(pulse)).or(never(troubles)).await
}

async fn never<T>(task: impl Future<Output = ()>) -> T {
    task.await;
    std::future::pending().await
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
