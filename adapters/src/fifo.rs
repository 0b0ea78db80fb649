//! Control over a FIFO.
//!
//! It is held open for reading and writing, so that the last writer's leaving is no end of file. Once a second its path is
//! looked at: a FIFO that was deleted and made again is opened, one that stays missing is made anew, and anything else
//! in its place (a writer on a missing path makes a regular file) is reported and never opened.

use std::fs;
use std::future::Future;
use std::io::{self, PipeReader};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use hasses_client::wire::Form;
use rustix::fs::{Mode, OFlags};
use smol::Timer;
use tracing::{error, info, warn};

use crate::error::OpenError;
use crate::session::{Session, Way};
use crate::sources::{Context, ControlSource, Opened, Settings};
use crate::url::SourceUrl;

const LOOK: Duration = Duration::from_secs(1);
/// Looks that find nothing before the FIFO is made anew: time for an operator's `rm` and `mkfifo`.
const LOOKS_MISSING: u32 = 2;
/// As classic, less the umask: the writers are other users' processes.
const MODE: u32 = 0o666;
/// What it is made with where a mode was asked for, until it has that.
const NOBODY_ELSE: u32 = 0o600;

/// What a FIFO gets that is made here; one that is there keeps what it has.
#[derive(Clone, Copy)]
struct Rights {
    mode: Option<u32>,
    group: Option<u32>,
}

struct Fifo {
    path: PathBuf,
    rights: Rights,
    form: Form,
    opened: OpenFifo,
}

struct OpenFifo {
    pipe: Async<PipeReader>,
    inode: (u64, u64),
}

pub(crate) fn check(url: &SourceUrl) -> Result<(), String> {
    crate::unix::check_path(url.target())?;
    form_of(url)?;
    crate::unix::mode_of(url).map(drop)
}

/// The `form` option.
fn form_of(url: &SourceUrl) -> Result<Form, String> {
    match url.option("form") {
        None | Some("classic") => Ok(Form::Classic),
        Some("json") => Ok(Form::Json),
        Some(other) => Err(format!("form {other:?} is not known (classic, json)")),
    }
}

pub(crate) fn open(url: &SourceUrl, _: &Settings) -> Opened {
    let bad = |why| OpenError::BadUrl { url: url.to_string(), why };
    let form = form_of(url).map_err(bad)?;
    let rights = Rights { mode: crate::unix::mode_of(url).map_err(bad)?, group: crate::unix::group_of(url)? };
    let path = PathBuf::from(url.target());
    let opened = open_or_make(&path, rights).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => OpenError::Occupied { url: url.to_string(), why: error.to_string() },
        _ => OpenError::Io { url: url.to_string(), doing: "opening the FIFO", error },
    })?;
    Ok(Box::new(Fifo { path, rights, form, opened }))
}

/// Opens the FIFO, making it if nothing is there.
///
/// Fails with [`io::ErrorKind::AlreadyExists`] where something else is.
fn open_or_make(path: &Path, rights: Rights) -> io::Result<OpenFifo> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.file_type().is_fifo() => return Err(not_a_fifo()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, rights)?,
        Err(error) => return Err(error),
    }
    let file = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let file = fs::File::from(file);
    let metadata = file.metadata()?;
    // It may have been exchanged since it was looked at.
    if !metadata.file_type().is_fifo() {
        return Err(not_a_fifo());
    }
    let pipe = Async::new(PipeReader::from(std::os::fd::OwnedFd::from(file)))?;
    Ok(OpenFifo { pipe, inode: (metadata.dev(), metadata.ino()) })
}

/// Makes one; where a mode was asked for it is open to nobody else until it has that.
fn make(path: &Path, Rights { mode, group }: Rights) -> io::Result<()> {
    let made = Mode::from_raw_mode(if mode.is_some() { NOBODY_ELSE } else { MODE });
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, made, 0)?;
    let given = crate::unix::give(path, mode, group);
    if given.is_err() {
        // It would be taken for an operator's at the next start.
        let _ = fs::remove_file(path);
    }
    given
}

fn not_a_fifo() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is not a FIFO; it is not read; remove it")
}

impl ControlSource for Fifo {
    fn address(&self) -> String {
        format!("fifo://{}", self.path.display())
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let address = self.address();
            let Self { path, rights, form, mut opened } = *self;
            loop {
                let OpenFifo { pipe, inode } = opened;
                let replaced = Box::pin(replacement(path.clone(), rights, inode, address.clone()));
                let quiet = context.current.settings().quiet_local;
                let session = Session::new(address.clone(), Way::InOnly, Some(form), quiet, context.clone());
                let mut stream = UntilReplaced { pipe, replaced, replacement: None };
                if let Err(error) = session.run(&mut stream).await {
                    error!("{address}: reading failed, opening it anew: {error}");
                }
                opened = match stream.replacement {
                    Some(replacement) => replacement,
                    None => stream.replaced.await,
                };
                info!("{address}: the FIFO was made anew and is read");
            }
        })
    }
}

/// Waits until the path holds another FIFO than the one with this inode, and opens it.
async fn replacement(path: PathBuf, rights: Rights, inode: (u64, u64), address: String) -> OpenFifo {
    let mut missing = 0;
    let mut reported = false;
    loop {
        Timer::after(LOOK).await;
        match fs::metadata(&path) {
            Ok(found) if (found.dev(), found.ino()) == inode => {
                missing = 0;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing += 1;
                if missing == 1 {
                    warn!("{address}: the FIFO was deleted");
                }
                if missing < LOOKS_MISSING {
                    continue;
                }
            }
            _ => {}
        }
        match open_or_make(&path, rights) {
            Ok(opened) => return opened,
            // Said once, not every second.
            Err(error) if !std::mem::replace(&mut reported, true) => error!("{address}: {error}"),
            Err(_) => {}
        }
    }
}

/// The FIFO as a stream that ends once it has been replaced and what was written into it has been read.
struct UntilReplaced<F> {
    pipe: Async<PipeReader>,
    replaced: Pin<Box<F>>,
    replacement: Option<OpenFifo>,
}

impl<F: Future<Output = OpenFifo>> AsyncRead for UntilReplaced<F> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(read) = Pin::new(&mut self.pipe).poll_read(task, buffer) {
            return Poll::Ready(read);
        }
        if self.replacement.is_none()
            && let Poll::Ready(opened) = self.replaced.as_mut().poll(task)
        {
            self.replacement = Some(opened);
        }
        if self.replacement.is_some() { Poll::Ready(Ok(0)) } else { Poll::Pending }
    }
}

/// There is nobody to write to: a session whose way is in only writes nothing.
impl<F> AsyncWrite for UntilReplaced<F> {
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
