//! Whether the clocks of this machine, of the server and of the daemon agree.

use std::time::SystemTime;

use super::finding::{Check, Finding};
use crate::quantity::duration;

/// Seconds of difference that nobody minds.
const TOLERANCE: i64 = 5;

/// Judges the clocks: `date` is what the server wrote when it was `now` here, `ahead` the milliseconds by which the id of a new
/// event was ahead.
pub(crate) fn judge(date: Option<&str>, now: SystemTime, ahead: Option<i64>) -> Finding {
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let server = date.map(|date| difference(date, now));
    // To the nearest second.
    let daemon = ahead.map(|millis| (millis + 500).div_euclid(1000));
    if let Some(seconds) = server.filter(|seconds| seconds.abs() > TOLERANCE) {
        return Finding::warning(Check::Clock, format!("the server's clock is {} this machine's", off(seconds)))
            .change(
                "compare both with the time (timedatectl; date -u), and let the wrong one be set by itself: chrony, \
                 systemd-timesyncd",
            )
            .change("by a wrong clock certificates and cookies expire too early or too late");
    }
    if let Some(seconds) = daemon.filter(|seconds| seconds.abs() > TOLERANCE) {
        let finding =
            Finding::warning(Check::Clock, format!("the ids of new events are {} this machine's clock", off(seconds)));
        return if seconds > 0 {
            finding.change(
                "the daemon's clock is wrong, or was and has been set back: ids only increase, so they wait for it \
                 to catch up",
            )
        } else {
            finding.change("the daemon's clock is wrong: let it be set by itself (chrony, systemd-timesyncd)")
        };
    }
    match (server, daemon) {
        (None, None) => Finding::skipped(Check::Clock, "the answer has no Date"),
        (Some(_), Some(_)) => Finding::ok(Check::Clock, "the clocks of server, daemon and this machine agree"),
        (Some(_), None) => Finding::ok(Check::Clock, "the clocks of server and this machine agree"),
        (None, Some(_)) => Finding::ok(Check::Clock, "the clocks of daemon and this machine agree"),
    }
}

/// Whole seconds by which `there` is ahead of `here`.
fn difference(there: SystemTime, here: SystemTime) -> i64 {
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match there.duration_since(here) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

fn off(seconds: i64) -> String {
    let direction = if seconds > 0 { "ahead of" } else { "behind" };
    format!("{} {direction}", duration(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn clocks_are_compared() {
        let date = "Mon, 23 Nov 2026 22:02:38 GMT";
        let then = httpdate::parse_http_date(date).unwrap();
        for (date, now, ahead, verdict, part) in [
            (Some(date), then + Duration::from_millis(1_900), None, Verdict::Ok, "server and this machine agree"),
            (Some(date), then, Some(-900), Verdict::Ok, "server, daemon and this machine agree"),
            (Some(date), then + Duration::from_secs(90), None, Verdict::Warning, "1m 30s behind this machine's"),
            (Some(date), then - Duration::from_secs(7200), None, Verdict::Warning, "2h 0m ahead of"),
            (Some(date), then, Some(3_600_000), Verdict::Warning, "ids of new events are 1h 0m ahead"),
            (Some(date), then, Some(-60_000), Verdict::Warning, "1m 0s behind"),
            (Some("soon"), then, None, Verdict::Skipped, "no Date"),
            (None, then, Some(0), Verdict::Ok, "daemon and this machine"),
        ] {
            let finding = judge(date, now, ahead);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
        }
    }
}
