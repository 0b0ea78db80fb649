//! What a reload can change, and what it cannot.

use super::Config;
use super::quantities::QUANTITIES;
use super::settings::{Setting, Value, settings};

/// Settings that hold from a reload on. The others belong to what was bound, opened or sized at start.
pub(super) const RELOADED: &[&str] = &[
    "tls-cert",
    "tls-key",
    "cors-origin",
    "cors-credentials",
    "trusted-proxy",
    "log-level",
    "allow-reinit",
    "slow",
    "no-notices",
    "max-message",
    "max-head",
    "head-timeout",
    "max-topics",
    "max-subscribers",
    "max-subscribers-per-address",
    "retain-bytes",
    "retain-age",
    "retain-events",
    "max-replay",
    "outbox",
    "outbox-total",
    "heartbeat",
    "progress-timeout",
    "drain",
    "max-age",
    "retry",
    "quiet-time",
    "quiet-time-remote",
];

impl Config {
    /// The names of the settings that differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let differs = |setting: &Setting| match setting.value {
            Value::Switch { get, .. } => get(self) != get(other),
            Value::Text { get, .. } => get(self) != get(other),
            Value::List { get, .. } => get(self) != get(other),
            Value::Number(quantity) => (quantity.get)(self) != (quantity.get)(other),
        };
        settings().filter(differs).map(|setting| setting.name).collect()
    }

    /// Takes back to `before` what a reload cannot change; gives the names of those settings that were changed.
    pub fn keep_what_needs_a_restart(&mut self, before: &Self) -> Vec<&'static str> {
        let kept = self.differences(before).into_iter().filter(|name| !RELOADED.contains(name)).collect();
        for quantity in QUANTITIES.iter().filter(|quantity| !RELOADED.contains(&quantity.name)) {
            (quantity.set)(self, (quantity.get)(before));
        }
        let reloaded = self.clone();
        *self = before.clone();
        self.limits = reloaded.limits;
        self.cors = reloaded.cors;
        self.proxies.trusted = reloaded.proxies.trusted;
        self.log.level = reloaded.log.level;
        self.allow_reinit = reloaded.allow_reinit;
        self.slow = reloaded.slow;
        self.notices = reloaded.notices;
        // Without TLS addresses the file needs no certificates, but those that are listened on do. Where none is, none is shown.
        if !self.listen_tls.is_empty() && !reloaded.listen_tls.is_empty() {
            self.certificates = reloaded.certificates;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_bound_opened_or_sized_stays_and_is_named() {
        let before = Config::default();
        let mut after = Config { path: "/other".to_owned(), shards: before.shards + 1, ..Config::default() };
        after.limits.in_flight *= 2;
        after.limits.max_topics = 7;
        after.cors.origins = vec!["https://example.com".to_owned()];
        assert_eq!(after.differences(&before), ["path", "cors-origin", "shards", "max-topics", "in-flight"]);
        assert_eq!(after.keep_what_needs_a_restart(&before), ["path", "shards", "in-flight"]);
        let mut expected = before.clone();
        expected.limits.max_topics = 7;
        expected.cors.origins = vec!["https://example.com".to_owned()];
        assert_eq!(after, expected);
        assert_eq!(after.differences(&before), ["cors-origin", "max-topics"]);
    }

    #[test]
    fn every_name_is_that_of_a_setting() {
        for name in RELOADED {
            assert!(settings().any(|setting| setting.name == *name), "{name}");
        }
    }
}
