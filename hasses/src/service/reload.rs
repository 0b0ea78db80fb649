//! SIGHUP: the settings are read again exactly as at the start, and the log file is opened anew.

use std::ffi::OsString;
use std::fs::File;

use tracing::{error, info, warn};

use super::notify::Manager;
use super::pulse::Status;
use crate::config::{Config, Environment, Invocation, load};
use crate::daemon::Daemon;
use crate::logging::LogHandle;

/// Where the settings came from, so that they can be read again.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The command line, without the program's name.
    pub arguments: Vec<OsString>,
    /// What the process found around it when it started. The user may be another one by now.
    pub environment: Environment,
}

impl Origin {
    /// Reads everything again and brings into force what can be. Nobody is disconnected; where anything is wrong, the settings stay
    /// as they are.
    pub fn reload(&self, daemon: &mut Daemon, log: &LogHandle, manager: &Manager) {
        manager.reloading();
        // First, so that what follows is found in the new file. The settings may be wrong and this right.
        if let Err(error) = log.reopen() {
            error!("the log file cannot be opened anew, lines go on to where they went: {error}");
        }
        let reloaded = self.read().and_then(|config| daemon.reload(config).map_err(|error| format!("TLS: {error}")));
        match reloaded {
            Ok(changed) if changed.is_empty() => info!("SIGHUP: reloaded, no setting has changed"),
            Ok(changed) => info!("SIGHUP: reloaded, changed: {}", changed.join(", ")),
            Err(faults) => {
                for fault in faults.lines() {
                    error!("SIGHUP: {fault}");
                }
                error!("SIGHUP: nothing is reloaded, the old settings stay");
            }
        }
        manager.ready(Status::of(daemon));
    }

    /// Says what would stand in the way of a reload: files that were read at the start with rights that the process has given up.
    pub fn foresee(&self, config: &Config) {
        let files = config.certificates.chains.iter().chain(&config.certificates.keys);
        let closed =
            files.filter_map(|path| Some(format!("{} cannot be read: {}", path.display(), File::open(path).err()?)));
        for fault in closed {
            warn!("SIGHUP will not renew the certificates, for the user that the daemon has become: {fault}");
        }
        if let Err(fault) = self.read() {
            warn!("SIGHUP will reload nothing, for the user that the daemon has become: {fault}");
        }
    }

    fn read(&self) -> Result<Config, String> {
        match load(self.arguments.iter().cloned(), &self.environment) {
            Ok(Invocation::Run(config)) => Ok(*config),
            Ok(_) => Err("the command line asks for something else than to serve".to_owned()),
            Err(error) => Err(error.text),
        }
    }
}
