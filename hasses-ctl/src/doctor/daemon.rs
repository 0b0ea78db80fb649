//! The daemon behind the URL, asked over its control.

use std::time::Duration;

use hasses_client::blocking::Client;
use hasses_client::wire::DEFAULT_PAGE_ROWS;
use hasses_client::{ClientInfo, ClientsQuery, Error, Message, Published, StatusReport, TopicPattern};

use super::finding::{Check, Finding};
use crate::failure::Failure;
use crate::table::legible;

/// The heartbeat interval of a daemon that was not told another.
pub(crate) const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// The type of the events that are sent, so that no page takes them for its own.
const EVENT: &str = "hasses-doctor";

/// What cannot be checked without control.
const UNCHECKED: &str = "not checked: whether events pass one by one, how the proxy asks the daemon, whose addresses \
                         it sees, its descriptors, who may give it commands";

/// A daemon that answers.
pub(crate) struct Daemon {
    client: Client,
    /// What it said of itself when it was found.
    pub(crate) status: StatusReport,
}

/// Whether somebody said where the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// By `--control`.
    There,
    /// Where daemons usually are.
    Anywhere,
}

impl Daemon {
    /// Asks a daemon for its state.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn ask(client: Client) -> Result<Self, Error> {
        let status = client.status()?;
        Ok(Self { client, status })
    }

    /// Its state now.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn status_now(&self) -> Result<StatusReport, Error> {
        self.client.status()
    }

    /// The subscriber of a topic that gave itself this id.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn find(&self, topic: &str, id: &str) -> Result<Option<ClientInfo>, Error> {
        let topic = TopicPattern::new(topic).map_err(Error::Invalid)?;
        let mut after = None;
        loop {
            let query = ClientsQuery { topic: Some(topic.clone()), limit: Some(DEFAULT_PAGE_ROWS), after };
            let page = self.client.clients(query)?;
            after = page.clients.last().map(|client| client.client);
            if let Some(found) = page.clients.into_iter().find(|client| client.id.as_deref() == Some(id)) {
                return Ok(Some(found));
            }
            if !page.more || after.is_none() {
                return Ok(None);
            }
        }
    }

    /// Sends an event.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub(crate) fn publish(&self, topic: &str, data: String) -> Result<Published, Error> {
        self.client.send(Message::new(topic, data).event(EVENT))
    }

    /// After how much silence it sends a heartbeat.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.limit("heartbeat").map_or(DEFAULT_HEARTBEAT, Duration::from_millis)
    }

    /// A limit by the name of its flag, in the unit of the report.
    pub(crate) fn limit(&self, name: &str) -> Option<u64> {
        self.status.limits.get(name).copied()
    }
}

/// Says that a daemon was found.
pub(crate) fn found(daemon: &Daemon) -> Finding {
    let StatusReport { version, pid, .. } = &daemon.status;
    Finding::ok(Check::Control, format!("hasses {} (process {pid}) answers", legible(version)))
}

/// Says that none was.
pub(crate) fn missing(failure: &Failure, sought: Sought) -> Finding {
    let (error, advice) = (failure.error(), failure.advice());
    match sought {
        Sought::There => Finding::wrong(Check::Control, format!("{error}; {UNCHECKED}")).changes(advice.to_vec()),
        Sought::Anywhere => Finding::skipped(Check::Control, format!("{error}; {UNCHECKED}"))
            .change("run this on the daemon's host, as its user (or root), or say where it is with --control"),
    }
}

/// Says that it was lost on the way.
pub(crate) fn lost(check: Check, error: &Error) -> Finding {
    Finding::wrong(check, format!("the daemon did not answer: {error}")).change("the log of the daemon says more")
}

/// Says that the URL leads to another one.
pub(crate) fn another(daemon: &Daemon) -> Finding {
    let at = daemon.status.listen.join(" and ");
    Finding::wrong(
        Check::Proxy,
        format!(
            "the stream does not come from the daemon that control reaches, which does not know this subscriber and \
             listens at {at}"
        ),
    )
    .change("are there two daemons? Let the proxy lead to this one, or name the other's control with --control")
}
