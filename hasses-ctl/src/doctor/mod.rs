//! `doctor`: a public URL looked at from outside as a browser does, and, where its control can be reached, the daemon behind it.
//!
//! [`examine`] goes from the outside in: name, connection, TLS, answer, stream, daemon. Each file judges one thing, by a pure
//! function where it can be one, and knows the words for what is wrong and what to change.

mod answer;
mod arrival;
mod chain;
mod clock;
mod cors;
mod daemon;
mod descriptors;
mod events;
mod finding;
mod handshake;
mod hop;
mod idle;
mod later;
mod line;
mod origin;
mod probe;
mod proxy;
mod reach;
mod report;
mod sources;
mod visit;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use hasses_client::blocking::Client;
use hasses_client::web::{Scheme, Trust, Url};

pub(crate) use cors::Cookies;
pub(crate) use daemon::Sought;
pub(crate) use origin::Origin;
pub(crate) use report::Report;

use crate::failure::Failure;
use crate::output::End;
use chain::Asked;
use daemon::Daemon;
use descriptors::Descriptors;
use finding::{Check, Finding};
use line::{Line, Packing};
use visit::Next;

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Time for a proxy to answer while the daemon is down: nginx gives up on a dead backend at once, others within seconds.
const DOWN_PATIENCE: Duration = Duration::from_secs(10);

/// What is to be looked at.
#[derive(Debug)]
pub(crate) struct Order {
    /// Where browsers subscribe.
    pub(crate) url: Url,
    /// Where the pages come from; `None` is the URL's own origin.
    pub(crate) page: Option<Origin>,
    /// Whether they send cookies.
    pub(crate) cookies: Cookies,
    /// A topic to listen and send to in place of one of its own.
    pub(crate) topic: Option<String>,
    /// Whose certificates are believed.
    pub(crate) trust: Trust,
    /// How long to listen in silence; `None` is as long as it makes sense.
    pub(crate) wait: Option<Duration>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was looked at; the report says what was found.
    Looked,
    /// There is nobody at the URL.
    Unreachable,
}

/// Looks at everything. `connect` finds the daemon's control.
///
/// # Errors
/// Standard output cannot be written, or `connect` says that the command line is wrong.
pub(crate) fn examine(
    order: &Order,
    connect: impl FnOnce() -> Result<Client, Failure>,
    sought: Sought,
    report: &mut Report<'_>,
) -> Result<Outcome, End> {
    let mut connect = Some(connect);
    let mut daemon = None;
    let mut url = order.url.clone();
    for _ in 0..=REDIRECTS {
        let Some(line) = approach(&url, &order.trust, report)? else { return Ok(Outcome::Unreachable) };
        let secure = secure(&line, report)?;
        if let Some(connect) = connect.take() {
            daemon = seek(connect, sought, report)?;
        }
        let next = if secure { visit::visit(order, &line, daemon.as_ref(), report)? } else { Next::Done };
        match next {
            Next::Done => {
                look_at_daemon(daemon.as_ref(), report)?;
                return Ok(Outcome::Looked);
            }
            Next::At(target) => url = target,
        }
    }
    report.add(Finding::wrong(Check::Redirect, "it leads from one place to the next without end"))?;
    Ok(Outcome::Looked)
}

/// Looks at what browsers are told while the daemon is stopped.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn examine_down(order: &Order, report: &mut Report<'_>) -> Result<Outcome, End> {
    let Some(line) = approach(&order.url, &order.trust, report)? else {
        let seen =
            "nobody answers in the place of the daemon: browsers ask again and again, some of them without a pause";
        report.add(Finding::wrong(Check::BackendDown, seen).change("put a proxy in front that answers meanwhile"))?;
        return Ok(Outcome::Unreachable);
    };
    if !secure(&line, report)? {
        return Ok(Outcome::Looked);
    }
    let topic = visit::own_topic();
    let page = visit::stranger_to(order, &line.url);
    let mut probe = match line.subscribe(&[("topic", &topic)], page, Packing::Offered) {
        Ok(probe) => probe,
        Err(error) => {
            report.add(visit::broken(&error))?;
            return Ok(Outcome::Looked);
        }
    };
    let answered = probe.watch(Instant::now() + DOWN_PATIENCE, probe::Seen::answered);
    if answered {
        // A stream that lives says something at once; one that asks to come back ends at once.
        let told = |seen: &probe::Seen| seen.end.is_some() || seen.comments > 0;
        probe.watch(Instant::now() + arrival::FIRST_BYTE, told);
    }
    report.add(later::judge_down(&probe.seen, line.url.path()))?;
    if let (Some((_, head)), Some(page)) = (&probe.seen.head, page)
        && head.is_stream()
    {
        report.add(cors::judge(head, page, order.cookies))?;
    }
    Ok(Outcome::Looked)
}

/// Finds an address that takes connections.
fn approach(url: &Url, trust: &Trust, report: &mut Report<'_>) -> Result<Option<Line>, End> {
    let (finding, addresses) = reach::addresses(url);
    report.add(finding)?;
    if addresses.is_empty() {
        return Ok(None);
    }
    let (finding, reachable) = reach::connect(&addresses);
    report.add(finding)?;
    Ok(reachable.first().map(|&(address, length)| Line::new(url.clone(), address, length, trust.clone())))
}

/// Looks at TLS; gives whether requests can be sent.
fn secure(line: &Line, report: &mut Report<'_>) -> Result<bool, End> {
    if line.url.scheme() == Scheme::Http {
        report.add(handshake::judge_http2(None))?;
        return Ok(true);
    }
    let agreed = match line.tcp().and_then(|tcp| handshake::try_hands(tcp, line.url.host(), &line.trust)) {
        Ok(agreed) => agreed,
        Err(error) => {
            report.add(handshake::failed(&error))?;
            return Ok(false);
        }
    };
    if let Some(presented) = &agreed.presented {
        let asked = Asked { host: line.url.host(), no_roots: line.trust.roots().is_empty() };
        report.add(chain::judge(presented, asked, SystemTime::now()))?;
    }
    report.add(handshake::judge_version(&agreed))?;
    report.add(handshake::judge_http2(Some(&agreed)))?;
    Ok(true)
}

fn seek(
    connect: impl FnOnce() -> Result<Client, Failure>,
    sought: Sought,
    report: &mut Report<'_>,
) -> Result<Option<Daemon>, End> {
    match connect() {
        Ok(client) => match Daemon::ask(client) {
            Ok(daemon) => {
                report.add(daemon::found(&daemon))?;
                Ok(Some(daemon))
            }
            Err(error) => report.add(daemon::lost(Check::Control, &error)).map(|()| None),
        },
        Err(failure) if failure.is_usage() => Err(failure.into()),
        Err(failure) => report.add(daemon::missing(&failure, sought)).map(|()| None),
    }
}

/// Looks at what does not depend on the URL.
fn look_at_daemon(daemon: Option<&Daemon>, report: &mut Report<'_>) -> Result<(), End> {
    let Some(daemon) = daemon else { return Ok(()) };
    let status = match daemon.status_now() {
        Ok(status) => status,
        Err(error) => return report.add(daemon::lost(Check::Descriptors, &error)),
    };
    report.add(descriptors::judge(&status, Descriptors::of(status.pid, Path::new("/proc"))))?;
    sources::judge(&status.sources).into_iter().try_for_each(|finding| report.add(finding))
}
