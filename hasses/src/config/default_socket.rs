//! The control socket where nobody named a control source: one that only the user who starts the daemon can reach.
//!
//! `control.sock` in the folder that a service manager made for the daemon (`RUNTIME_DIRECTORY`; `/run/hasses` with the unit that
//! comes with it); else `/run/hasses/control.sock` for root; else `hasses/control.sock` in `XDG_RUNTIME_DIR`; else
//! `hasses-UID/control.sock` in the folder for temporary files. `hasses-ctl` looks in these places, so they do not change. Anybody
//! may make a folder in the last, which is why owner and mode are checked.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hasses_adapters::SourceUrl;

use super::Environment;
use super::error::ConfigError;
use super::settings::without_control_characters;

/// Root's services keep their sockets here; a folder of its own lets a package say who may enter it.
const SYSTEM_FOLDER: &str = "/run/hasses";
const SOCKET: &str = "control.sock";

/// Where the control socket is when nobody named one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultSocket {
    folder: PathBuf,
    visitors: Visitors,
}

/// Who may enter the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitors {
    /// Anybody: the socket itself says who may connect.
    Anybody,
    /// This user alone.
    Only(u32),
}

impl DefaultSocket {
    /// Chooses the place, without looking at it.
    ///
    /// A folder that is not absolute is ignored, as the XDG base directory specification has it.
    #[must_use]
    pub fn choose(environment: &Environment) -> Self {
        let absolute = |folder: &Option<PathBuf>| folder.clone().filter(|folder| folder.is_absolute());
        // The service manager has said who may enter it.
        if let Some(folder) = absolute(&environment.service_dir) {
            return Self { folder, visitors: Visitors::Anybody };
        }
        if environment.uid == 0 {
            return Self { folder: PathBuf::from(SYSTEM_FOLDER), visitors: Visitors::Anybody };
        }
        let folder = match absolute(&environment.runtime_dir) {
            Some(folder) => folder.join("hasses"),
            None => environment.temp_dir.join(format!("hasses-{}", environment.uid)),
        };
        Self { folder, visitors: Visitors::Only(environment.uid) }
    }

    /// The folder of the socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether `hasses-ctl` looks for it there by itself. A service manager may have given the folder another name.
    #[must_use]
    pub fn is_looked_for(&self) -> bool {
        self.visitors != Visitors::Anybody || self.folder == Path::new(SYSTEM_FOLDER)
    }

    /// The socket's URL. Its mode is that of every Unix source unless told otherwise: 0600.
    pub(super) fn source(&self) -> Result<SourceUrl, ConfigError> {
        let path = self.folder.join(SOCKET);
        let unfit = |why: String| {
            let folder = self.folder.display();
            ConfigError::system(format!("the default control socket cannot be in {folder}: {why}; {ELSEWHERE}"))
        };
        let text = path.to_str().ok_or_else(|| unfit("the path is not UTF-8".to_owned()))?;
        without_control_characters(text).map_err(unfit)?;
        let url: SourceUrl = format!("unix://{text}").parse().map_err(|error| unfit(format!("{error}")))?;
        if url.target() != text {
            return Err(unfit("the path holds a ?".to_owned()));
        }
        Ok(url)
    }

    /// Makes the folder if it is missing: mode 0700, for root 0755.
    ///
    /// # Errors
    /// With exit code 1: it cannot be made, or what is there is no folder, belongs to somebody else, or is open to
    /// others.
    pub fn make_folder(&self) -> Result<(), ConfigError> {
        let mode = match self.visitors {
            Visitors::Anybody => 0o755,
            Visitors::Only(_) => 0o700,
        };
        match DirBuilder::new().mode(mode).create(&self.folder) {
            Ok(()) => {
                // The umask may have taken more than it should.
                fs::set_permissions(&self.folder, Permissions::from_mode(mode)).map_err(|error| self.failed(&error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(self.failed(&error)),
        }
        self.check_folder()
    }

    /// Whether the folder is what it should be, or could be made. Changes nothing.
    pub(super) fn check_folder(&self) -> Result<(), ConfigError> {
        // A symbolic link would be somebody else's say where the socket goes.
        let metadata = match fs::symlink_metadata(&self.folder) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = self.folder.parent().unwrap_or(Path::new("/"));
                return fs::metadata(parent).map(drop).map_err(|error| self.failed(&error));
            }
            Err(error) => return Err(self.failed(&error)),
        };
        match self.fault(&metadata) {
            None => Ok(()),
            Some(why) => {
                let folder = self.folder.display();
                Err(ConfigError::system(format!(
                    "the folder of the default control socket, {folder}, {why}; {ELSEWHERE}"
                )))
            }
        }
    }

    fn fault(&self, metadata: &Metadata) -> Option<String> {
        let mode = metadata.mode() & 0o7777;
        if metadata.is_symlink() {
            return Some("is a symbolic link".to_owned());
        }
        if !metadata.is_dir() {
            return Some("is no folder".to_owned());
        }
        match self.visitors {
            Visitors::Anybody => None,
            Visitors::Only(uid) if metadata.uid() != uid => {
                Some(format!("belongs to user {}, not to the one who starts hasses ({uid})", metadata.uid()))
            }
            Visitors::Only(_) if mode & 0o077 != 0 => {
                Some(format!("is open to other users (mode {mode:04o}, where 0700 is wanted)"))
            }
            Visitors::Only(_) => None,
        }
    }

    fn failed(&self, error: &io::Error) -> ConfigError {
        let folder = self.folder.display();
        ConfigError::system(format!(
            "the folder of the default control socket, {folder}, cannot be made: {error}; {ELSEWHERE}"
        ))
    }
}

const ELSEWHERE: &str = "mend that, or name another place: --control unix:///PATH";

#[cfg(test)]
#[path = "default_socket_tests.rs"]
mod tests;
