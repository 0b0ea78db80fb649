//! Who subscribes together, and how they behave: those that are measured, those that read nothing, those that come back.

use super::plan::{Manner, Plan};

/// Subscribers that are opened and received together.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    /// Number of the first of them; no two crowds have one in common.
    pub(super) first: u32,
    pub(super) count: u32,
    /// The threads that share them.
    pub(super) threads: u32,
    /// Connections opened a second, at most.
    pub(super) connect_rate: Option<u32>,
    pub(super) manner: Manner,
    pub(super) conduct: Conduct,
    /// Where they go on.
    pub(super) bookmark: Option<Bookmark>,
}

/// What subscribers do once the head of their answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    /// They read all that comes.
    Reads,
    /// They read nothing more.
    Stalls,
}

/// The newest event that a subscriber has.
#[derive(Clone, Debug)]
pub(super) struct Bookmark {
    pub(super) id: String,
    /// The number of its message.
    pub(super) number: u32,
}

impl Crowd {
    /// Those that are measured.
    pub(super) fn measured(plan: &Plan) -> Self {
        Self {
            first: 0,
            count: plan.subscribers,
            threads: u32::try_from(plan.threads).unwrap_or(u32::MAX),
            connect_rate: plan.connect_rate,
            manner: plan.manner,
            conduct: Conduct::Reads,
            bookmark: None,
        }
    }

    /// Those that read nothing. Their thread sleeps where it can: the cores are for those that are measured.
    pub(super) fn stalled(plan: &Plan) -> Self {
        Self {
            first: plan.subscribers,
            count: plan.stalled,
            threads: 1,
            manner: Manner::Sleep,
            conduct: Conduct::Stalls,
            ..Self::measured(plan)
        }
    }

    /// Those that come back all at once. Their thread sleeps where it can, too.
    pub(super) fn storm(plan: &Plan, bookmark: Bookmark) -> Self {
        Self {
            first: plan.subscribers + plan.stalled,
            count: plan.storm,
            threads: 1,
            connect_rate: None,
            manner: Manner::Sleep,
            bookmark: Some(bookmark),
            ..Self::measured(plan)
        }
    }

    /// Number behind the last of them.
    pub(super) fn end(&self) -> u32 {
        self.first + self.count
    }
}
