//! What is measured: the cases, the figures they give, and the order in which servers take their turns.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::loader::Loader;
use crate::options::Options;
use crate::report::Report;
use crate::servers::{Kind, Programs, Server};
use crate::usage::Processes;

const FEW: usize = 1_000;
const MANY: usize = 10_000;
/// Descriptors that a server and the loader each need: one a subscriber, and some.
pub(crate) const DESCRIPTORS: u64 = 10_100;
/// Messages of one burst.
const BURST: usize = 50;
/// Bursts that go before a measurement: sockets and allocators get their memory at first use.
const WARM_UP_BURSTS: usize = 2;

/// One case, as `--only` names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// One message at a time.
    Single,
    /// Bursts of 50 messages.
    Burst,
    /// Accepting and subscribing.
    Connect,
    /// Idle subscribers.
    Memory,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::Burst, Self::Connect, Self::Memory];

    /// Its name in options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Burst => "burst",
            Self::Connect => "connect",
            Self::Memory => "memory",
        }
    }
}

/// One figure of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Metric {
    /// Microseconds of CPU a delivery, single messages, 1,000 subscribers.
    SingleFewCpu,
    /// Thousands of deliveries a second, single messages, 1,000 subscribers.
    SingleFewRate,
    /// Microseconds of CPU a delivery, single messages, 10,000 subscribers.
    SingleManyCpu,
    /// Thousands of deliveries a second, single messages, 10,000 subscribers.
    SingleManyRate,
    /// Microseconds of CPU a delivery in bursts.
    BurstCpu,
    /// Thousands of deliveries a second in bursts.
    BurstRate,
    /// Microseconds of CPU to accept and subscribe one connection.
    ConnectCpu,
    /// Bytes of resident memory an idle subscriber.
    IdleMemory,
}

impl Metric {
    /// The name in the table and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SingleFewCpu => "single 1,000: CPU a delivery",
            Self::SingleFewRate => "single 1,000: deliveries",
            Self::SingleManyCpu => "single 10,000: CPU a delivery",
            Self::SingleManyRate => "single 10,000: deliveries",
            Self::BurstCpu => "burst 1,000: CPU a delivery",
            Self::BurstRate => "burst 1,000: deliveries",
            Self::ConnectCpu => "connect 10,000: CPU a subscriber",
            Self::IdleMemory => "memory 10,000: an idle subscriber",
        }
    }

    /// The unit of its values.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::SingleFewCpu | Self::SingleManyCpu | Self::BurstCpu | Self::ConnectCpu => "µs",
            Self::SingleFewRate | Self::SingleManyRate | Self::BurstRate => "k/s",
            Self::IdleMemory => "B",
        }
    }
}

/// What a measurement consists of.
pub(crate) struct Plan {
    cases: Vec<Case>,
    servers: Vec<Kind>,
    runs: usize,
    messages_to_few: usize,
    messages_to_many: usize,
    bursts: usize,
}

impl Plan {
    /// The plan that the options ask for.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            cases: options.cases.clone(),
            servers: options.servers.clone(),
            runs: options.runs,
            messages_to_few: options.messages,
            messages_to_many: options.messages.div_ceil(5),
            bursts: options.messages.div_ceil(10),
        }
    }

    /// Measures every server once; `run` counts from 0.
    pub(crate) fn run(&self, run: usize, programs: &Programs, report: &mut Report) -> io::Result<()> {
        let mut order = self.servers.clone();
        order.rotate_left(run % self.servers.len());
        if self.has(Case::Single) || self.has(Case::Burst) {
            for kind in &order {
                self.tell(run, *kind, FEW)?;
                self.measure_few(*kind, programs, report).map_err(|error| name_server(*kind, &error))?;
            }
        }
        if self.has(Case::Single) || self.has(Case::Connect) || self.has(Case::Memory) {
            for kind in &order {
                self.tell(run, *kind, MANY)?;
                self.measure_many(*kind, programs, report).map_err(|error| name_server(*kind, &error))?;
            }
        }
        Ok(())
    }

    fn has(&self, case: Case) -> bool {
        self.cases.contains(&case)
    }

    fn tell(&self, run: usize, kind: Kind, subscribers: usize) -> io::Result<()> {
        writeln!(io::stderr(), "run {} of {}: {}, {subscribers} subscribers", run + 1, self.runs, kind.name())
    }

    fn measure_few(&self, kind: Kind, programs: &Programs, report: &mut Report) -> io::Result<()> {
        let server = Server::start(kind, programs)?;
        let processes = server.processes()?;
        let mut loader = Loader::new(server.publisher()?)?;
        loader.subscribe(server.subscribe, FEW)?;
        if self.has(Case::Single) {
            loader.deliver(self.messages_to_few.div_ceil(10), 1)?;
            let cost = Cost::of(&mut loader, &processes, self.messages_to_few, 1)?;
            report.add(Metric::SingleFewCpu, kind, cost.cpu_microseconds());
            report.add(Metric::SingleFewRate, kind, cost.thousands_a_second());
        }
        if self.has(Case::Burst) {
            loader.deliver(WARM_UP_BURSTS, BURST)?;
            let cost = Cost::of(&mut loader, &processes, self.bursts, BURST)?;
            report.add(Metric::BurstCpu, kind, cost.cpu_microseconds());
            report.add(Metric::BurstRate, kind, cost.thousands_a_second());
        }
        loader.expect_quiet()
    }

    fn measure_many(&self, kind: Kind, programs: &Programs, report: &mut Report) -> io::Result<()> {
        // A fresh server: memory that earlier subscribers left behind would serve these.
        let server = Server::start(kind, programs)?;
        let processes = server.processes()?;
        let mut loader = Loader::new(server.publisher()?)?;
        let (cpu, resident) = (processes.cpu()?, processes.resident()?);
        loader.subscribe(server.subscribe, MANY)?;
        let cpu = processes.cpu()?.saturating_sub(cpu);
        let resident = processes.resident()?.saturating_sub(resident);
        if self.has(Case::Connect) {
            report.add(Metric::ConnectCpu, kind, cpu.as_secs_f64() * 1e6 / MANY as f64);
        }
        if self.has(Case::Memory) {
            report.add(Metric::IdleMemory, kind, resident as f64 / MANY as f64);
        }
        if self.has(Case::Single) {
            loader.deliver(self.messages_to_many.div_ceil(10), 1)?;
            let cost = Cost::of(&mut loader, &processes, self.messages_to_many, 1)?;
            report.add(Metric::SingleManyCpu, kind, cost.cpu_microseconds());
            report.add(Metric::SingleManyRate, kind, cost.thousands_a_second());
        }
        loader.expect_quiet()
    }
}

/// What a number of deliveries took.
struct Cost {
    deliveries: u64,
    cpu: Duration,
    elapsed: Duration,
}

impl Cost {
    fn of(loader: &mut Loader, processes: &Processes, bursts: usize, length: usize) -> io::Result<Self> {
        let cpu = processes.cpu()?;
        let start = Instant::now();
        let deliveries = loader.deliver(bursts, length)?;
        let elapsed = start.elapsed();
        Ok(Self { deliveries, cpu: processes.cpu()?.saturating_sub(cpu), elapsed })
    }

    fn cpu_microseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries as f64
    }

    fn thousands_a_second(&self) -> f64 {
        self.deliveries as f64 / 1e3 / self.elapsed.as_secs_f64()
    }
}

fn name_server(kind: Kind, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", kind.name()))
}
