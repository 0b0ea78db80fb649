//! What people have to know before they believe a figure: a sentence each. No I/O.

use super::report::Report;
use crate::quantity::{count, counted};

/// The sentences of a report, which come behind its lines.
pub(super) fn conclusions(report: &Report) -> Vec<String> {
    let mut sentences = Vec::from_iter(unheard(report));
    let bottleneck = report.generator.as_ref().is_some_and(|generator| generator.was_the_bottleneck);
    let (is_interrupted, is_measured) = (report.ended == Some("interrupted"), report.publish_phase.is_some());
    let fixed = [
        (is_interrupted && is_measured, "It was interrupted: these are the figures up to then."),
        (is_interrupted && !is_measured, "It was interrupted before the measurement began: nothing was measured."),
        (report.ended == Some("stalled"), "Nothing came any more, so it was ended: what was due then counts as lost."),
        (
            report.ended == Some("gone"),
            "Nothing more could be published, so it was ended: these are the figures up to then.",
        ),
        (
            !report.is_ok() && (is_measured || !is_interrupted),
            "Messages did not come as they should, so the other figures say little.",
        ),
        (
            report.publish == "classic" && report.faults.lost > 0,
            "Classic text is not answered: the server's log says why messages were lost, or --publish json.",
        ),
        (
            bottleneck,
            "The generator was the bottleneck: the server could have done more. Try --threads, or fewer other programs.",
        ),
        (
            report.server.is_none(),
            "The server's process is not known, so its CPU and memory were not measured: see --pid.",
        ),
    ];
    sentences.extend(fixed.into_iter().filter(|(holds, _)| *holds).map(|(_, sentence)| sentence.to_owned()));
    sentences
}

fn unheard(report: &Report) -> Option<String> {
    let phase = report.publish_phase.as_ref().filter(|phase| phase.unheard > 0)?;
    let (unheard, messages) = (count(phase.unheard), counted(phase.messages, "message"));
    Some(format!("{unheard} of {messages} went to topics without a subscriber."))
}
