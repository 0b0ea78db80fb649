//! "Come back later": a stream that only sets a reconnection time and ends. After any other refusal a browser never returns.

use std::time::Duration;

use hasses_client::StatusReport;
use hasses_client::web::Ending;

use super::finding::{Check, Finding};
use super::probe::{End, Seen};
use super::proxy::Proxy;
use crate::quantity::count;

/// Whether this is it.
pub(crate) fn is_later(seen: &Seen) -> bool {
    let whole = matches!(seen.end, Some((_, End::Closed(Ending::Proper | Ending::Closed))));
    let head = seen.head.as_ref().is_some_and(|(_, head)| head.is_stream());
    head && whole && seen.retry.is_some() && seen.comments == 0 && seen.events.is_empty()
}

/// Judges it where a stream was wanted. `before` and `after` are what the daemon said of itself, where it can be asked.
pub(crate) fn judge_full(
    seen: &Seen,
    path: &str,
    before: Option<&StatusReport>,
    after: Option<&StatusReport>,
) -> Finding {
    let retry = pause(seen.retry);
    let wrong = |why: String| {
        Finding::wrong(Check::Answer, format!("browsers are told to come back in {retry}, and nothing else: {why}"))
    };
    let (Some(before), Some(after)) = (before, after) else {
        return wrong("the daemon has no room left, or a proxy says so in its place while it is down".to_owned())
            .change("does the daemon run, and reach its limits? `hasses-ctl status` says it");
    };
    let limit = |name: &str| after.limits.get(name).copied().unwrap_or(0);
    if after.refused_by_address_total > before.refused_by_address_total {
        let most = count(limit("max-subscribers-per-address"));
        return wrong(format!("this address has as many subscribers as it may have ({most})")).change(
            "raise --max-subscribers-per-address; behind a proxy that is not trusted (--trusted-proxy) all clients \
             share its address",
        );
    }
    if after.refused_total > before.refused_total {
        let (there, room) = (count(after.subscribers), count(limit("max-subscribers")));
        return wrong(format!("the daemon has no room left ({there} of {room} subscribers)")).change(
            "raise --max-subscribers where it is set, else the daemon's limit of descriptors (LimitNOFILE=, ulimit -n)",
        );
    }
    let listen = after.listen.join(" and ");
    wrong("the daemon runs and has room, so a proxy says this in its place, as it does not reach it".to_owned())
        .change(format!("the daemon listens at {listen}: does the proxy send {path} there?"))
}

/// Judges what browsers get while the daemon is stopped.
pub(crate) fn judge_down(seen: &Seen, path: &str) -> Finding {
    let wrong = |seen: String| Finding::wrong(Check::BackendDown, seen);
    let Some((_, head)) = &seen.head else {
        let what = match &seen.end {
            Some(_) => {
                "the connection is closed without an answer: browsers ask again at once, some of them without a pause"
            }
            None => "nothing is answered: browsers wait, and see nothing",
        };
        return wrong(what.to_owned()).changes(Proxy::Unknown.for_coming_back(path));
    };
    let proxy = Proxy::of(head);
    if let Some(target) = head.location() {
        return wrong(format!("{} to {target} before the daemon is asked at all", head.status_text()))
            .change("run this with that URL");
    }
    if !head.is_stream() {
        let kind = if head.status == 200 { " that is no event stream" } else { "" };
        return wrong(format!("{}{kind}: every browser that comes meanwhile gives up for good", head.status_text()))
            .changes(proxy.for_coming_back(path));
    }
    if seen.comments > 0 || !seen.events.is_empty() {
        return wrong("a stream begins, so the daemon is not stopped, and nothing can be said".to_owned())
            .change("stop the daemon first: systemctl stop hasses");
    }
    match (&seen.end, seen.retry) {
        (None, _) => wrong(
            "the stream stays open and silent: browsers wait on it, and do not notice that the daemon is back"
                .to_owned(),
        )
        .changes(proxy.for_coming_back(path)),
        (Some(_), Some(_)) => Finding::ok(
            Check::BackendDown,
            format!("200 and a stream that ends: browsers come back in {}", pause(seen.retry)),
        ),
        (Some(_), None) => Finding::warning(
            Check::BackendDown,
            "200 and a stream that ends without saying when to come back: all browsers return after some seconds of \
             their own",
        )
        .change("let the body be `retry: 5000` and an empty line"),
    }
}

fn pause(retry: Option<Duration>) -> String {
    retry.map_or_else(|| "some seconds".to_owned(), |retry| format!("{:.1} s", retry.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use hasses_client::web::Head;

    use super::super::finding::Verdict;
    use super::*;

    const STREAM: (&str, &str) = ("Content-Type", "text/event-stream");

    const PROPER: Option<Ending> = Some(Ending::Proper);

    fn seen(status: u16, body: &str, end: Option<Ending>) -> Seen {
        Seen::of(Head::new(status, &[STREAM]), body, end)
    }

    #[test]
    fn it_is_known_by_saying_nothing_else() {
        for (seen, expected) in [
            (seen(200, "retry: 5000\n\n", PROPER), true),
            (seen(200, "retry: 5000\n\n", Some(Ending::Closed)), true),
            (seen(200, ":\nretry: 5000\n\n", PROPER), false),
            (seen(200, "retry: 5000\ndata: x\n\n", PROPER), false),
            (seen(200, "retry: 5000\n\n", None), false),
            (seen(200, "retry: 5000\n\n", Some(Ending::Cut)), false),
            (seen(200, "", PROPER), false),
            (seen(503, "retry: 5000\n\n", PROPER), false),
            (Seen::of(Head::new(200, &[]), "retry: 5000\n\n", PROPER), false),
            (Seen::default(), false),
        ] {
            assert_eq!(is_later(&seen), expected);
        }
    }

    #[test]
    fn who_says_it_is_found_by_the_daemons_counters() {
        let seen = seen(200, "retry: 7250\n\n", PROPER);
        let limits: std::collections::BTreeMap<_, _> =
            [("max-subscribers".to_owned(), 10), ("max-subscribers-per-address".to_owned(), 3)].into();
        let before =
            StatusReport { limits, subscribers: 10, listen: vec!["http://h/sse".into()], ..StatusReport::default() };
        let full = StatusReport { refused_total: 1, ..before.clone() };
        let address = StatusReport { refused_by_address_total: 1, ..full.clone() };
        for (after, part) in [
            (Some(&full), "in 7.2 s, and nothing else: the daemon has no room left (10 of 10 subscribers)"),
            (Some(&address), "as it may have (3)"),
            (Some(&before), "a proxy says this in its place"),
            (None, "or a proxy"),
        ] {
            let finding = judge_full(&seen, "/sse", Some(&before), after);
            assert_eq!(finding.verdict, Verdict::Wrong);
            assert!(finding.seen.contains(part), "{finding:?}");
        }
    }

    #[test]
    fn what_browsers_are_told_meanwhile_is_judged() {
        let elsewhere = Seen::of(Head::new(301, &[("Location", "/x")]), "", PROPER);
        let mut silent = Seen::default();
        silent.end = Some((Instant::now(), End::Closed(Ending::Cut)));
        for (seen, verdict, part) in [
            (seen(200, "retry: 5000\n\n", PROPER), Verdict::Ok, "come back in 5.0 s"),
            (seen(200, "\n", PROPER), Verdict::Warning, "without saying when"),
            (seen(200, "", None), Verdict::Wrong, "open and silent"),
            (seen(200, ":\n", None), Verdict::Wrong, "not stopped"),
            (seen(502, "", PROPER), Verdict::Wrong, "502 Bad Gateway: every browser"),
            (Seen::of(Head::new(200, &[]), "", PROPER), Verdict::Wrong, "no event stream"),
            (elsewhere, Verdict::Wrong, "to /x before"),
            (silent, Verdict::Wrong, "closed without an answer"),
            (Seen::default(), Verdict::Wrong, "nothing is answered"),
        ] {
            let finding = judge_down(&seen, "/sse");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
        }
    }
}
