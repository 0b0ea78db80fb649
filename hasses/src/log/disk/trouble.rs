//! What is said in the log while the disk fails: once that it does, and once that it works again, not at every publish.
//!
//! A disk that is nearly full takes small groups and refuses large ones, in turn. So this is said once a minute at most.

use std::path::{Path, PathBuf};

use tracing::{error, warn};

/// Milliseconds between two troubles that are said.
const PAUSE: u64 = 60_000;

/// Whether the disk fails at present.
#[derive(Debug)]
pub(super) struct Trouble {
    directory: PathBuf,
    /// Publishes that were refused since it began, while it lasts.
    refused: Option<usize>,
    /// Whether the present one was said.
    said: bool,
    /// When one was said last.
    last: Option<u64>,
}

impl Trouble {
    /// None so far.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), refused: None, said: false, last: None }
    }

    /// What a publisher is told.
    pub(super) fn complaint(&self, cause: &str) -> String {
        format!("the event log in {} cannot keep events: {cause}", self.directory.display())
    }

    /// So many publishes were refused, or something else has failed.
    pub(super) fn failed(&mut self, cause: &str, publishes: usize, now: u64) {
        *self.refused.get_or_insert(0) += publishes;
        // Also where the clock has stepped back.
        if !self.said && self.last.is_none_or(|last| last.abs_diff(now) >= PAUSE) {
            error!("{}", self.complaint(cause));
            self.said = true;
            self.last = Some(now);
        }
    }

    /// Publishes were kept.
    pub(super) fn kept(&mut self) {
        if let Some(refused) = self.refused.take()
            && std::mem::take(&mut self.said)
        {
            let directory = self.directory.display();
            warn!("the event log in {directory} keeps events again; publishes refused meanwhile: {refused}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::trial::logged;

    #[test]
    fn it_is_said_when_it_begins_and_when_it_ends_and_not_again_within_a_minute() {
        let mut trouble = Trouble::new(Path::new("/log"));
        let mut step = |what: &mut dyn FnMut(&mut Trouble)| logged(|| what(&mut trouble)).1;
        let cannot = "ERROR the event log in /log cannot keep events: full\n";
        let again = |refused| {
            format!(" WARN the event log in /log keeps events again; publishes refused meanwhile: {refused}\n")
        };

        assert_eq!(step(&mut |trouble| trouble.kept()), "");
        assert_eq!(step(&mut |trouble| trouble.failed("full", 2, 100_000)), cannot);
        assert_eq!(step(&mut |trouble| trouble.failed("full", 3, 500_000)), "");
        assert_eq!(step(&mut |trouble| trouble.kept()), again(5));
        assert_eq!(step(&mut |trouble| trouble.kept()), "");
        // Too soon, in either direction.
        for now in [100_001, 159_999, 99_000] {
            assert_eq!(step(&mut |trouble| trouble.failed("full", 1, now)), "");
            assert_eq!(step(&mut |trouble| trouble.kept()), "");
        }
        // One that lasts is said all the same.
        assert_eq!(step(&mut |trouble| trouble.failed("full", 1, 159_999)), "");
        assert_eq!(step(&mut |trouble| trouble.failed("full", 1, 160_000)), cannot);
        assert_eq!(step(&mut |trouble| trouble.kept()), again(2));
        assert_eq!(step(&mut |trouble| trouble.failed("full", 1, 5)), cannot, "the clock has stepped back");
    }
}
