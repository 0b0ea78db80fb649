//! What is to be measured: the command line, checked.

use std::time::Duration;

use super::message::{MAX_NUMBER, MAX_TOPICS, MIN_BYTES, Shape};
use super::mix::Mix;
use super::names::Names;
use super::place::Place;
use crate::arguments::Bench;
use crate::failure::Failure;

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) place: Place,
    pub(super) subscribers: u32,
    /// Further ones that read nothing.
    pub(super) stalled: u32,
    /// Further ones that come back in the middle.
    pub(super) storm: u32,
    pub(super) mix: Mix,
    pub(super) publish: String,
    pub(super) burst: u64,
    /// From one burst to the next, where they do not wait for each other.
    pub(super) interval: Option<Duration>,
    pub(super) rate: Option<f64>,
    pub(super) amount: Amount,
    /// What is published before, and not measured.
    pub(super) warm_up: Amount,
    pub(super) shape: Shape,
    pub(super) threads: usize,
    pub(super) manner: Manner,
    pub(super) cores: Vec<usize>,
    pub(super) idle: Option<Duration>,
    pub(super) pid: Option<u32>,
    pub(super) connect_rate: Option<u32>,
    pub(super) patience: Duration,
}

/// How much is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    /// So many messages.
    Messages(u64),
    /// For so long.
    Time(Duration),
    /// So many messages, and no longer than so long.
    Either(u64, Duration),
}

/// How receiving threads wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// By asking again and again.
    Spin,
    /// Asleep.
    Sleep,
}

/// The most that flags take. Numbers of messages have to fit into a message, warm-up included.
const MAX_SUBSCRIBERS: u64 = 1_000_000;
pub(super) const MAX_MESSAGES: u64 = MAX_NUMBER / 2;
const MAX_BURST: u64 = 100_000;
/// A burst is composed in memory.
const MAX_BURST_BYTES: u64 = 256 * 1024 * 1024;
const MAX_BYTES: u64 = 16 * 1024 * 1024;
const MAX_THREADS: u64 = 256;
const MAX_RATE: f64 = 1_000_000.0;
const MAX_SECONDS: f64 = 86_400.0;

impl Plan {
    /// Checks what the command line says; `control` finds the control channel, where one is needed.
    ///
    /// # Errors
    /// Usage, with value and limit; unreachable where a name has no address.
    pub(crate) fn new(arguments: &Bench, control: impl FnOnce() -> Result<String, Failure>) -> Result<Self, Failure> {
        let subscribers = crowd("--subscribers", arguments.subscribers, 1)?;
        let topics = arguments.topics.topics(subscribers);
        within("--topics", u64::from(topics), 1, MAX_TOPICS)?;
        let names = Names::new(&arguments.topic, topics).map_err(|why| Failure::usage(format!("--topic {why}")))?;
        let size = within("--size", arguments.size, MIN_BYTES as u64, MAX_BYTES)?;
        let burst = burst(arguments.burst, size)?;
        let rate = arguments.rate.map(|rate| fraction("--rate", rate, 0.001, MAX_RATE)).transpose()?;
        let interval = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let amount = amount(arguments)?;
        if let (Amount::Time(_), Some(interval)) = (amount, interval) {
            within(
                "--duration: messages in it",
                amount.bursts(burst, interval).saturating_mul(burst),
                1,
                MAX_MESSAGES,
            )?;
        }
        let connect_rate = arguments.connect_rate.map(|rate| within("--connect-rate", rate, 1, MAX_SUBSCRIBERS));
        let threads = within("--threads", arguments.threads, 1, MAX_THREADS.min(u64::from(subscribers)))?;
        Ok(Self {
            subscribers,
            stalled: crowd("--stalled", arguments.stalled, 0)?,
            storm: storm(arguments)?,
            mix: arguments.topics,
            publish: arguments.publish.clone(),
            burst,
            interval,
            rate,
            amount,
            warm_up: warm_up(arguments.warm_up, amount)?,
            shape: Shape::new(usize::try_from(size).unwrap_or(MIN_BYTES), names),
            threads: usize::try_from(threads).unwrap_or(1),
            manner: if arguments.spin { Manner::Spin } else { Manner::Sleep },
            cores: arguments.cores.as_deref().map(cores).transpose()?.unwrap_or_default(),
            idle: seconds("--idle", arguments.idle, 0.0)?.filter(|idle| !idle.is_zero()),
            pid: arguments.pid,
            connect_rate: connect_rate.transpose()?.and_then(|rate| u32::try_from(rate).ok()),
            patience: seconds("--patience", Some(arguments.patience), 0.1)?.unwrap_or_default(),
            // Behind everything that needs no look at the world.
            place: Place::find(arguments, control)?,
        })
    }
}

/// The messages of a burst, of so many bytes each.
fn burst(messages: u64, size: u64) -> Result<u64, Failure> {
    let messages = within("--burst", messages, 1, MAX_BURST)?;
    if messages * size > MAX_BURST_BYTES {
        let error =
            format!("--burst {messages} of --size {size}: together they have to be at most {MAX_BURST_BYTES} bytes");
        return Err(Failure::usage(error));
    }
    Ok(messages)
}

/// A number of subscribers.
fn crowd(flag: &str, count: u64, least: u64) -> Result<u32, Failure> {
    Ok(u32::try_from(within(flag, count, least, MAX_SUBSCRIBERS)?).unwrap_or(u32::MAX))
}

/// Those that come back name one event, behind which everything is theirs: so there is one topic.
fn storm(arguments: &Bench) -> Result<u32, Failure> {
    let (storm, mix) = (crowd("--storm", arguments.storm, 0)?, arguments.topics);
    if storm > 0 && mix != Mix::One {
        return Err(Failure::usage(format!("--storm {storm} needs --topics one, and it is {mix}")));
    }
    Ok(storm)
}

fn amount(arguments: &Bench) -> Result<Amount, Failure> {
    match (arguments.messages, arguments.duration) {
        (Some(_), Some(_)) => Err(Failure::usage("--messages and --duration exclude each other")),
        (None, Some(duration)) => Ok(Amount::Time(seconds("--duration", Some(duration), 0.001)?.unwrap_or_default())),
        (messages, None) => Ok(Amount::Messages(within("--messages", messages.unwrap_or(1_000), 1, MAX_MESSAGES)?)),
    }
}

/// A tenth of what is measured; of a time also no more than 100 messages, which are enough for any server to be warm.
fn warm_up(asked: Option<u64>, amount: Amount) -> Result<Amount, Failure> {
    if let Some(asked) = asked {
        return within("--warm-up", asked, 0, MAX_MESSAGES).map(Amount::Messages);
    }
    Ok(match amount {
        Amount::Messages(messages) => Amount::Messages(messages.div_ceil(10)),
        Amount::Time(time) | Amount::Either(_, time) => Amount::Either(100, time / 10),
    })
}

/// `1,4-7` as numbers.
fn cores(text: &str) -> Result<Vec<usize>, Failure> {
    let most = rustix::thread::CpuSet::MAX_CPU - 1;
    let bad = || Failure::usage(format!("--cores {text}: a list of cores from 0 to {most} is needed, as in 1,4-7"));
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse().ok().filter(|core: &usize| *core <= most).ok_or_else(bad);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

fn within(flag: &str, value: u64, least: u64, most: u64) -> Result<u64, Failure> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("{flag} {value}: it has to be from {least} to {most}")))
}

fn fraction(flag: &str, value: f64, least: f64, most: f64) -> Result<f64, Failure> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("{flag} {value}: it has to be from {least} to {most}")))
}

fn seconds(flag: &str, value: Option<f64>, least: f64) -> Result<Option<Duration>, Failure> {
    let value = value.map(|value| fraction(flag, value, least, MAX_SECONDS)).transpose()?;
    Ok(value.map(Duration::from_secs_f64))
}
