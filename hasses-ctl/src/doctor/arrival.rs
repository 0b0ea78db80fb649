//! Whether and when the answer arrives, and its first byte.

use std::time::Duration;

use super::daemon::{self, Daemon};
use super::events::{self, Topic};
use super::finding::{Check, Finding};
use super::probe::{Probe, Seen};
use super::proxy::Proxy;
use super::report::Report;
use super::visit::Visit;
use crate::output::End;

/// When no answer is there after this long, the daemon is asked whether it has given one.
const SUSPICION: Duration = Duration::from_secs(2);
/// When no answer is there after this long, there is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Time for the first byte, which the daemon sends together with the head.
pub(crate) const FIRST_BYTE: Duration = Duration::from_secs(3);
/// Time after which it counts as slow.
const SLOW: Duration = Duration::from_secs(1);

/// Whether something kept the answer to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It came, or there is none.
    No,
    /// The daemon gave it, and it did not come.
    Back,
}

impl Visit<'_> {
    /// Waits for the head. Where it does not come though the daemon has sent it, it is pushed out with what comes behind.
    pub(crate) fn await_head(&self, probe: &mut Probe, report: &mut Report<'_>) -> Result<Held, End> {
        if probe.watch(probe.asked + SUSPICION, Seen::answered) && probe.seen.head.is_some() {
            return Ok(Held::No);
        }
        let known = |daemon: &Daemon| daemon.find(&self.topic, &self.id).is_ok_and(|found| found.is_some());
        if probe.seen.end.is_none() && self.daemon.is_some_and(known) {
            self.push_out(probe, report)?;
            return Ok(Held::Back);
        }
        if probe.seen.end.is_none() {
            report.progress(Check::Answer, &format!("waiting for it, {} s at most", PATIENCE.as_secs()));
            probe.watch(probe.asked + PATIENCE, Seen::answered);
        }
        if probe.seen.head.is_some() {
            return Ok(Held::No);
        }
        let seconds = PATIENCE.as_secs();
        report.add(match (&probe.seen.end, self.daemon) {
            (Some((_, end)), _) => {
                Finding::wrong(Check::Answer, format!("the connection is closed without an answer{}", end.reason()))
                    .change("the log of the server says why")
            }
            (None, Some(daemon)) => Finding::wrong(
                Check::Answer,
                format!(
                    "no answer within {seconds} s, and the daemon knows nothing of the request: the proxy waits for \
                     somebody else"
                ),
            )
            .change(format!(
                "the daemon listens at {}: does the proxy send requests there?",
                daemon.status.listen.join(" and ")
            )),
            (None, None) => Finding::wrong(
                Check::Answer,
                format!(
                    "no answer within {seconds} s: a proxy holds it back (buffering), or waits in vain for a daemon"
                ),
            )
            .changes(Proxy::Unknown.against_buffering(self.line.url.path()))
            .change("run this on the daemon's host, or with --control, to know which of the two it is"),
        })?;
        Ok(Held::No)
    }

    fn push_out(&self, probe: &mut Probe, report: &mut Report<'_>) -> Result<(), End> {
        let Some(daemon) = self.daemon else { return Ok(()) };
        const SENT: &str = "the daemon has answered, but its answer did not arrive";
        let filled = match self.whose {
            Topic::Own => match events::fill(probe, daemon, &self.topic, |seen| seen.head.is_some()) {
                Ok(filled) => Some(filled),
                Err(error) => return report.add(daemon::lost(Check::FirstByte, &error)),
            },
            // Others would get it too.
            Topic::Shared => None,
        };
        let seen = match filled {
            Some(filled) if filled.helped => {
                format!(
                    "{SENT} until {} KiB of events had been sent behind it: it waits in a buffer",
                    filled.bytes / 1024
                )
            }
            Some(filled) => {
                format!("{SENT}, not even after {} KiB of events behind it: it waits in a buffer", filled.bytes / 1024)
            }
            None => format!("{SENT} within {} s: it waits in a buffer", SUSPICION.as_secs()),
        };
        let proxy = probe.seen.head.as_ref().map_or(Proxy::Unknown, |(_, head)| Proxy::of(head));
        report.add(Finding::wrong(Check::FirstByte, seen).changes(proxy.against_buffering(self.line.url.path())))
    }
}

/// Judges when the first byte of the body came.
pub(crate) fn judge_first_byte(probe: &Probe, proxy: Proxy, path: &str) -> Finding {
    let Some((head, first)) = probe.seen.head.as_ref().map(|(at, _)| *at).zip(probe.seen.first) else {
        if probe.seen.end.is_some() {
            return Finding::wrong(Check::FirstByte, "the stream ended before it")
                .change("the log of the proxy says why");
        }
        return Finding::wrong(
            Check::FirstByte,
            "the head came, but not the first byte behind it, which the daemon sends with it: small pieces wait in a \
             buffer",
        )
        .change("Firefox tells a page that its stream is open only then")
        .changes(proxy.against_buffering(path));
    };
    let took = first.saturating_duration_since(probe.asked);
    if first.saturating_duration_since(head) > SLOW {
        let seen = format!(
            "the head came, and the first byte behind it only {:.1} s later: small pieces wait",
            first.saturating_duration_since(head).as_secs_f64()
        );
        return Finding::wrong(Check::FirstByte, seen).changes(proxy.against_buffering(path));
    }
    if took > SLOW {
        return Finding::warning(Check::FirstByte, format!("it came {:.1} s after the request", took.as_secs_f64()))
            .change("is the way slow, or the machine of the proxy or the daemon busy?");
    }
    Finding::ok(Check::FirstByte, format!("it came {} ms after the request", took.as_millis().max(1)))
}
