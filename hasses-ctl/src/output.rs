//! Standard output: locked once, buffered, and quiet when its reader has gone.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use hasses_client::wire::Reply;

use crate::failure::{Failure, Layout};

/// Where answers go.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    layout: Layout,
}

/// Why a command ended before it was done.
#[derive(Debug)]
pub(crate) enum End {
    /// Whoever read standard output has read enough (`| head -1`): no fault of anybody.
    ReaderGone,
    /// Something went wrong.
    Failed(Failure),
}

impl Output {
    /// Takes standard output for the rest of the program.
    pub(crate) fn new(json: bool) -> Self {
        let colour = io::stdout().is_terminal() && colour_wanted(std::env::var_os("NO_COLOR").as_deref());
        let layout = if json { Layout::Json } else { Layout::Text { colour } };
        Self { out: BufWriter::new(io::stdout().lock()), layout }
    }

    /// Whether answers are to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.layout == Layout::Json
    }

    /// Whether text may be coloured.
    pub(crate) fn colour(&self) -> bool {
        matches!(self.layout, Layout::Text { colour: true })
    }

    /// Writes an answer: as the daemon's own JSON line, or as the text made of it.
    pub(crate) fn answer(&mut self, reply: &Reply, text: impl FnOnce() -> String) -> Result<(), End> {
        if self.is_json() {
            let mut line = Vec::new();
            reply.write_line(&mut line);
            return Ok(self.out.write_all(&line)?);
        }
        self.text(&text())
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), End> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Hands everything written on to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), End> {
        Ok(self.out.flush()?)
    }
}

/// How errors and notes are written to standard error.
pub(crate) fn error_layout(json: bool) -> Layout {
    if json {
        return Layout::Json;
    }
    Layout::Text { colour: io::stderr().is_terminal() && colour_wanted(std::env::var_os("NO_COLOR").as_deref()) }
}

/// Writes to standard error; when that is closed there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Tells whoever sits at a terminal what is going on; scripts are not told.
pub(crate) fn note(text: &str) {
    if io::stderr().is_terminal() {
        complain(&format!("{text}\n"));
    }
}

/// no-color.org: colour is off when the variable is present and not empty.
fn colour_wanted(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Failed(Failure::refused("output", format!("standard output cannot be written: {error}")))
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<hasses_client::Error> for End {
    fn from(error: hasses_client::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_counts_when_it_is_not_empty() {
        assert!(colour_wanted(None));
        assert!(colour_wanted(Some(OsStr::new(""))));
        assert!(!colour_wanted(Some(OsStr::new("1"))));
    }

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
        assert!(matches!(End::from(io::Error::from(io::ErrorKind::BrokenPipe)), End::ReaderGone));
        assert!(matches!(End::from(io::Error::from(io::ErrorKind::StorageFull)), End::Failed(_)));
    }
}
