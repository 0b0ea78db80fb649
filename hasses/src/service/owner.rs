//! Whose the daemon's files and sockets are: those of whoever starts it, or of the user that it becomes.
//!
//! Where root alone has a hand in the way to a file, root makes it and hands it over; then it may lie where the user could
//! not make it (`/run`, `/var/log`). Everywhere else it is made as that user, so that root never follows what somebody else
//! may have put there.

use std::fmt;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::ground::Ground;
use super::user::User;

/// Whom the daemon's files and sockets belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whoever starts the daemon.
    Starter,
    /// The user that the daemon, started by root, becomes.
    User(User),
}

/// The group of something that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Becomes the user's.
    Theirs,
    /// Stays as it was made.
    Kept,
}

/// Something was not made, or not handed over.
#[derive(Debug)]
pub enum Refused<E> {
    /// It was not made.
    Made {
        /// Why not.
        error: E,
        /// As whom it was tried, where that is not whoever starts the daemon.
        user: Option<String>,
    },
    /// The user's rights could not be taken, or it could not be given to the user.
    HandedOver {
        /// What.
        path: PathBuf,
        /// To whom.
        user: String,
        /// What the system said.
        error: io::Error,
    },
}

impl Owner {
    /// Looks up the user of `--user`.
    ///
    /// # Errors
    /// There is no such user or group, or only root could become it.
    pub fn look_up(asked: Option<&str>) -> Result<Self, String> {
        Ok(asked.map(User::look_up).transpose()?.flatten().map_or(Self::Starter, Self::User))
    }

    /// Makes or opens what has a path: a socket, a FIFO, a folder. What was made belongs to this owner; what root had there
    /// before becomes the user's, but stays its group's.
    ///
    /// # Errors
    /// What `make` says, or why it could not be handed over.
    pub fn make<T, E>(&self, path: &Path, group: Group, make: impl FnOnce() -> Result<T, E>) -> Result<T, Refused<E>> {
        let Self::User(user) = self else { return make().map_err(|error| Refused::Made { error, user: None }) };
        let before = fs::symlink_metadata(path).ok();
        let is_foreign = before.as_ref().is_some_and(|found| is_foreign(found, user));
        let (Ground::Roots(folder), Some(name), false) = (Ground::below(path), path.file_name(), is_foreign) else {
            return self.act(path, make);
        };
        let made = make().map_err(|error| Refused::Made { error, user: None })?;
        hand_over(&folder.join(name), before.as_ref(), group, user).map_err(|error| refused(path, user, error))?;
        Ok(made)
    }

    /// Sees to it that this owner can open and make a plain file. It is to be opened with [`Owner::act`].
    ///
    /// # Errors
    /// What the system said.
    pub fn prepare_file(&self, path: &Path) -> Result<(), Refused<io::Error>> {
        let Self::User(user) = self else { return Ok(()) };
        let (Ground::Roots(folder) | Ground::Shared(folder)) = Ground::below(path) else { return Ok(()) };
        let Some(name) = path.file_name() else { return Ok(()) };
        prepare(&folder.join(name), user).map_err(|error| refused(path, user, error))
    }

    /// Does something with the rights that the owner will have.
    ///
    /// # Errors
    /// What `act` says, or why the rights could not be taken.
    pub fn act<T, E>(&self, path: &Path, act: impl FnOnce() -> Result<T, E>) -> Result<T, Refused<E>> {
        let Self::User(user) = self else { return act().map_err(|error| Refused::Made { error, user: None }) };
        let done = user.act(act).map_err(|error| refused(path, user, error))?;
        done.map_err(|error| Refused::Made { error, user: Some(user.name.clone()) })
    }

    /// Becomes the user, for good.
    ///
    /// # Errors
    /// The system refuses.
    pub fn become_it(&self) -> Result<(), String> {
        match self {
            Self::Starter => Ok(()),
            Self::User(user) => user.become_it(),
        }
    }
}

/// Whether root had better not touch it: a link that leads elsewhere, or a third user's. A socket is never opened, only replaced
/// when nobody listens on it.
fn is_foreign(found: &Metadata, user: &User) -> bool {
    found.is_symlink() || (!found.file_type().is_socket() && ![0, user.uid].contains(&found.uid()))
}

fn hand_over(path: &Path, before: Option<&Metadata>, group: Group, user: &User) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() != 0 {
        return Ok(());
    }
    let is_new = before.is_none_or(|before| (before.dev(), before.ino()) != (found.dev(), found.ino()));
    let gid = (is_new && group == Group::Theirs).then_some(user.gid);
    std::os::unix::fs::lchown(path, Some(user.uid), gid)
}

fn prepare(path: &Path, user: &User) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.uid() == 0 => {
            // In a folder that others may write to, it may be a second name of any of root's files.
            if matches!(Ground::below(path), Ground::Roots(_)) {
                std::os::unix::fs::lchown(path, Some(user.uid), None)?;
            }
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Only a file that is new: what others may put there in the meantime is not touched.
            match OpenOptions::new().write(true).create_new(true).mode(0o644).open(path) {
                Ok(file) => std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

fn refused<E>(path: &Path, user: &User, error: io::Error) -> Refused<E> {
    Refused::HandedOver { path: path.to_owned(), user: user.name.clone(), error }
}

impl<E: fmt::Display> fmt::Display for Refused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made { error, user: None } => error.fmt(f),
            Self::Made { error, user: Some(user) } => write!(f, "{error} (tried as user {user})"),
            Self::HandedOver { path, user, error } => {
                write!(f, "{}: acting as user {user}, or handing it over, failed: {error}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What is done as the user is tested in a process of its own, since users are the process's and not the thread's.

    const USER: u32 = 65533;
    const GROUP: u32 = 65532;

    /// Tests run as root or as anybody; only root can hand something over.
    fn owner() -> Option<Owner> {
        let is_root = rustix::process::geteuid().is_root();
        is_root.then(|| Owner::look_up(Some(&format!("{USER}:{GROUP}"))).unwrap())
    }

    fn ids(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    #[test]
    fn whoever_starts_it_makes_things_as_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        Owner::Starter.prepare_file(&path).unwrap();
        assert!(!path.exists());
        Owner::Starter.make(&path, Group::Theirs, || fs::write(&path, "")).unwrap();
        let error = Owner::Starter.make(&path, Group::Theirs, || fs::create_dir(&path)).unwrap_err();
        assert_eq!(error.to_string(), "File exists (os error 17)");
    }

    #[test]
    fn what_root_makes_where_root_alone_may_is_handed_over() {
        let Some(owner) = owner() else { return };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        owner.make(&at("new"), Group::Theirs, || fs::create_dir(at("new"))).unwrap();
        assert_eq!(ids(&at("new")), (USER, GROUP));
        owner.make(&at("kept"), Group::Kept, || fs::create_dir(at("kept"))).unwrap();
        assert_eq!(ids(&at("kept")), (USER, 0));
        fs::create_dir(at("there")).unwrap();
        owner.make(&at("there"), Group::Theirs, || Ok::<_, io::Error>(())).unwrap();
        assert_eq!(ids(&at("there")), (USER, 0), "what was there stays its group's");
        owner.prepare_file(&at("log")).unwrap();
        assert_eq!(ids(&at("log")), (USER, GROUP));
        fs::write(at("old"), "").unwrap();
        owner.prepare_file(&at("old")).unwrap();
        assert_eq!(ids(&at("old")), (USER, 0));
    }
}
