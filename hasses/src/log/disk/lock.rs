//! The file `lock` of a log directory: who has it, and whether the one before left it properly.
//!
//! The system's lock on it lasts as long as the process, so that the file of a dead daemon is told from that of one that lives.
//! What is written in it has one length for ever, so that it can be changed on a disk that is full.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::DiskError;

/// The directory is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    leave: State,
}

/// What is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing that we know: the directory is new, or was put together by hand.
    Unknown,
    /// A process has the log, or had it when it died.
    Open,
    /// The log was closed properly.
    Closed,
}

impl Lock {
    /// Makes the directory where it is missing, and takes it. The answer's second half is how the one before left it.
    ///
    /// As long as [`Lock::used`] was not said, dropping it leaves the state that was found.
    pub(super) fn take(directory: &Path) -> Result<(Self, State), DiskError> {
        match DirBuilder::new().mode(0o700).create(directory) {
            // Or its name may be gone after a power cut, whatever was written into it.
            Ok(()) => sync_parent(directory).map_err(|error| file_error("make")(directory, error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(file_error("make")(directory, error)),
        }
        let path = directory.join("lock");
        // A link would be somebody else's say where this is written.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = options.open(&path).map_err(|error| file_error("open")(&path, error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let pid = words(&file).ok().and_then(|words| words.strip_prefix("open, pid ")?.parse().ok());
                return Err(DiskError::InUse { directory: directory.to_owned(), pid });
            }
            Err(error) => return Err(file_error("lock")(&path, error.into())),
        }
        let words = words(&file).map_err(|error| file_error("read")(&path, error))?;
        let state = match words.as_str() {
            "closed" => State::Closed,
            words if words.starts_with("open") => State::Open,
            _ => State::Unknown,
        };
        let lock = Self { path, file, leave: state };
        lock.write(State::Open)
            .and_then(|()| lock.file.sync_data())
            .map_err(|error| file_error("write")(&lock.path, error))?;
        Ok((lock, state))
    }

    /// From now on the log may be in any state when the process dies.
    pub(super) fn used(&mut self) {
        self.leave = State::Open;
    }

    /// Lets go of the directory; the log is whole.
    pub(super) fn close(mut self) {
        self.leave = State::Closed;
    }

    fn write(&self, state: State) -> io::Result<()> {
        let words = match state {
            State::Unknown => String::new(),
            State::Open => format!("open, pid {}", std::process::id()),
            State::Closed => "closed".to_owned(),
        };
        self.file.write_all_at(format!("{words:<20}\n").as_bytes(), 0)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.leave != State::Open {
            // Where it fails, the next start says that the log was not closed properly, and finds everything all the same.
            let _ = self.write(self.leave);
        }
    }
}

fn sync_parent(directory: &Path) -> io::Result<()> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn words(file: &File) -> io::Result<String> {
    let mut words = Vec::new();
    file.take(64).read_to_end(&mut words)?;
    Ok(String::from_utf8_lossy(&words).trim_end().to_owned())
}

fn file_error(doing: &'static str) -> impl Fn(&Path, io::Error) -> DiskError {
    move |path, error| DiskError::File { path: path.to_owned(), doing, error }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn it_tells_how_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("log");
        let text = || fs::read_to_string(directory.join("lock")).unwrap();
        let pid = std::process::id();

        let (lock, before) = Lock::take(&directory).unwrap();
        assert_eq!(before, State::Unknown);
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(directory.join("lock")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(text().trim_end(), format!("open, pid {pid}"));
        drop(lock);
        assert_eq!(text().trim_end(), "");

        let (mut lock, before) = Lock::take(&directory).unwrap();
        assert_eq!(before, State::Unknown);
        lock.used();
        drop(lock);
        let (lock, before) = Lock::take(&directory).unwrap();
        assert_eq!(before, State::Open);
        lock.close();
        assert_eq!(text().trim_end(), "closed");

        let (lock, before) = Lock::take(&directory).unwrap();
        assert_eq!(before, State::Closed);
        assert_eq!(text().trim_end(), format!("open, pid {pid}"));
        drop(lock);
        assert_eq!(text().trim_end(), "closed");
        assert_eq!(text().len(), 21);
    }

    #[test]
    fn a_second_one_is_refused_with_the_first_ones_pid() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, _) = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err();
        let expected = format!(
            "the event log in {} is in use by process {}; stop that one, or choose another directory",
            folder.path().display(),
            std::process::id(),
        );
        assert_eq!(error.to_string(), expected);
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn what_cannot_be_a_log_directory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "precious").unwrap();
        fs::create_dir(at("linked")).unwrap();
        symlink(at("file"), at("linked/lock")).unwrap();
        for (name, part) in [
            ("missing/log", "cannot make"),
            ("missing/log", "No such file or directory"),
            ("file", "Not a directory"),
            ("linked", "cannot open"),
        ] {
            let error = Lock::take(&at(name)).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    }
}
