//! # Soak
//!
//! Publishers, subscribers of every kind, restarts, kills and stalls for minutes or hours at one log on disk, and every sequence is
//! checked: nothing that was acknowledged is lost, doubled or out of order, unless the stream has told of it.
//!
//! ```sh
//! cargo run -p hasses-tests --release --example soak -- --minutes 20
//! cargo run -p hasses-tests --release --example soak -- --help
//! ```
//!
//! - **Publishers** number their events, each its own, and send them through `hasses_client::Client`, which is to say "exactly
//!   once": an error is a failure.
//! - **Subscribers** are `hasses_client::EventSource`s for everything, for prefixes, for some topics: fast ones, slow ones, ones that
//!   stop reading for a while, ones that go away and come back with their last event id; and bare sockets that never read.
//! - **The daemon** is ended by SIGTERM, killed and stopped for seconds (SIGSTOP), with `--durability os` and `disk` in turn. Once it is
//!   left alone for long: then its memory, descriptors and files must not grow.
//! - **An auditor** reads the whole log every minute, as does the end.
//!
//! A subscriber that fell out of retention has to be told (`gap`); `reset` never happens, since the log outlives every daemon. One
//! line a minute says where things stand. The exit code is 1 where anything was wrong, and each fault is named.

#![expect(clippy::expect_used, reason = "what the program cannot go on without ends it, and says where")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its report is what it is for")]

mod audit;
mod chance;
mod daemon;
mod mute;
mod options;
mod publisher;
mod schedule;
mod sequences;
mod subscriber;
mod tally;
mod usage;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use audit::Auditor;
use chance::Chance;
use daemon::Daemon;
use options::{Options, Request};
use publisher::Publisher;
use subscriber::Subscriber;
use tally::Tally;

/// Between two lines of the report.
const MINUTE: Duration = Duration::from_secs(60);
/// In this time after the last event every subscriber has to have it.
const LAST_CALL: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let options = match Options::parse(env::args_os().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}, {} minutes, {} events a second", options.seed, options.minutes, options.rate);
    let tally = Arc::new(Tally::new());
    run(&options, &tally);
    let faults = tally.faults();
    for fault in &faults {
        println!("FAULT {fault}");
    }
    println!("{}", tally.summary());
    if faults.is_empty() {
        println!("nothing was lost, doubled or out of order without a word");
        return ExitCode::SUCCESS;
    }
    println!("{} faults; seed {}", faults.len(), options.seed);
    ExitCode::FAILURE
}

/// Everything, from the first start to the last look into the log.
fn run(options: &Options, tally: &Arc<Tally>) {
    let mut chance = Chance::new(options.seed);
    let mut daemon = Daemon::new(options, tally.clone());
    daemon.start(&mut chance);
    let birth = daemon.position();

    let publishers = Publisher::start_all(&daemon, options, tally);
    let subscribers = Subscriber::start_all(&daemon, tally, &mut chance);
    let mutes = mute::start(daemon.port(), tally.clone(), chance.fork());
    let auditor = Auditor::start(daemon.url(), daemon.control(), tally.clone());
    let reporter = report(tally.clone());

    schedule::run(options, &mut daemon, tally, &mut chance);

    tally.end_publishing();
    join(publishers.into_iter().map(Publisher::into_thread));
    println!("every publisher has ended; waiting until every subscriber has everything");
    let begun = Instant::now();
    while subscribers.iter().any(|subscriber| !subscriber.has_everything(tally)) {
        if begun.elapsed() > LAST_CALL {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    for subscriber in subscribers.iter().filter(|subscriber| !subscriber.has_everything(tally)) {
        tally.fault(format!("{} lacks events after {LAST_CALL:?}: {}", subscriber.name(), subscriber.standing()));
    }
    tally.end();
    join(subscribers.into_iter().map(Subscriber::into_thread).chain([mutes, auditor, reporter]));

    // What is on disk, by a daemon that was not there when it was written.
    daemon.terminate();
    daemon.start(&mut chance);
    audit::look(&daemon.url(), &daemon.control(), tally);
    tally.note_position(birth, daemon.position());
    daemon.terminate();
    daemon.read_log();
}

fn report(tally: Arc<Tally>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut next = Instant::now() + MINUTE;
        while !tally.is_over() {
            thread::sleep(Duration::from_millis(100));
            if Instant::now() >= next {
                next += MINUTE;
                println!("{}", tally.line());
            }
        }
    })
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        // It has said why on standard error; the exit code is that of a panic then.
        thread.join().expect("a thread of the soak itself ended by a fault");
    }
}
