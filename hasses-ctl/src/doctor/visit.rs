//! The visit itself: one subscription as a page makes it, and everything that can be told by it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use hasses_client::web::{Head, Scheme, Url};

use super::arrival::{self, FIRST_BYTE, Held, PATIENCE};
use super::daemon::{self, DEFAULT_HEARTBEAT, Daemon};
use super::events::{self, Topic};
use super::finding::{Check, Finding};
use super::idle::{self, Heartbeat};
use super::line::{Line, Packing};
use super::origin::Origin;
use super::probe::{Probe, Seen};
use super::proxy::Proxy;
use super::report::Report;
use super::{Order, answer, clock, cors, hop, later};
use crate::output::End;

/// Time for what an answer that is no stream says, and for the head of answers that are asked for beside the stream.
const SAYS: Duration = Duration::from_secs(1);
/// How long to listen in silence, where the daemon's heartbeat does not ask for more, and the most that it may ask for.
const WAIT: Duration = Duration::from_secs(20);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Where to go on.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nowhere.
    Done,
    /// The URL leads there.
    At(Url),
}

/// A topic that nobody else listens to.
pub(crate) fn own_topic() -> String {
    format!("hasses-doctor/{}", word())
}

fn word() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(16).collect()
}

/// The page's origin where it is not the URL's own, and CORS decides.
pub(crate) fn stranger_to<'a>(order: &'a Order, url: &Url) -> Option<&'a Origin> {
    order.page.as_ref().filter(|page| **page != Origin::of(url))
}

/// Says that a request broke off.
pub(crate) fn broken(error: &io::Error) -> Finding {
    Finding::wrong(Check::Answer, format!("the request could not be sent: {error}"))
        .change("the log of the server says why")
}

/// What the steps of a visit share.
pub(crate) struct Visit<'a> {
    /// What is to be looked at.
    pub(crate) order: &'a Order,
    /// The way there.
    pub(crate) line: &'a Line,
    /// The daemon behind it.
    pub(crate) daemon: Option<&'a Daemon>,
    /// What is subscribed to.
    pub(crate) topic: String,
    /// Whether others do so too.
    pub(crate) whose: Topic,
    /// The id of the subscription, by which the daemon knows it.
    pub(crate) id: String,
}

/// Visits the URL as a page does.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn visit(order: &Order, line: &Line, daemon: Option<&Daemon>, report: &mut Report<'_>) -> Result<Next, End> {
    let (topic, whose) = match &order.topic {
        Some(topic) => (topic.clone(), Topic::Shared),
        None => (own_topic(), Topic::Own),
    };
    let mut visit = Visit { order, line, daemon, topic, whose, id: word() };
    let mut probe = match visit.subscribe(Packing::Offered) {
        Ok(probe) => probe,
        Err(error) => return report.add(broken(&error)).map(|()| Next::Done),
    };
    let held = visit.await_head(&mut probe, report)?;
    let Some((came, head)) = probe.seen.head.clone() else { return Ok(Next::Done) };
    let came = SystemTime::now() - came.elapsed();
    if let Some(location) = head.location() {
        return visit.redirected(&head, location, report);
    }
    if !visit.judge_head(&mut probe, &head, report)? {
        return Ok(Next::Done);
    }
    if answer::is_compressed(&head) && held == Held::No {
        // Out of a compressed stream nothing can be read here; what else may be wrong with it is seen without.
        visit.id = word();
        match visit.subscribe(Packing::Declined) {
            Ok(plain) => probe = plain,
            Err(error) => return report.add(broken(&error)).map(|()| Next::Done),
        }
        probe.watch(Instant::now() + PATIENCE, Seen::answered);
    }
    let proxy = Proxy::of(&head);
    if held == Held::No {
        probe.watch(Instant::now() + FIRST_BYTE, |seen| seen.first.is_some() || seen.end.is_some());
        report.add(arrival::judge_first_byte(&probe, proxy, line.url.path()))?;
    }
    let ahead = visit.look_through_control(&mut probe, proxy, held, report)?;
    visit.judge_cors(&head, held, report)?;
    report.add(match held {
        Held::No => clock::judge(head.first("date"), came, ahead),
        Held::Back => Finding::skipped(Check::Clock, "the answer came too late to tell the time by it"),
    })?;
    visit.judge_idle(&mut probe, proxy, held, report)?;
    Ok(Next::Done)
}

impl Visit<'_> {
    fn subscribe(&self, packing: Packing) -> io::Result<Probe> {
        self.line.subscribe(&self.fields(), stranger_to(self.order, &self.line.url), packing)
    }

    fn fields(&self) -> [(&str, &str); 2] {
        [("topic", &self.topic), ("id", &self.id)]
    }

    fn redirected(&self, head: &Head, location: &str, report: &mut Report<'_>) -> Result<Next, End> {
        let target = match self.line.url.join(location) {
            Ok(target) => target,
            Err(error) => {
                let finding =
                    Finding::wrong(Check::Redirect, format!("{} to a place that is none: {error}", head.status_text()));
                return report.add(finding).map(|()| Next::Done);
            }
        };
        // The fields of this check would be sent twice.
        let shown = target.without_fields(self.fields());
        let seen = format!("{} to {shown}", head.status_text());
        let finding = if self.line.url.scheme() == Scheme::Https && target.scheme() == Scheme::Http {
            Finding::wrong(Check::Redirect, format!("{seen}: out of TLS, where browsers do not follow"))
                .change("let it lead to https://, or answer here")
        } else {
            Finding::warning(Check::Redirect, format!("{seen}: every browser that comes back has to ask twice"))
                .change(format!("let pages use that URL at once: new EventSource(\"{shown}\")"))
        };
        report.add(finding)?;
        if let Some(page) = stranger_to(self.order, &self.line.url) {
            report.add(cors::judge(head, page, self.order.cookies))?;
        }
        Ok(Next::At(shown))
    }

    /// Judges the head; gives whether a stream follows that is worth looking at.
    fn judge_head(&self, probe: &mut Probe, head: &Head, report: &mut Report<'_>) -> Result<bool, End> {
        let path = self.line.url.path();
        let status = self.daemon.map(|daemon| &daemon.status);
        // What is no stream says why, and what asks to come back later ends at once.
        let begun = |seen: &Seen| seen.end.is_some() || (head.is_stream() && seen.first.is_some());
        probe.watch(Instant::now() + SAYS, begun);
        if head.is_stream() && probe.seen.retry.is_some() {
            probe.watch(Instant::now() + SAYS, |seen| {
                seen.end.is_some() || seen.comments > 0 || !seen.events.is_empty()
            });
        }
        if later::is_later(&probe.seen) {
            let after = self.daemon.and_then(|daemon| daemon.status_now().ok());
            report.add(later::judge_full(&probe.seen, path, status, after.as_ref()))?;
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&probe.seen.text).into_owned();
        report.add(answer::judge_status(head, &text, path, status))?;
        if !head.is_stream() {
            return Ok(false);
        }
        report.add(answer::judge_http(head, path))?;
        report.add(answer::judge_compression(head, path))?;
        report.add(answer::judge_caching(head))?;
        Ok(true)
    }

    /// What only the daemon knows; gives the milliseconds by which its ids are ahead.
    fn look_through_control(
        &self,
        probe: &mut Probe,
        proxy: Proxy,
        held: Held,
        report: &mut Report<'_>,
    ) -> Result<Option<i64>, End> {
        let Some(daemon) = self.daemon else { return Ok(None) };
        let client = match daemon.find(&self.topic, &self.id) {
            Ok(Some(client)) => client,
            Ok(None) if probe.seen.end.is_some() => {
                return report
                    .add(Finding::skipped(Check::Events, "the stream ended before any could be sent"))
                    .map(|()| None);
            }
            Ok(None) => return report.add(daemon::another(daemon)).map(|()| None),
            Err(error) => return report.add(daemon::lost(Check::Proxy, &error)).map(|()| None),
        };
        let server: SocketAddr = self.line.address;
        report.add(hop::judge_proxy(&client, probe.from, proxy))?;
        report.add(hop::judge_address(&client, probe.from, server.ip(), proxy))?;
        if held == Held::Back {
            return report.add(Finding::skipped(Check::Events, "they are held back as the answer is")).map(|()| None);
        }
        report.progress(Check::Events, "sending some");
        match events::measure(probe, daemon, &self.topic, self.whose) {
            Ok(measured) => {
                report.add(events::judge(&measured, self.line.length, proxy, self.line.url.path()))?;
                Ok(measured.ahead)
            }
            Err(error) => report.add(daemon::lost(Check::Events, &error)).map(|()| None),
        }
    }

    fn judge_cors(&self, head: &Head, held: Held, report: &mut Report<'_>) -> Result<(), End> {
        if let Some(page) = stranger_to(self.order, &self.line.url) {
            report.add(cors::judge(head, page, self.order.cookies))?;
            let answered = self.line.preflight(page).ok().and_then(head_of);
            return report.add(match answered {
                Some(head) => cors::judge_preflight(&head, page, self.order.cookies),
                None => Finding::warning(
                    Check::Preflight,
                    "a preflight (OPTIONS) gets no answer; EventSource needs none, clients that use fetch do",
                )
                .change("let OPTIONS through to the daemon, which answers it"),
            });
        }
        let own = Origin::of(&self.line.url);
        if self.order.page.is_some() {
            return report.add(Finding::ok(
                Check::Cors,
                format!("pages of {own} come from the same origin, and need no permission"),
            ));
        }
        let stranger = Origin::stranger();
        // Of what is held back the head does not come either.
        let answered = (held == Held::No).then(|| {
            let fields = [("topic", self.topic.as_str())];
            self.line.subscribe(&fields, Some(&stranger), Packing::Declined).ok().and_then(head_of)
        });
        report.add(match answered.flatten() {
            Some(head) => cors::tell(&head, &own, &stranger),
            None => Finding::skipped(
                Check::Cors,
                "whether pages of other origins may read it was not told; --origin checks one",
            ),
        })
    }

    fn judge_idle(&self, probe: &mut Probe, proxy: Proxy, held: Held, report: &mut Report<'_>) -> Result<(), End> {
        let heartbeat = match self.daemon {
            Some(daemon) => Heartbeat { interval: daemon.heartbeat(), certain: true },
            None => Heartbeat { interval: DEFAULT_HEARTBEAT, certain: false },
        };
        let enough = (heartbeat.interval + Duration::from_secs(5)).clamp(WAIT, LONGEST_WAIT);
        let wait = self.order.wait.unwrap_or(enough);
        let skipped = |why: &str| Finding::skipped(Check::Idle, why.to_owned());
        if wait.is_zero() {
            return report.add(skipped("nothing was waited for (--wait 0)"));
        }
        if held == Held::Back {
            return report.add(skipped("heartbeats are held back as the answer is"));
        }
        if probe.seen.end.is_some() {
            return report.add(
                Finding::wrong(Check::Idle, "the stream has ended already").change("the log of the proxy says why"),
            );
        }
        report.progress(Check::Idle, &format!("listening for {} s", wait.as_secs()));
        let listened = idle::listen(probe, wait);
        report.add(idle::judge(listened, heartbeat, proxy, self.line.url.path()))
    }
}

/// The head of an answer that is of no further interest.
fn head_of(mut probe: Probe) -> Option<Head> {
    probe.watch(Instant::now() + 2 * SAYS, Seen::answered);
    probe.seen.head.take().map(|(_, head)| head)
}
