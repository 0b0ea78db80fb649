//! The result as one JSON object; what was not measured is absent.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::measured::{Ended, Measured, Published, Span};
use super::memory::Memory;
use super::plan::Plan;
use super::stalled::Held;
use super::storm::Passed;
use super::tally::Faults;

/// A thread that is busy for more of the time than this may have held the server up.
const BUSY: f64 = 0.9;

/// What a run gave, in the units of its names: µs, bytes, seconds, and numbers a second.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Server>,
    pub(super) subscribers: u32,
    pub(super) topics: u32,
    pub(super) size: usize,
    pub(super) burst: u64,
    /// Of bursts; `null` in a closed loop.
    pub(super) rate: Option<f64>,
    pub(super) threads: usize,
    pub(super) tls: bool,
    pub(super) publish: String,
    pub(super) connect: Connect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) publish_phase: Option<PublishPhase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<Deliveries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_us: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stalled: Option<Stalled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storm: Option<Storm>,
    pub(super) faults: Faults,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<String>,
    /// `stalled`, `interrupted` or `gone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator: Option<Generator>,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) pid: u32,
    pub(super) processes: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Connect {
    pub(super) seconds: f64,
    pub(super) rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_subscriber: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct PublishPhase {
    pub(super) messages: u64,
    pub(super) seconds: f64,
    pub(super) rate: f64,
    /// Messages to topics without a subscriber.
    pub(super) unheard: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_per_publish: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Deliveries {
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us: Option<f64>,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

/// Those who read nothing.
#[derive(Debug, Serialize)]
pub(super) struct Stalled {
    pub(super) subscribers: u32,
    pub(super) disconnected: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcp_memory_bytes: Option<Level>,
    /// The server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_bytes: Option<Level>,
}

/// A number of bytes over the time that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Level {
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
}

/// Those who came back.
#[derive(Debug, Serialize)]
pub(super) struct Storm {
    pub(super) subscribers: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connected_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caught_up_seconds: Option<f64>,
    pub(super) replayed: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Generator {
    pub(super) cpu_us: f64,
    pub(super) busy: f64,
    pub(super) was_the_bottleneck: bool,
}

impl Report {
    /// The report of a run.
    pub(super) fn new(plan: &Plan, measured: Measured) -> Self {
        let published = measured.published.as_ref();
        Self {
            ok: !measured.faults.any()
                && matches!(measured.ended, Ended::Properly | Ended::Interrupted)
                && published.is_some(),
            url: plan.place.target.url.clone(),
            server: measured.server.identity().map(|(pid, processes)| Server { pid, processes }),
            subscribers: plan.subscribers,
            topics: plan.mix.topics(plan.subscribers),
            size: plan.shape.size(),
            burst: plan.burst,
            rate: plan.rate,
            threads: plan.threads,
            tls: plan.place.target.tls.is_some(),
            publish: plan.publish.clone(),
            connect: connect(plan, &measured),
            idle: measured.idle.map(|(span, memory)| idle(plan, span, memory)),
            publish_phase: published.map(publish_phase),
            deliveries: published.map(deliveries),
            latency_us: latency(&measured.latency),
            stalled: measured.stalled.map(|held| stalled(plan, held, published)),
            storm: measured.storm.map(|passed| storm(plan, passed)),
            faults: measured.faults,
            generator: published.map(generator),
            remarks: measured.remarks,
            ended: match measured.ended {
                Ended::Properly => None,
                Ended::Stalled => Some("stalled"),
                Ended::Interrupted => Some("interrupted"),
                Ended::Gone => Some("gone"),
            },
        }
    }

    /// Whether every message came as it should.
    pub(super) fn is_ok(&self) -> bool {
        self.ok
    }

    /// The object, with its line end.
    pub(super) fn json(&self) -> String {
        // Numbers, strings and booleans always have a JSON form.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

fn connect(plan: &Plan, measured: &Measured) -> Connect {
    let subscribers = u64::from(plan.subscribers);
    Connect {
        seconds: rounded(measured.connect.elapsed.as_secs_f64()),
        rate: per_second(subscribers, measured.connect),
        cpu_us: cpu(measured.connect, subscribers),
        memory_bytes: measured.memory.map(|bytes| rounded(bytes as f64 / subscribers as f64)),
    }
}

fn idle(plan: &Plan, span: Span, memory: Option<u64>) -> Idle {
    Idle {
        seconds: rounded(span.elapsed.as_secs_f64()),
        cpu_us: cpu(span, 1),
        bytes_per_subscriber: memory.map(|bytes| rounded(bytes as f64 / f64::from(plan.subscribers))),
    }
}

fn publish_phase(published: &Published) -> PublishPhase {
    PublishPhase {
        messages: published.messages,
        seconds: rounded(published.span.elapsed.as_secs_f64()),
        rate: per_second(published.messages, published.span),
        unheard: published.unheard,
        cpu_us_per_publish: cpu(published.span, published.messages),
    }
}

fn deliveries(published: &Published) -> Deliveries {
    Deliveries {
        expected: published.expected,
        received: published.received,
        rate: per_second(published.received, published.span),
        cpu_us: cpu(published.span, published.received),
        bytes: published.bytes,
    }
}

fn latency(nanoseconds: &Histogram<u64>) -> Option<Latency> {
    let microseconds = |nanoseconds: u64| rounded(nanoseconds as f64 / 1e3);
    let quantile = |quantile| microseconds(nanoseconds.value_at_quantile(quantile));
    (!nanoseconds.is_empty()).then(|| Latency {
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p99_9: quantile(0.999),
        max: microseconds(nanoseconds.max()),
        mean: rounded(nanoseconds.mean() / 1e3),
    })
}

fn stalled(plan: &Plan, held: Held, published: Option<&Published>) -> Stalled {
    let level = |of: fn(&Memory) -> Option<u64>| {
        let (before, after) = published?.memory?;
        let peak = held.peak.max(before).max(after);
        Some(Level { before: of(&before)?, peak: of(&peak)?, after: of(&after)? })
    };
    Stalled {
        subscribers: plan.stalled,
        disconnected: held.disconnected,
        tcp_memory_bytes: level(|memory| memory.tcp),
        memory_bytes: level(|memory| memory.resident),
    }
}

fn storm(plan: &Plan, passed: Passed) -> Storm {
    let seconds = |time: Option<Duration>| time.map(|time| rounded(time.as_secs_f64()));
    Storm {
        subscribers: plan.storm,
        connected_seconds: seconds(passed.connected),
        caught_up_seconds: seconds(passed.caught_up),
        replayed: passed.replayed,
    }
}

fn generator(published: &Published) -> Generator {
    let busy = published.generator.busy;
    Generator {
        cpu_us: rounded(microseconds(published.generator.cpu) / published.received.max(1) as f64),
        busy: rounded(busy),
        was_the_bottleneck: is_bottleneck(busy, published.span.busy),
    }
}

/// Whether the server, busy for this share of the time if that is known, could have done more.
fn is_bottleneck(busy: f64, server: Option<f64>) -> bool {
    busy > BUSY && server.is_none_or(|server| server < busy)
}

/// Microseconds of the server's CPU for each of so many.
fn cpu(span: Span, count: u64) -> Option<f64> {
    span.cpu.map(|cpu| rounded(microseconds(cpu) / count.max(1) as f64))
}

fn per_second(count: u64, span: Span) -> f64 {
    rounded(count as f64 / span.elapsed.as_secs_f64().max(1e-9))
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// To three decimals: more of them say nothing here.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_busier_was_the_bottleneck() {
        for (busy, server, expected) in [
            (0.95, Some(0.5), true),
            (0.95, None, true),
            (0.95, Some(0.99), false),
            (0.9, Some(0.1), false),
            (0.4, None, false),
        ] {
            assert_eq!(is_bottleneck(busy, server), expected, "{busy} {server:?}");
        }
    }

    #[test]
    fn figures_are_given_for_each_and_to_three_decimals() {
        let span =
            Span { elapsed: Duration::from_millis(1_500), cpu: Some(Duration::from_micros(10)), busy: Some(0.1) };
        assert_eq!((cpu(span, 3), cpu(span, 0), per_second(10, span)), (Some(3.333), Some(10.0), 6.667));
        assert_eq!(cpu(Span::default(), 3), None);
    }

    #[test]
    fn latencies_are_in_microseconds() {
        let mut nanoseconds = super::super::tally::histogram();
        assert!(latency(&nanoseconds).is_none());
        (1..=1_000).for_each(|nth| nanoseconds.saturating_record(nth * 1_000));
        let latency = latency(&nanoseconds).unwrap();
        for (found, expected) in [
            (latency.p50, 500.0),
            (latency.p90, 900.0),
            (latency.p99, 990.0),
            (latency.p99_9, 999.0),
            (latency.max, 1_000.0),
        ] {
            assert!((found - expected).abs() < 1.0, "{found} is not {expected}");
        }
        assert!((latency.mean - 500.5).abs() < 1.0, "{}", latency.mean);
    }
}
