//! What becomes of subscribers that do not take their events as fast as they come, by topic.

use std::fmt;
use std::str::FromStr;

use hasses_client::wire::{Failure, TopicPattern};

use crate::names::{Kind, parts};

/// What becomes of a slow subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It gets every event later, from the log.
    #[default]
    CatchUp,
    /// While it is behind, only the newest event of each topic is kept for it.
    Latest,
    /// It is disconnected, and resumes from the log when it comes back.
    Disconnect,
}

/// `PATTERN=POLICY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRule {
    /// The topics that it is about.
    pub pattern: TopicPattern,
    /// What holds for them.
    pub policy: SlowPolicy,
}

/// The policy of a topic, or of a prefix that something was published to: that of the first rule that covers it.
#[must_use]
pub fn slow_policy(rules: &[SlowRule], name: &str, kind: Kind) -> SlowPolicy {
    let covers = |rule: &&SlowRule| match parts(&rule.pattern) {
        (exact, Kind::Exact) => kind == Kind::Exact && name == exact,
        (prefix, Kind::Prefix) => name.starts_with(prefix),
    };
    rules.iter().find(covers).map_or(SlowPolicy::CatchUp, |rule| rule.policy)
}

const POLICIES: [(SlowPolicy, &str); 3] =
    [(SlowPolicy::CatchUp, "catch-up"), (SlowPolicy::Latest, "latest"), (SlowPolicy::Disconnect, "disconnect")];

impl FromStr for SlowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A topic may hold `=`, a policy does not.
        let (pattern, policy) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("{text:?} is no rule; write PATTERN=POLICY, for example prices/*=latest"))?;
        let pattern = TopicPattern::new(pattern).map_err(|failure: Failure| failure.error)?;
        let known = POLICIES.iter().find(|(_, name)| *name == policy);
        let (policy, _) = known.ok_or_else(|| format!("{policy:?} is no policy (catch-up, latest, disconnect)"))?;
        Ok(Self { pattern, policy: *policy })
    }
}

impl fmt::Display for SlowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = POLICIES.iter().find(|(policy, _)| *policy == self.policy).map_or("", |(_, name)| name);
        write!(f, "{}={policy}", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_covers_a_topic_holds() {
        let rules: Vec<SlowRule> =
            ["prices/gold=catch-up", "prices/*=latest", "a=b=disconnect"].map(|text| text.parse().unwrap()).into();
        assert_eq!(
            rules.iter().map(ToString::to_string).collect::<Vec<_>>()[1..],
            ["prices/*=latest", "a=b=disconnect"]
        );
        for (name, kind, policy) in [
            ("prices/gold", Kind::Exact, SlowPolicy::CatchUp),
            ("prices/tin", Kind::Exact, SlowPolicy::Latest),
            ("prices/", Kind::Prefix, SlowPolicy::Latest),
            ("prices/gold", Kind::Prefix, SlowPolicy::Latest),
            ("prices", Kind::Prefix, SlowPolicy::CatchUp),
            ("a=b", Kind::Exact, SlowPolicy::Disconnect),
            ("room", Kind::Exact, SlowPolicy::CatchUp),
        ] {
            assert_eq!(slow_policy(&rules, name, kind), policy, "{name} {kind:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("prices/*", "is no rule"),
            ("a*b=latest", "only at the end"),
            ("=latest", "topic is empty"),
            ("x=newest", "\"newest\" is no policy"),
        ] {
            let error = text.parse::<SlowRule>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
