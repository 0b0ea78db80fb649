//! Whether events arrive when they are sent: some are sent with pauses between, and each arrival is timed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hasses_client::Error;

use super::daemon::Daemon;
use super::finding::{Check, Finding};
use super::probe::{Probe, Seen};
use super::proxy::Proxy;

/// Events, and the pause between two.
const COUNT: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// An event that takes longer was held back: the slowest ways around the globe take a third of this.
const LATE: Duration = Duration::from_secs(1);
/// HAProxy tells the kernel that more is to come, and it waits 200 ms for that, unless `option http-no-delay` is set.
const DELAYED: Duration = Duration::from_millis(150);
/// How long the last one may take before it is called lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes that are sent to push out what is held back: nginx holds 32 KiB, others 64.
const FILLER: usize = 16 * 1024;
const FILLERS: usize = 16;
/// Time for a filler to push something out.
const FILLER_PAUSE: Duration = Duration::from_millis(250);

/// What became of the events.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How long each took; `None` did not arrive.
    took: Vec<Option<Duration>>,
    /// The stream ended meanwhile.
    ended: bool,
    /// What was sent behind them, where they had not arrived.
    filled: Option<Filled>,
    /// Milliseconds by which their ids are ahead of this machine's clock.
    pub(crate) ahead: Option<i64>,
}

/// What was sent to push out what is held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    /// Bytes.
    pub(crate) bytes: usize,
    /// Something came out.
    pub(crate) helped: bool,
}

/// Whether the topic is this program's own, so that nobody minds how much is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Nobody else listens to it.
    Own,
    /// Others may.
    Shared,
}

/// Sends events and times their arrival.
///
/// # Errors
/// The daemon does not answer.
pub(crate) fn measure(probe: &mut Probe, daemon: &Daemon, topic: &str, whose: Topic) -> Result<Measured, Error> {
    let mut measured = Measured::default();
    let mut sent = Vec::new();
    for nth in 1..=COUNT {
        let now = Instant::now();
        let published = daemon.publish(topic, text(nth))?;
        sent.push(now);
        measured.ahead = ahead(published.id.millis);
        probe.watch(now + PAUSE, |seen| seen.end.is_some());
    }
    let all = |seen: &Seen| seen.end.is_some() || (1..=COUNT).all(|nth| arrival(seen, nth).is_some());
    probe.watch(Instant::now() + PATIENCE, all);
    measured.ended = probe.seen.end.is_some();
    let came = |seen: &Seen| (1..=COUNT).any(|nth| arrival(seen, nth).is_some());
    if !measured.ended && !came(&probe.seen) && whose == Topic::Own {
        measured.filled = Some(fill(probe, daemon, topic, came)?);
        probe.watch(Instant::now() + FILLER_PAUSE, all);
    }
    let took = |(nth, sent): (usize, &Instant)| Some(arrival(&probe.seen, nth)?.saturating_duration_since(*sent));
    measured.took = (1..).zip(&sent).map(took).collect();
    Ok(measured)
}

/// Sends until something comes out that is enough, or until nothing can be hoped for any more.
///
/// # Errors
/// The daemon does not answer.
pub(crate) fn fill(
    probe: &mut Probe,
    daemon: &Daemon,
    topic: &str,
    enough: impl Fn(&Seen) -> bool,
) -> Result<Filled, Error> {
    // Random, so that a compressor cannot make it small.
    let length =
        daemon.limit("max-message").map_or(FILLER, |limit| FILLER.min(usize::try_from(limit / 2).unwrap_or(FILLER)));
    let mut filled = Filled { bytes: 0, helped: false };
    for _ in 0..FILLERS {
        daemon.publish(topic, std::iter::repeat_with(fastrand::alphanumeric).take(length).collect())?;
        filled.bytes += length;
        if probe.watch(Instant::now() + FILLER_PAUSE, |seen| enough(seen) || seen.end.is_some()) {
            filled.helped = enough(&probe.seen);
            break;
        }
    }
    Ok(filled)
}

fn text(nth: usize) -> String {
    format!("event {nth} of {COUNT}")
}

fn arrival(seen: &Seen, nth: usize) -> Option<Instant> {
    seen.events.iter().find(|(_, event)| event.data == text(nth)).map(|(at, _)| *at)
}

/// Milliseconds by which an id is ahead of the clock here.
fn ahead(millis: u64) -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(i64::try_from(millis).ok()? - i64::try_from(now).ok()?)
}

/// Judges what became of the events. `way` is how long a connection takes.
pub(crate) fn judge(measured: &Measured, way: Duration, proxy: Proxy, path: &str) -> Finding {
    let wrong = |seen: String| Finding::wrong(Check::Events, seen);
    let arrived: Vec<Duration> = measured.took.iter().copied().flatten().collect();
    let (count, pause) = (measured.took.len(), PAUSE.as_millis());
    let slowest = arrived.iter().max().copied().unwrap_or_default();
    if let Some(filled) = measured.filled {
        let kib = filled.bytes / 1024;
        let seen = if filled.helped {
            format!(
                "{count} events were sent, and none arrived until {kib} KiB more had been sent behind them: they \
                 wait in a buffer"
            )
        } else {
            format!("{count} events were sent, and none arrived, not even after {kib} KiB more")
        };
        return wrong(seen).changes(proxy.against_buffering(path));
    }
    if arrived.is_empty() {
        let why = if measured.ended { "the stream ended before" } else { "something on the way holds them back" };
        return wrong(format!("{count} events were sent, and none arrived: {why}"))
            .changes(proxy.against_buffering(path));
    }
    if arrived.len() < count {
        let seen = format!("of {count} events {} did not arrive", count - arrived.len());
        return wrong(seen).change("the log of the proxy says why; the daemon's has a line if it cut the connection");
    }
    let fastest = arrived.iter().min().copied().unwrap_or_default();
    if slowest < LATE && fastest >= DELAYED.max(3 * way) {
        let seen = format!(
            "{count} events arrived one by one, but each at least {} ms late, where a connection takes {} ms: the proxy lets \
             the kernel wait for more, or is itself far from the daemon",
            fastest.as_millis(),
            way.as_millis().max(1)
        );
        return Finding::warning(Check::Events, seen)
            .change("let the proxy send at once:")
            .change("  option http-no-delay      # HAProxy, in the backend")
            .change("  tcp_nodelay on;           # nginx");
    }
    if slowest < LATE {
        let within = slowest.as_millis().max(1);
        return Finding::ok(
            Check::Events,
            format!("{count} events, {pause} ms apart, arrived one by one, each within {within} ms"),
        );
    }
    if together(&measured.took) {
        let seen = format!(
            "{count} events that were sent {pause} ms apart arrived together, the first {:.1} s late: they wait in a \
             buffer",
            arrived[0].as_secs_f64()
        );
        return wrong(seen).changes(proxy.against_buffering(path));
    }
    Finding::warning(
        Check::Events,
        format!("{count} events arrived one by one, but up to {:.1} s late", slowest.as_secs_f64()),
    )
    .change("is the way slow, or the machine of the proxy or the daemon busy?")
}

/// Whether they came all at once: each took a pause less than the one before it.
fn together(took: &[Option<Duration>]) -> bool {
    took.windows(2).all(|pair| match pair {
        [Some(earlier), Some(later)] => earlier.saturating_sub(*later) > PAUSE / 2,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn measured(took: &[i64]) -> Measured {
        let took = took.iter().map(|millis| u64::try_from(*millis).ok().map(Duration::from_millis)).collect();
        Measured { took, ..Measured::default() }
    }

    #[test]
    fn delays_are_judged() {
        let filled = |bytes, helped| Measured { filled: Some(Filled { bytes, helped }), ..measured(&[9000, -1, -1]) };
        for (measured, verdict, part) in [
            (measured(&[3, 4, 2, 0, 5]), Verdict::Ok, "5 events, 300 ms apart, arrived one by one, each within 5 ms"),
            (measured(&[900, 120, 100, 100, 100]), Verdict::Ok, "within 900 ms"),
            (
                measured(&[204, 203, 205, 204, 203]),
                Verdict::Warning,
                "each at least 203 ms late, where a connection takes 2 ms",
            ),
            (measured(&[1500, 1200, 900, 600, 300]), Verdict::Wrong, "arrived together, the first 1.5 s late"),
            (measured(&[1500, 1500, 1400, 1500, 1500]), Verdict::Warning, "one by one, but up to 1.5 s late"),
            (measured(&[1, -1, 1, -1, 1]), Verdict::Wrong, "of 5 events 2 did not arrive"),
            (measured(&[-1, -1]), Verdict::Wrong, "holds them back"),
            (Measured { ended: true, ..measured(&[-1]) }, Verdict::Wrong, "the stream ended before"),
            (filled(32 * 1024, true), Verdict::Wrong, "until 32 KiB more had been sent"),
            (filled(256 * 1024, false), Verdict::Wrong, "not even after 256 KiB more"),
        ] {
            let finding = judge(&measured, Duration::from_millis(2), Proxy::Nginx, "/sse");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
            assert_eq!(finding.change.is_empty(), verdict == Verdict::Ok, "{finding:?}");
        }
        let far = judge(&measured(&[204, 203, 205, 204, 203]), Duration::from_millis(150), Proxy::Nginx, "/sse");
        assert_eq!(far.verdict, Verdict::Ok, "{far:?}");
    }
}
