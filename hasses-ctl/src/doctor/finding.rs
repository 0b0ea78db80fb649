//! What a check found: a verdict, one sentence of what was seen, and what to change.

use serde::Serialize;

/// A thing that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The host's name has addresses.
    Name,
    /// The addresses take connections.
    Connection,
    /// The certificate holds.
    Certificate,
    /// The version of TLS.
    Tls,
    /// HTTP/2 is offered, without which a browser opens six streams to a host.
    Http2,
    /// The URL leads elsewhere.
    Redirect,
    /// The answer is an event stream.
    Answer,
    /// It came as HTTP/1.1 should.
    Http,
    /// It is not compressed.
    Compression,
    /// It is not kept by a cache.
    Caching,
    /// Its first byte came at once.
    FirstByte,
    /// The daemon's control can be reached.
    Control,
    /// How a proxy in front speaks to the daemon.
    Proxy,
    /// The daemon sees the real address of its clients.
    Address,
    /// Events arrive one by one, when they are sent.
    Events,
    /// Pages of the origin may read it.
    Cors,
    /// So may those that set headers.
    Preflight,
    /// Clocks agree.
    Clock,
    /// The stream survives silence.
    Idle,
    /// The daemon has room for its subscribers.
    Descriptors,
    /// Who may give commands to the daemon.
    Sources,
    /// What browsers are told while the daemon is stopped.
    BackendDown,
}

/// How good or bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better or will fail one day.
    Warning,
    /// It does not work, or not as it should.
    Wrong,
    /// It was not looked at.
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: Check,
    /// How good or bad it is.
    pub(crate) verdict: Verdict,
    /// What was seen, in one sentence.
    pub(crate) seen: String,
    /// What to change: sentences, and lines of configuration, which begin with two spaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) change: Vec<String>,
}

impl Check {
    /// The name for people, which is that of the JSON form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connection => "connection",
            Self::Certificate => "certificate",
            Self::Tls => "tls",
            Self::Http2 => "http2",
            Self::Redirect => "redirect",
            Self::Answer => "answer",
            Self::Http => "http",
            Self::Compression => "compression",
            Self::Caching => "caching",
            Self::FirstByte => "first-byte",
            Self::Control => "control",
            Self::Proxy => "proxy",
            Self::Address => "address",
            Self::Events => "events",
            Self::Cors => "cors",
            Self::Preflight => "preflight",
            Self::Clock => "clock",
            Self::Idle => "idle",
            Self::Descriptors => "descriptors",
            Self::Sources => "sources",
            Self::BackendDown => "backend-down",
        }
    }
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    /// As it should be.
    pub(crate) fn ok(check: Check, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, seen)
    }

    /// It could be better.
    pub(crate) fn warning(check: Check, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, seen)
    }

    /// It has to be changed.
    pub(crate) fn wrong(check: Check, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Wrong, seen)
    }

    /// It was not looked at; `seen` says why.
    pub(crate) fn skipped(check: Check, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, seen)
    }

    fn new(check: Check, verdict: Verdict, seen: impl Into<String>) -> Self {
        Self { check, verdict, seen: seen.into(), change: Vec::new() }
    }

    /// Adds something to change.
    pub(crate) fn change(mut self, change: impl Into<String>) -> Self {
        self.change.push(change.into());
        self
    }

    /// Adds several.
    pub(crate) fn changes<T: Into<String>>(mut self, changes: impl IntoIterator<Item = T>) -> Self {
        self.change.extend(changes.into_iter().map(Into::into));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_scripts_read_the_same_names() {
        let finding = Finding::wrong(Check::FirstByte, "late").change("a").changes(["b"]);
        assert_eq!(
            serde_json::to_string(&finding).unwrap(),
            r#"{"check":"first-byte","verdict":"wrong","seen":"late","change":["a","b"]}"#
        );
        for check in [Check::Http2, Check::BackendDown, Check::FirstByte, Check::Cors, Check::Sources] {
            assert_eq!(serde_json::to_string(&check).unwrap(), format!("{:?}", check.name()));
        }
        for verdict in [Verdict::Ok, Verdict::Warning, Verdict::Wrong, Verdict::Skipped] {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("{:?}", verdict.word()));
        }
    }
}
