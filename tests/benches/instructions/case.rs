//! What is counted: one entry a case, by the module that has its code.

use crate::meter::Meter;
use crate::{delivery, events, lookup, session, wire};

/// Something whose cost is counted.
pub(crate) struct Case {
    /// Group and name.
    pub(crate) name: &'static str,
    /// What its cost is divided by: `an event`.
    pub(crate) per: &'static str,
    /// Sets it up, and does under the meter what is counted. Panics where it does not do what it should.
    pub(crate) run: fn(&mut Meter),
}

impl Case {
    /// All cases, in the order of the data.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        [wire::CASES, events::CASES, lookup::CASES, delivery::CASES, session::CASES].into_iter().flatten()
    }
}
