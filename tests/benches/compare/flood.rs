//! What subscribers that read nothing cost in memory while messages pour in.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::figure::{Figure, Goal, Unit};
use crate::generator::{Generator, Wait};
use crate::kind::Kind;
use crate::options::Extent;
use crate::plan::Plan;
use crate::probe;
use crate::programs::Place;
use crate::report::Report;
use crate::servers::{Server, Transport};

const NAME: &str = "10,000 messages a second, 100 readers, 1,000 who read nothing";
/// Bursts of 50, so many a second.
const LOAD: &str = "--subscribers 100 --stalled 1000 --burst 50 --rate 200";
const MESSAGES: usize = 80_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The log of 64 MiB may fill meanwhile; outboxes point to what it keeps.
const RESIDENT: Figure = Figure::with_goals("growth of the daemon", Unit::Bytes, "", &[Goal::AtMost(128.0 * MEBIBYTE)]);
const KERNEL: Figure = Figure::new("growth of the kernel's TCP memory", Unit::Bytes, "");
const LATENCY: Figure = Figure::new("p99 of the readers", Unit::Milliseconds, "/latency_us/p99");

/// Measures the most that the daemon and the kernel hold meanwhile, beyond what they held before.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let server = Server::start(plan.programs, Kind::Hasses, Transport::Plain, &[], Place::Server)?;
    let process = server.process().ok_or_else(|| io::Error::other("the daemon has no process"))?;
    let before = (probe::resident(process)?, probe::tcp_memory()?);
    let messages = if plan.extent() == Extent::Quick { MESSAGES / 4 } else { MESSAGES };
    let load = format!("{LOAD} --messages {messages}");
    let mut generator = Generator::start(plan.programs, &server, &load, Wait::Spin, Place::Loader)?;
    let mut most = before;
    while !generator.has_ended()? {
        most = (most.0.max(probe::resident(process)?), most.1.max(probe::tcp_memory()?));
        sleep(LOOK_INTERVAL);
    }
    let answer = generator.finish()?;
    report.add(NAME, &RESIDENT, Kind::Hasses, most.0 - before.0);
    report.add(NAME, &KERNEL, Kind::Hasses, most.1 - before.1);
    if let Some(p99) = LATENCY.read(&answer, Kind::Hasses)? {
        report.add(NAME, &LATENCY, Kind::Hasses, p99);
    }
    Ok(())
}
