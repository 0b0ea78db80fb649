//! Whether the stream survives silence.

use std::time::{Duration, Instant};

use hasses_client::web::Ending;

use super::finding::{Check, Finding};
use super::probe::{End, Probe};
use super::proxy::Proxy;

/// How long nginx, Apache and many load balancers wait for the next byte unless told otherwise.
const USUAL_PATIENCE: Duration = Duration::from_secs(60);

/// What came of listening while nothing was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listened {
    /// How long it was.
    lasted: Duration,
    /// Heartbeats that were heard.
    heartbeats: u64,
    /// How the stream ended, where it did, and the silence before it.
    end: Option<(Ended, Duration)>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// By the rules.
    Properly,
    /// With the connection.
    Cut,
}

/// What is known of the daemon's heartbeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    /// The interval.
    pub(crate) interval: Duration,
    /// The daemon said so; else it is what daemons do that were not told otherwise.
    pub(crate) certain: bool,
}

/// Listens for so long.
pub(crate) fn listen(probe: &mut Probe, time: Duration) -> Listened {
    let begun = Instant::now();
    let before = probe.seen.comments;
    let quiet_since = probe.seen.last.unwrap_or(probe.asked);
    probe.watch(begun + time, |seen| seen.end.is_some());
    let seen = &probe.seen;
    let end = seen.end.as_ref().map(|(at, end)| {
        let ended = match end {
            End::Closed(Ending::Proper) => Ended::Properly,
            End::Closed(_) | End::Broken(_) => Ended::Cut,
        };
        (ended, at.saturating_duration_since(seen.last.unwrap_or(quiet_since)))
    });
    Listened { lasted: begun.elapsed(), heartbeats: seen.comments - before, end }
}

/// Judges it.
pub(crate) fn judge(listened: Listened, heartbeat: Heartbeat, proxy: Proxy, path: &str) -> Finding {
    let lasted = listened.lasted.as_secs_f64();
    let interval = heartbeat.interval.as_secs().max(1);
    if let Some((ended, silence)) = listened.end {
        let after = format!("{:.1} s of silence", silence.as_secs_f64());
        let seen = match ended {
            Ended::Cut => format!("the stream was cut after {after}: something on the way does not wait longer"),
            Ended::Properly => format!(
                "the stream was ended after {after}, by a proxy that does not wait longer, or by the daemon (--max-age)"
            ),
        };
        return Finding::wrong(Check::Idle, seen).changes(proxy.against_timeouts(interval));
    }
    let heard = match listened.heartbeats {
        1 => "1 heartbeat was heard".to_owned(),
        heard => format!("{heard} heartbeats were heard"),
    };
    if heartbeat.certain && heartbeat.interval >= USUAL_PATIENCE {
        let seen = format!(
            "the daemon may be silent for {interval} s, and many proxies cut a stream that is silent for {} s",
            USUAL_PATIENCE.as_secs()
        );
        return Finding::warning(Check::Idle, seen).change("let it break the silence more often: --heartbeat 15");
    }
    if listened.heartbeats > 0 {
        return Finding::ok(
            Check::Idle,
            format!("{lasted:.0} s without an event, and the stream is still there; {heard}"),
        );
    }
    if listened.lasted <= heartbeat.interval {
        let seen = format!(
            "{lasted:.0} s without an event, and the stream is still there; the first heartbeat is due after \
             {interval} s"
        );
        return Finding::ok(Check::Idle, seen);
    }
    if heartbeat.certain {
        let seen = format!(
            "no heartbeat came in {lasted:.0} s, though the daemon sends one every {interval} s: small pieces are \
             held back"
        );
        return Finding::wrong(Check::Idle, seen).changes(proxy.against_buffering(path));
    }
    let seen = format!(
        "no heartbeat came in {lasted:.0} s, where a daemon sends one every {interval} s unless told otherwise"
    );
    Finding::warning(Check::Idle, seen)
        .change("is --heartbeat longer there? Wait longer then (--wait); if not, small pieces are held back:")
        .changes(proxy.against_buffering(path))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn silence_is_judged() {
        let seconds = Duration::from_secs;
        let listened = |lasted, heartbeats, end| Listened { lasted: seconds(lasted), heartbeats, end };
        let certain = Heartbeat { interval: seconds(15), certain: true };
        for (listened, heartbeat, verdict, part) in [
            (
                listened(20, 1, None),
                certain,
                Verdict::Ok,
                "20 s without an event, and the stream is still there; 1 heartbeat",
            ),
            (listened(60, 4, None), certain, Verdict::Ok, "4 heartbeats"),
            (listened(5, 0, None), certain, Verdict::Ok, "due after 15 s"),
            (
                listened(20, 0, None),
                Heartbeat { interval: seconds(90), ..certain },
                Verdict::Warning,
                "silent for 90 s",
            ),
            (listened(20, 0, None), certain, Verdict::Wrong, "no heartbeat came in 20 s"),
            (listened(20, 0, None), Heartbeat { certain: false, ..certain }, Verdict::Warning, "unless told otherwise"),
            (listened(10, 0, Some((Ended::Cut, seconds(10)))), certain, Verdict::Wrong, "cut after 10.0 s of silence"),
            (listened(17, 1, Some((Ended::Properly, seconds(2)))), certain, Verdict::Wrong, "--max-age"),
        ] {
            let finding = judge(listened, heartbeat, Proxy::Unknown, "/sse");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
        }
    }
}
