//! What a busy topic costs the subscriber of a quiet one.
//!
//! Two generators share a core, so the one that makes the load stands back for the one that measures, and neither spins.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::figure::{Figure, Goal, Unit};
use crate::generator::{Generator, Wait};
use crate::kind::Kind;
use crate::options::Extent;
use crate::plan::Plan;
use crate::programs::Place;
use crate::report::Report;
use crate::servers::{Server, Transport};

const NAME: &str = "a quiet topic beside a busy one of 10,000 subscribers";
const BUSY: &str = "--topic busy --subscribers 10000 --warm-up 5";
const QUIET: &str = "--topic quiet --subscribers 1 --rate 100";
/// The busy one has all its subscribers by then, and is still at it when the quiet one ends.
const HEAD_START: Duration = Duration::from_secs(3);

const FIGURES: [Figure; 3] = [
    Figure::new("p50", Unit::Milliseconds, "/latency_us/p50"),
    Figure::with_goals("p99", Unit::Milliseconds, "/latency_us/p99", &[Goal::AtMost(10.0)]),
    // Of some hundreds one meets what the machine does else: a virtual one takes twenty milliseconds from everybody now and then.
    Figure::with_goals("the longest", Unit::Milliseconds, "/latency_us/max", &[Goal::AtMost(40.0)]),
];

/// Measures the quiet topic's latency while the busy one is written without a pause.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let server = Server::start(plan.programs, Kind::Hasses, Transport::Plain, &[], Place::Server)?;
    let seconds = if plan.extent() == Extent::Quick { 3 } else { 8 };
    let busy = format!("{BUSY} --duration {}", seconds + 4);
    let busy = Generator::start(plan.programs, &server, &busy, Wait::Sleep, Place::LoaderStandingBack)?;
    sleep(HEAD_START);
    let quiet = format!("{QUIET} --duration {seconds} --warm-up 10");
    let quiet = Generator::start(plan.programs, &server, &quiet, Wait::Sleep, Place::Loader)?.finish();
    // Also where the quiet one has failed, so that no generator goes on beside the next measurement.
    busy.finish()?;
    let answer = quiet?;
    for figure in &FIGURES {
        if let Some(value) = figure.read(&answer, Kind::Hasses)? {
            report.add(NAME, figure, Kind::Hasses, value);
        }
    }
    Ok(())
}
