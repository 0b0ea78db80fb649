//! What a reload can change, and what it cannot.

use super::Config;
use super::settings::{Value, settings};

/// Settings that hold from a reload on. The others belong to what was bound, opened or sized at start.
const RELOADED: &[&str] = &[
    "tls-cert",
    "tls-key",
    "cors-origin",
    "cors-credentials",
    "trusted-proxy",
    "log-level",
    "allow-reinit",
    "max-message",
    "max-head",
    "head-timeout",
    "max-topics",
    "max-subscribers",
    "max-subscribers-per-address",
    "outbox",
    "heartbeat",
    "max-age",
    "retry",
    "quiet-time",
    "quiet-time-remote",
];

impl Config {
    /// Takes back to `before` what a reload cannot change; gives the names of those settings that were changed.
    pub fn keep_what_needs_a_restart(&mut self, before: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        for setting in settings().filter(|setting| !RELOADED.contains(&setting.name)) {
            let differs = match setting.value {
                Value::Switch { get, .. } => get(self) != get(before),
                Value::Text { get, .. } => get(self) != get(before),
                Value::List { get, .. } => get(self) != get(before),
                Value::Number(quantity) => {
                    let differs = (quantity.get)(self) != (quantity.get)(before);
                    (quantity.set)(self, (quantity.get)(before));
                    differs
                }
            };
            if differs {
                kept.push(setting.name);
            }
        }
        let reloaded = self.clone();
        *self = before.clone();
        self.limits = reloaded.limits;
        self.cors = reloaded.cors;
        self.proxies.trusted = reloaded.proxies.trusted;
        self.log.level = reloaded.log.level;
        self.allow_reinit = reloaded.allow_reinit;
        // Without TLS addresses the file needs no certificates, but those that are listened on do.
        if !reloaded.listen_tls.is_empty() {
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
        assert_eq!(after.keep_what_needs_a_restart(&before), ["path", "shards", "in-flight"]);
        let mut expected = before.clone();
        expected.limits.max_topics = 7;
        expected.cors.origins = vec!["https://example.com".to_owned()];
        assert_eq!(after, expected);
    }

    #[test]
    fn every_name_is_that_of_a_setting() {
        for name in RELOADED {
            assert!(settings().any(|setting| setting.name == *name), "{name}");
        }
    }
}
