//! Where the daemon is: what was said, else the places where it makes its socket when nothing is said to it either.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use hasses_client::blocking::Client;
use hasses_client::{Error, Options};

use crate::failure::Failure;

/// What the search depends on, besides `--control`.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `$HASSES_CONTROL`.
    pub(crate) variable: Option<OsString>,
    /// Where a daemon of the machine keeps its socket.
    pub(crate) system: PathBuf,
    /// `$XDG_RUNTIME_DIR`.
    pub(crate) runtime: Option<PathBuf>,
    /// The folder for temporary files, where anybody may make folders.
    pub(crate) temporary: PathBuf,
    /// The user that asks.
    pub(crate) uid: u32,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self {
            variable: std::env::var_os("HASSES_CONTROL"),
            system: PathBuf::from("/run/hasses"),
            runtime: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            temporary: std::env::temp_dir(),
            uid: rustix::process::geteuid().as_raw(),
        }
    }
}

/// Connects to the daemon.
///
/// # Errors
/// Refused where a URL is no URL of a daemon; unreachable, with everything that was tried, where no daemon answers.
pub(crate) fn connect(control: Option<&str>, surroundings: &Surroundings) -> Result<Client, Failure> {
    if let Some(url) = control {
        return connect_to(url, "--control");
    }
    match &surroundings.variable {
        Some(variable) if !variable.is_empty() => match variable.to_str() {
            Some(url) => connect_to(url, "HASSES_CONTROL"),
            None => Err(Failure::usage("HASSES_CONTROL is not UTF-8")),
        },
        _ => search(&places(surroundings), surroundings.uid).map(|(_, client)| client),
    }
}

/// The URL of the daemon's control channel: what was said, as it stands, or the first default socket where a daemon answers.
///
/// # Errors
/// Usage, and unreachable as [`connect`].
pub(crate) fn find(control: Option<&str>, surroundings: &Surroundings) -> Result<String, Failure> {
    if let Some(url) = control {
        return Ok(url.to_owned());
    }
    match &surroundings.variable {
        Some(variable) if !variable.is_empty() => {
            variable.to_str().map(str::to_owned).ok_or_else(|| Failure::usage("HASSES_CONTROL is not UTF-8"))
        }
        _ => search(&places(surroundings), surroundings.uid).map(|(url, _)| url),
    }
}

fn connect_to(url: &str, said_by: &str) -> Result<Client, Failure> {
    Client::connect_with(url, Options::default()).map_err(|error| match error {
        Error::Invalid(failure) => {
            let failure = Failure::usage(format!("{said_by}: {}", failure.error));
            if url.starts_with('/') { failure.advise(format!("for a Unix socket write unix://{url}")) } else { failure }
        }
        Error::Unreachable { source, .. } => {
            let failure = Failure::unreachable(format!("no daemon answers at {url} ({said_by}): {source}"));
            advise(failure, source.kind() == io::ErrorKind::PermissionDenied)
        }
        error => Failure::unreachable(format!("{said_by} {url}: {error}")),
    })
}

/// A default socket.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    socket: PathBuf,
    /// Its folder lies where anybody could have made it, so it counts only if it is this user's own.
    open_to_all: bool,
}

impl Place {
    fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// The default sockets in the order in which they are tried.
fn places(surroundings: &Surroundings) -> Vec<Place> {
    let within = |folder: &Path, open_to_all| Place { socket: folder.join("control.sock"), open_to_all };
    let mut places = vec![within(&surroundings.system, false)];
    // The XDG specification: a relative path is to be ignored.
    if let Some(runtime) = surroundings.runtime.as_deref().filter(|runtime| runtime.is_absolute()) {
        places.push(within(&runtime.join("hasses"), false));
    }
    places.push(within(&surroundings.temporary.join(format!("hasses-{}", surroundings.uid)), true));
    places
}

/// The first that answers, and its URL.
fn search(places: &[Place], uid: u32) -> Result<(String, Client), Failure> {
    let mut tried = Vec::new();
    let mut denied = false;
    for place in places {
        let url = place.url();
        let reason = match try_place(place, &url, uid) {
            Ok(client) => return Ok((url, client)),
            Err(Error::Unreachable { source, .. }) => {
                denied |= source.kind() == io::ErrorKind::PermissionDenied;
                source.to_string()
            }
            Err(error) => error.to_string(),
        };
        tried.push(format!("tried {}: {reason}", place.socket.display()));
    }
    let failure = Failure::unreachable("no daemon answers at any of the default sockets");
    let failure = tried.into_iter().fold(failure, Failure::advise);
    Err(advise(failure, denied))
}

fn try_place(place: &Place, url: &str, uid: u32) -> Result<Client, Error> {
    check(place, uid).map_err(|source| Error::Unreachable { url: url.to_owned(), source })?;
    Client::connect_with(url, Options::default())
}

fn check(place: &Place, uid: u32) -> io::Result<()> {
    if place.open_to_all
        && let Some(folder) = place.socket.parent()
        && let Some(reason) = distrust(&std::fs::symlink_metadata(folder)?, uid)
    {
        return Err(io::Error::other(format!("its folder is not trusted: {reason}")));
    }
    if std::fs::metadata(&place.socket)?.file_type().is_socket() {
        Ok(())
    } else {
        Err(io::Error::other("this is not a socket"))
    }
}

/// Why a folder where anybody can make folders is not to be trusted; whoever owns it could answer in the daemon's place and
/// read every message.
fn distrust(folder: &Metadata, uid: u32) -> Option<String> {
    const WRITE_BY_OTHERS: u32 = 0o022;
    if !folder.is_dir() {
        return Some("it is not a folder itself".to_owned());
    }
    if folder.uid() != uid {
        return Some(format!("it belongs to user {}, not to {uid}", folder.uid()));
    }
    (folder.mode() & WRITE_BY_OTHERS != 0)
        .then(|| format!("others may write to it (mode {:04o})", folder.mode() & 0o7777))
}

fn advise(failure: Failure, denied: bool) -> Failure {
    let failure = if denied {
        failure.advise("the socket belongs to another user: run this as the user of the daemon, or let a group in with `?mode=0660&group=…` in its --control")
    } else {
        failure.advise("is the daemon running? `hasses` starts it and prints where it listens")
    };
    failure.advise("say where it is with `--control unix:///PATH`, `--control tcp://HOST:PORT` or HASSES_CONTROL")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::failure::Layout;

    fn surroundings(root: &Path) -> Surroundings {
        Surroundings {
            variable: None,
            system: root.join("run"),
            runtime: Some(root.join("user")),
            temporary: root.join("tmp"),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    fn folder(path: &Path, mode: u32) {
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).unwrap();
        // The umask may have taken bits away.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn text(failure: &Failure) -> String {
        failure.render(Layout::Text { colour: false })
    }

    #[test]
    fn the_default_sockets_have_an_order() {
        let mut surroundings = Surroundings { uid: 1000, ..surroundings(Path::new("/x")) };
        let sockets = |surroundings: &Surroundings| -> Vec<_> {
            places(surroundings)
                .into_iter()
                .map(|place| (place.socket.display().to_string(), place.open_to_all))
                .collect()
        };
        assert_eq!(
            sockets(&surroundings),
            [
                ("/x/run/control.sock".to_owned(), false),
                ("/x/user/hasses/control.sock".to_owned(), false),
                ("/x/tmp/hasses-1000/control.sock".to_owned(), true),
            ]
        );
        for ignored in [None, Some(PathBuf::from("")), Some(PathBuf::from("relative"))] {
            surroundings.runtime = ignored;
            assert_eq!(sockets(&surroundings).len(), 2);
        }
    }

    #[test]
    fn the_error_lists_everything_that_was_tried() {
        let root = tempfile::tempdir().unwrap();
        let surroundings = surroundings(root.path());
        // The socket of a daemon that has died: nobody listens any more.
        folder(&surroundings.system, 0o755);
        drop(UnixListener::bind(surroundings.system.join("control.sock")).unwrap());
        folder(&root.path().join("user/hasses"), 0o700);
        std::fs::write(root.path().join("user/hasses/control.sock"), "").unwrap();

        let error = text(&connect(None, &surroundings).unwrap_err());
        for part in [
            "error: no daemon answers at any of the default sockets\n",
            "run/control.sock: Connection refused",
            "user/hasses/control.sock: this is not a socket\n",
            &format!("tmp/hasses-{}/control.sock: No such file", surroundings.uid),
            "is the daemon running?",
            "--control unix:///PATH",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_temporary_folder_of_somebody_else_is_not_trusted() {
        let root = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let path = root.path().join("folder");
        folder(&path, 0o700);
        let metadata = || std::fs::symlink_metadata(&path).unwrap();
        assert_eq!(distrust(&metadata(), own), None);
        let other = own.wrapping_add(1);
        assert_eq!(distrust(&metadata(), other), Some(format!("it belongs to user {own}, not to {other}")));
        folder(&path, 0o770);
        assert_eq!(distrust(&metadata(), own), Some("others may write to it (mode 0770)".to_owned()));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(distrust(&std::fs::symlink_metadata(&link).unwrap(), own).is_some());
    }

    #[test]
    fn a_folder_that_is_not_trusted_is_said_and_not_used() {
        let root = tempfile::tempdir().unwrap();
        let surroundings = surroundings(root.path());
        let path = surroundings.temporary.join(format!("hasses-{}", surroundings.uid));
        folder(&path, 0o777);
        let listener = UnixListener::bind(path.join("control.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let error = text(&connect(None, &surroundings).unwrap_err());
        assert!(error.contains("its folder is not trusted: others may write to it (mode 0777)"), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_said_comes_before_the_default_sockets() {
        let root = tempfile::tempdir().unwrap();
        let variable = Some(OsString::from("unix:///nowhere/variable"));
        let surroundings = Surroundings { variable, ..surroundings(root.path()) };
        let error = text(&connect(Some("unix:///nowhere/flag"), &surroundings).unwrap_err());
        assert!(error.contains("/nowhere/flag (--control): No such file"), "{error}");
        let error = text(&connect(None, &surroundings).unwrap_err());
        assert!(error.contains("/nowhere/variable (HASSES_CONTROL): No such file"), "{error}");
        let surroundings = Surroundings { variable: Some(OsString::new()), ..surroundings };
        assert!(text(&connect(None, &surroundings).unwrap_err()).contains("default sockets"));
    }

    #[test]
    fn a_url_that_is_none_is_a_usage_error() {
        let root = tempfile::tempdir().unwrap();
        let error = connect(Some("/run/x.sock"), &surroundings(root.path())).unwrap_err();
        assert_eq!(error.exit_code(), std::process::ExitCode::from(2));
        assert!(text(&error).contains("for a Unix socket write unix:///run/x.sock"), "{}", text(&error));
    }
}
