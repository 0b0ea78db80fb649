//! How large the daemon is on disk, and how soon it serves.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::figure::{Figure, Unit};
use crate::kind::Kind;
use crate::options::Extent;
use crate::plan::Plan;
use crate::programs::Place;
use crate::report::Report;
use crate::servers::{Server, Transport};

const NAME: &str = "the daemon";
const SIZE: Figure = Figure::new("size of the program", Unit::Bytes, "");
const START: Figure = Figure::new("from its start to the first connection accepted", Unit::Milliseconds, "");
const STARTS: usize = 20;
const RETRY_INTERVAL: Duration = Duration::from_micros(200);
const DEADLINE: Duration = Duration::from_secs(10);

/// Measures both; the time includes the guard that pins it, some milliseconds.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> io::Result<()> {
    report.add(NAME, &SIZE, Kind::Hasses, fs::metadata(&plan.programs.hasses)?.len() as f64);
    let starts = if plan.extent() == Extent::Quick { STARTS / 4 } else { STARTS };
    for _ in 0..starts {
        let start = Instant::now();
        let server = Server::spawn(plan.programs, Kind::Hasses, Transport::Plain, &[], Place::Server)?;
        while TcpStream::connect(server.address()).is_err() {
            if start.elapsed() > DEADLINE {
                return Err(io::Error::other("the daemon does not accept connections"));
            }
            sleep(RETRY_INTERVAL);
        }
        report.add(NAME, &START, Kind::Hasses, start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
