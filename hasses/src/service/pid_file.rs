//! The pid file: the process id as a number without a newline, as the classic daemon wrote it.
//!
//! It is locked as long as the daemon lives, so that the file of a dead one is told from that of one that lives, whatever
//! process has its number by now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use tracing::debug;

/// The pid file of a daemon that lives. Dropping it removes it; where its folder is closed to the daemon's user it is emptied.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes this process's id. A file that a dead process left is taken over.
    ///
    /// # Errors
    /// Another daemon lives, with its id; or what the system said.
    pub fn write(path: &Path) -> io::Result<Self> {
        let mut file = lock(path)?;
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), file })
    }
}

fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(lives(&file)),
            Err(error) => return Err(error.into()),
        }
        // Whoever had it locked may have removed it in the meantime: then it is nobody's.
        let (ours, there) = (file.metadata()?, fs::symlink_metadata(path));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(file);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A link would be somebody else's say where the number goes. Whatever is not a plain file does not block here.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(flags);
    let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::new(error.kind(), "there is a symbolic link; remove it"),
        _ => error,
    })?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no plain file; choose another path"))
}

fn lives(file: &File) -> io::Error {
    let mut text = String::new();
    // Its number is a courtesy.
    let _ = file.take(20).read_to_string(&mut text);
    let which = text.trim().parse::<u32>().map_or_else(|_| "a process".to_owned(), |pid| format!("process {pid}"));
    let why =
        format!("hasses runs already as {which}, which has this file locked; stop that one, or choose another path");
    io::Error::new(io::ErrorKind::ResourceBusy, why)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let is_ours = |there: &fs::Metadata| {
            self.file.metadata().is_ok_and(|ours| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        };
        if !fs::symlink_metadata(&self.path).is_ok_and(|there| is_ours(&there)) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            // Its folder may be root's, and the daemon another user by now. No number is better than a wrong one.
            debug!("the pid file {} is emptied, since it cannot be removed: {error}", self.path.display());
            let _ = self.file.set_len(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_holds_the_number_alone_and_is_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hasses.pid");
        fs::write(&path, "1234567890 of a daemon that is dead").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        let error = PidFile::write(&path).unwrap_err();
        let expected = format!("hasses runs already as process {}, which has this file locked", std::process::id());
        assert!(error.to_string().starts_with(&expected), "{error}");
        drop(file);
        assert!(!path.exists());
        drop(PidFile::write(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_somebody_elses_by_now_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hasses.pid");
        let file = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "precious").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (name, part) in
            [("link", "there is a symbolic link"), ("fifo", "no plain file"), ("missing/x", "No such file")]
        {
            let error = PidFile::write(&at(name)).unwrap_err();
            assert!(error.to_string().contains(part), "{name}: {error}");
        }
        assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious");
    }
}
