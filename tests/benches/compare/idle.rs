//! What ten thousand subscribers cost to whom nothing happens, with heartbeats and without.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::figure::{Figure, Goal, Unit};
use crate::generator::{Generator, Wait};
use crate::kind::Kind;
use crate::options::Extent;
use crate::plan::Plan;
use crate::probe;
use crate::programs::Place;
use crate::report::Report;
use crate::servers::{Server, Transport};

const SILENT: &str = "10,000 idle subscribers, no heartbeats";
const BEATING: &str = "10,000 idle subscribers, a heartbeat each 15 s";
const LOAD: &str = "--subscribers 10000 --messages 1 --warm-up 0";
const SECOND: Duration = Duration::from_secs(1);

const SILENT_CPU: Figure = Figure::with_goals("CPU a second", Unit::Milliseconds, "", &[Goal::AtMost(1.0)]);
const BEATING_CPU: Figure = Figure::new("CPU a second", Unit::Milliseconds, "");
/// Evenly spread it is a fifteenth, 6.7 %. Those who came together, or heard an event together, hear their next heartbeat spread
/// over half of the interval, the one after that over all of it, and so on: a tenth at most, and what the machine adds.
const LARGEST: Figure =
    Figure::with_goals("the fullest second of 15, of all CPU", Unit::Percent, "", &[Goal::AtMost(20.0)]);
/// Seconds between two heartbeats.
const PERIOD: usize = 15;

/// Measures both.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let quick = plan.extent() == Extent::Quick;
    let seconds = if quick { 5 } else { 20 };
    let samples = look(plan, &["--heartbeat", "3600"], seconds)?;
    report.add(SILENT, &SILENT_CPU, Kind::Hasses, samples.iter().sum::<f64>() / samples.len() as f64);

    let seconds = if quick { PERIOD } else { 2 * PERIOD };
    let samples = look(plan, &[], seconds)?;
    let all: f64 = samples.iter().sum();
    let most = samples.iter().copied().fold(0.0, f64::max);
    report.add(BEATING, &BEATING_CPU, Kind::Hasses, all / samples.len() as f64);
    report.add(BEATING, &LARGEST, Kind::Hasses, 100.0 * most / (all * PERIOD as f64 / samples.len() as f64));
    Ok(())
}

/// Milliseconds of CPU in each of so many seconds of idling.
fn look(plan: &Plan, flags: &[&str], seconds: usize) -> io::Result<Vec<f64>> {
    let server = Server::start(plan.programs, Kind::Hasses, Transport::Plain, flags, Place::Server)?;
    let process = server.process().ok_or_else(|| io::Error::other("the daemon has no process"))?;
    let load = format!("{LOAD} --idle {}", seconds + 2);
    let mut generator = Generator::start(plan.programs, &server, &load, Wait::Sleep, Place::Loader)?;
    let mut samples = Vec::new();
    let mut before = probe::cpu_milliseconds(process)?;
    let mut due = Instant::now();
    while !generator.has_ended()? {
        due += SECOND;
        sleep(due.saturating_duration_since(Instant::now()));
        let now = probe::cpu_milliseconds(process)?;
        samples.push(now - before);
        before = now;
    }
    // The last ones are those of the message and of the end, the first ones of connecting: idle are those before the last.
    let answer = generator.finish()?;
    let after = 1 + seconds_after_idling(&answer);
    let end = samples.len().saturating_sub(after);
    Ok(samples[end.saturating_sub(seconds)..end].to_vec())
}

/// Whole seconds, rounded up, that went by between idling and the end.
fn seconds_after_idling(answer: &Value) -> usize {
    let seconds = answer.pointer("/publish_phase/seconds").and_then(Value::as_f64).unwrap_or(0.0);
    (0..).take_while(|whole| f64::from(*whole) < seconds).count()
}
