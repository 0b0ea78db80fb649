//! Control over a Unix socket.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use async_io::Async;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tracing::debug;

use crate::connections::{self, Connection, Over};
use crate::error::OpenError;
use crate::sources::{Context, ControlSource, Opened, Settings};
use crate::url::SourceUrl;

const BACKLOG: i32 = 4096;
/// Only the daemon's own user.
const MODE: u32 = 0o600;

/// The file of a listening socket; it is removed when this is dropped, if it is still the same one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

struct Unix {
    listener: Async<UnixListener>,
    path: PathBuf,
    /// Absent where the file is somebody else's to remove.
    #[expect(dead_code, reason = "removes the socket's file when dropped")]
    file: Option<SocketFile>,
}

pub(crate) fn check(url: &SourceUrl) -> Result<(), String> {
    check_path(url.target())?;
    mode_of(url).map(drop)
}

pub(crate) fn check_path(target: &str) -> Result<(), String> {
    if target.starts_with('/') { Ok(()) } else { Err(format!("{target:?} is not an absolute path")) }
}

pub(crate) fn open(url: &SourceUrl, _: &Settings) -> Opened {
    let path = Path::new(url.target());
    let bad = |why| OpenError::BadUrl { url: url.to_string(), why };
    let mode = mode_of(url).map_err(bad)?.unwrap_or(MODE);
    let group = group_of(url)?;
    let (listener, file) = bind(path, mode, group).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => OpenError::Occupied { url: url.to_string(), why: error.to_string() },
        _ => OpenError::Io { url: url.to_string(), doing: "making the socket", error },
    })?;
    listen(url, listener, path, Some(file))
}

/// Listens on a bound socket.
pub(crate) fn listen(url: &SourceUrl, listener: UnixListener, path: &Path, file: Option<SocketFile>) -> Opened {
    let listener =
        Async::new(listener).map_err(|error| OpenError::Io { url: url.to_string(), doing: "listening", error })?;
    Ok(Box::new(Unix { listener, path: path.to_owned(), file }))
}

/// The `mode` option: an octal number.
pub(crate) fn mode_of(url: &SourceUrl) -> Result<Option<u32>, String> {
    let Some(text) = url.option("mode") else { return Ok(None) };
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(Some(mode)),
        _ => Err(format!("mode {text:?} is no octal number up to 0777")),
    }
}

/// The number of the group that the `group` option names.
pub(crate) fn group_of(url: &SourceUrl) -> Result<Option<u32>, OpenError> {
    let Some(name) = url.option("group") else { return Ok(None) };
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        Ok(None) => {
            let why = format!("there is no group {name:?} on this system");
            Err(OpenError::BadUrl { url: url.to_string(), why })
        }
        Err(error) => Err(OpenError::Io { url: url.to_string(), doing: "looking up the group", error: error.into() }),
    }
}

/// Gives a file that was made just now its group and its mode, where they were asked for.
pub(crate) fn give(path: &Path, mode: Option<u32>, group: Option<u32>) -> io::Result<()> {
    // Not asked of the system in vain: a filter of system calls may refuse it.
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    mode.map_or(Ok(()), |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
}

/// Makes a listening Unix socket at `path`. One that a dead process left is replaced.
///
/// The socket gets its mode and group before anybody can connect, and its name last, so there is no moment at which
/// the path is missing or open to more than it should be.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] where a living process listens there, or the path is something else than a socket; else what
/// the system said.
pub fn bind(path: &Path, mode: u32, group: Option<u32>) -> io::Result<(UnixListener, SocketFile)> {
    let too_long = |_| {
        let why = "the path is longer than a socket's may be (107 bytes)";
        io::Error::new(io::ErrorKind::InvalidInput, why)
    };
    SocketAddrUnix::new(path).map_err(too_long)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder_file = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| named(&error.into(), &format!("folder {}", folder.display())))?;
    // Two daemons that start at one time: the second waits here, and then finds the first alive.
    rustix::fs::flock(&folder_file, FlockOperation::LockExclusive)?;
    refuse_the_living(path)?;

    let unnamed = folder.join(format!(".h{}", std::process::id()));
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    let address = SocketAddrUnix::new(&unnamed).map_err(too_long)?;
    // Left by a process of the same number that was killed at this point.
    let _ = fs::remove_file(&unnamed);
    rustix::net::bind(&socket, &address)?;
    let prepared = give(&unnamed, Some(mode), group)
        .and_then(|()| Ok(rustix::net::listen(&socket, BACKLOG)?))
        .and_then(|()| fs::rename(&unnamed, path));
    if let Err(error) = prepared {
        let _ = fs::remove_file(&unnamed);
        return Err(error);
    }
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) };
    Ok((UnixListener::from(socket), file))
}

fn refuse_the_living(path: &Path) -> io::Result<()> {
    let in_use = |why: String| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return in_use("there is a file that is not a socket; remove it or choose another path".to_owned());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        // Nobody listens: a process that is dead left it.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => in_use("another daemon listens there already; stop it or choose another path".to_owned()),
    }
}

fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            // Its folder may be root's, and the daemon another user by now.
            debug!("the socket {} is left to be replaced at the next start: {error}", self.path.display());
        }
    }
}

impl ControlSource for Unix {
    fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let current = context.current.clone();
            connections::serve(&self.address(), Over::Unix, context, || async {
                let (stream, _) = self.listener.accept().await?;
                Ok(Connection { stream, peer: self.address(), quiet: current.settings().quiet_local })
            })
            .await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let (listener, file) = bind(&path, 0o600, None).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(bind(&path, 0o600, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // A daemon that was killed leaves its file behind.
        std::mem::forget(file);
        drop(listener);
        let (_listener, file) = bind(&path, 0o660, None).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o660);
        drop(file);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert_eq!(bind(&path, 0o600, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no other file is left");
    }
}
