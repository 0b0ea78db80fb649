//! What the head of the answer says: whether this is an event stream that a browser would take, and what was done to it on the
//! way.

use hasses_client::StatusReport;
use hasses_client::web::Head;

use super::finding::{Check, Finding};
use super::proxy::Proxy;

/// Judges status and type. `text` is the beginning of the body, `path` that of the URL, `daemon` what the daemon says of itself
/// where it can be asked.
pub(crate) fn judge_status(head: &Head, text: &str, path: &str, daemon: Option<&StatusReport>) -> Finding {
    let status = head.status_text();
    if head.is_stream() {
        return Finding::ok(Check::Answer, "200 with an event stream");
    }
    let says = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
    let says = says.map(|line| format!(" (it says: {line})")).unwrap_or_default();
    let wrong = |seen: String| Finding::wrong(Check::Answer, seen);
    let listens = daemon.map(|daemon| daemon.listen.join(" and "));
    match head.status {
        200 => {
            let kind = head.first("content-type").unwrap_or("none");
            wrong(format!(
                "200, but the content is of type {kind:?} and no event stream: this is not the daemon's answer"
            ))
            .change(format!(
                "the request ends up elsewhere: does the proxy have a location for exactly {path}, that leads to the \
                 daemon?"
            ))
            .changes(listens.map(|at| format!("the daemon listens at {at}")))
        }
        204 => wrong("204 No Content, by which a browser gives up for good".to_owned())
            .change("nothing in hasses answers so: something in front does"),
        401 | 403 | 407 => wrong(format!("{status}{says}: who asks has to show who they are"))
            .change("EventSource sends cookies and nothing else: let in by a cookie, or by a token in the query")
            .change("for this check put the token into the URL; it stays there beside the topic"),
        404 => wrong(format!("{status}{says}: nothing is at {path}"))
            .change(
                "the path has to be the daemon's --path (/sse unless told otherwise), and the proxy must not change \
                 it:",
            )
            .change("  proxy_pass http://127.0.0.1:8080;      # nginx, without a path behind the port")
            .changes(listens.map(|at| format!("the daemon listens at {at}"))),
        429 => wrong(format!(
            "{status}{says}: something limits how often may be asked, and a browser gives up for good"
        ))
        .change(
            "take this path out of the limit (nginx: limit_req, limit_conn); the daemon has its own limits, after \
             which browsers come back",
        ),
        500 | 502..=504 => unreachable_backend(head, &status, path, daemon),
        _ => wrong(format!("{status}{says}; a browser gives up for good after any status but 200"))
            .change("the log of the proxy and of the daemon (--log-level debug) say more"),
    }
}

/// What a proxy says when it does not get an answer from the daemon.
fn unreachable_backend(head: &Head, status: &str, path: &str, daemon: Option<&StatusReport>) -> Finding {
    let seen = format!(
        "{status}: the proxy answers in the place of the daemon, which it does not reach; every browser that gets \
         this gives up for good and shows no events until its page is loaded again"
    );
    let finding = Finding::wrong(Check::Answer, seen);
    let finding = match daemon {
        Some(daemon) => finding.change(format!(
            "the daemon itself is up and listens at {}: does the proxy send its requests there?",
            daemon.listen.join(" and ")
        )),
        None => finding.change(
            "does the daemon run (hasses-ctl ping, systemctl status hasses), and is it where the proxy looks for it?",
        ),
    };
    finding.changes(Proxy::of(head).for_coming_back(path))
}

/// Judges the version of HTTP and the framing of the body.
pub(crate) fn judge_http(head: &Head, path: &str) -> Finding {
    if head.minor == 0 {
        return Finding::wrong(
            Check::Http,
            "the answer is HTTP/1.0: without chunks, the end of a stream cannot be told from a fault",
        )
        .change("let what answers there speak HTTP/1.1 (Apache: no downgrade-1.0 or force-response-1.0)");
    }
    if let Some(length) = head.first("content-length") {
        return Finding::wrong(
            Check::Http,
            format!("the stream has a length ({length} bytes): something collected all of it before it passed it on"),
        )
        .changes(Proxy::of(head).against_buffering(path));
    }
    if head.lists("transfer-encoding", "chunked") {
        return Finding::ok(Check::Http, "HTTP/1.1 in chunks");
    }
    Finding::warning(Check::Http, "HTTP/1.1 without chunks: the end of the stream cannot be told from a fault")
        .change("let the proxy send chunks (nginx: no `chunked_transfer_encoding off`)")
}

/// Whether the body is compressed.
pub(crate) fn is_compressed(head: &Head) -> bool {
    encoding(head).is_some()
}

fn encoding(head: &Head) -> Option<&str> {
    head.first("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
}

/// Judges whether it is compressed; the offer was made.
pub(crate) fn judge_compression(head: &Head, path: &str) -> Finding {
    match encoding(head) {
        None => Finding::ok(Check::Compression, "not compressed, though it was offered as browsers do"),
        Some(encoding) => {
            let seen = format!(
                "the stream is compressed ({encoding}): events can stick in the compressor, and each connection \
                 costs it memory"
            );
            Finding::wrong(Check::Compression, seen).changes(Proxy::of(head).against_compression(path))
        }
    }
}

/// Judges whether a cache could keep it, or did.
pub(crate) fn judge_caching(head: &Head) -> Finding {
    let aged = head.first("age").and_then(|age| age.trim().parse::<u64>().ok()).filter(|age| *age > 0);
    let hit = ["x-cache", "cf-cache-status", "x-cache-status"].iter().find_map(|name| {
        head.first(name).filter(|value| value.to_ascii_uppercase().contains("HIT")).map(|value| (name, value))
    });
    let kept = aged.map(|age| format!("Age: {age}")).or(hit.map(|(name, value)| format!("{name}: {value}")));
    if let Some(kept) = kept {
        return Finding::wrong(
            Check::Caching,
            format!("the answer comes out of a cache ({kept}), not from the daemon"),
        )
        .change("take this path out of the cache (nginx: proxy_cache off; a CDN: a rule to bypass it)");
    }
    if ["no-cache", "no-store"].iter().any(|word| head.lists("cache-control", word)) {
        return Finding::ok(Check::Caching, "caches are told to keep their hands off");
    }
    let says = head
        .first("cache-control")
        .map_or("there is no Cache-Control".to_owned(), |value| format!("Cache-Control is {value:?}"));
    Finding::warning(Check::Caching, format!("{says}, where the daemon says no-cache: a cache may keep the stream"))
        .change("let the proxy leave that header alone (nginx: no `expires`, no `proxy_hide_header Cache-Control`)")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const STREAM: (&str, &str) = ("Content-Type", "text/event-stream; charset=utf-8");

    #[test]
    fn a_status_says_what_a_browser_makes_of_it() {
        let html = ("Content-Type", "text/html");
        let nginx = ("Server", "nginx/1.22.1");
        for (status, header, text, verdict, part, change) in [
            (200, STREAM, "", Verdict::Ok, "200 with an event stream", ""),
            (200, html, "<html>", Verdict::Wrong, "\"text/html\"", "a location for exactly /sse"),
            (204, html, "", Verdict::Wrong, "204", "something in front"),
            (403, html, "no cookie", Verdict::Wrong, "403 Forbidden (it says: no cookie)", "by a cookie"),
            (404, html, "<html>\n", Verdict::Wrong, "404 Not Found: nothing is at /sse", "--path"),
            (429, html, "", Verdict::Wrong, "limits how often", "limit_req"),
            (
                502,
                nginx,
                "<html>",
                Verdict::Wrong,
                "502 Bad Gateway: the proxy answers in the place",
                "error_page 500 502 503 504 = @hasses_later;",
            ),
            (504, html, "", Verdict::Wrong, "504 Gateway Timeout", "in HAProxy below"),
            (418, html, "", Verdict::Wrong, "gives up for good", "log"),
        ] {
            let finding = judge_status(&Head::new(status, &[header]), text, "/sse", None);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
            assert!(finding.change.join("\n").contains(change), "{finding:?}");
        }
    }

    #[test]
    fn a_daemon_that_is_up_is_said_to_be() {
        let daemon = StatusReport { listen: vec!["http://127.0.0.1:8090/sse".into()], ..StatusReport::default() };
        for status in [200, 404, 502] {
            let finding = judge_status(&Head::new(status, &[]), "", "/sse", Some(&daemon));
            assert!(finding.change.iter().any(|line| line.contains("http://127.0.0.1:8090/sse")), "{finding:?}");
        }
    }

    #[test]
    fn framing_compression_and_caching_are_judged_by_the_head() {
        let chunked = ("Transfer-Encoding", "chunked");
        type Judge = fn(&Head) -> Finding;
        let compression: Judge = |head| judge_compression(head, "/sse");
        let http: Judge = |head| judge_http(head, "/sse");
        for (judge, header, verdict) in [
            (http, chunked, Verdict::Ok),
            (http, ("Content-Length", "100"), Verdict::Wrong),
            (http, STREAM, Verdict::Warning),
            (compression, STREAM, Verdict::Ok),
            (compression, ("Content-Encoding", "identity"), Verdict::Ok),
            (compression, ("Content-Encoding", "gzip"), Verdict::Wrong),
            (judge_caching, ("Cache-Control", "no-cache, no-transform"), Verdict::Ok),
            (judge_caching, ("Cache-Control", "max-age=0, no-store"), Verdict::Ok),
            (judge_caching, ("Cache-Control", "max-age=3600"), Verdict::Warning),
            (judge_caching, STREAM, Verdict::Warning),
            (judge_caching, ("Age", "12"), Verdict::Wrong),
            (judge_caching, ("X-Cache", "HIT from x"), Verdict::Wrong),
        ] {
            let finding = judge(&Head::new(200, &[header]));
            assert_eq!(finding.verdict, verdict, "{header:?}: {finding:?}");
        }
        let mut old = Head::new(200, &[]);
        old.minor = 0;
        assert_eq!(http(&old).verdict, Verdict::Wrong);
    }
}
