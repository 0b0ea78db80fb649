//! `doctor` against sites that do one thing wrong each.

use std::collections::BTreeMap;
use std::net::TcpListener;

use hasses_client::wire::StatusReport;
use serde_json::Value;

use crate::certificates::{Authorities, Fault};
use crate::program::run;
use crate::site::{After, EVERYBODY, Manner, STREAM, Site, Stuck};

/// What was found, by check; the first where there are several.
struct Diagnosis {
    code: i32,
    findings: BTreeMap<String, (String, String)>,
}

impl Diagnosis {
    fn verdict(&self, check: &str) -> &str {
        self.findings.get(check).map_or("none", |(verdict, _)| verdict)
    }

    /// The checks of this verdict.
    fn all(&self, verdict: &str) -> Vec<&str> {
        self.findings.iter().filter(|(_, found)| found.0 == verdict).map(|(check, _)| check.as_str()).collect()
    }

    #[track_caller]
    fn expect(&self, check: &str, verdict: &str, part: &str) {
        let (found, text) = self.findings.get(check).unwrap_or_else(|| panic!("no {check} in {:?}", self.findings));
        assert!(found == verdict && text.contains(part), "{check}: {verdict} {part:?}, and there is {found} {text:?}");
    }
}

/// Looks at a URL; the words come behind it.
fn doctor(url: &str, words: &[&str]) -> Diagnosis {
    let run = run(&[&["doctor", url, "--json"], words].concat());
    assert_eq!(run.err, "");
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out));
    assert_eq!(answer["ok"], run.code == 0, "{answer}");
    let mut findings = BTreeMap::new();
    for finding in answer["findings"].as_array().unwrap() {
        let text = |field: &str| finding[field].as_str().unwrap().to_owned();
        let change = finding["change"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let said = change.fold(text("seen"), |said, line| said + "\n" + line);
        findings.entry(text("check")).or_insert((text("verdict"), said));
    }
    Diagnosis { code: run.code, findings }
}

/// Looks at a site with its control, not waiting long.
fn look(manner: Manner, words: &[&str]) -> Diagnosis {
    let site = Site::open(manner);
    doctor(&site.url, &[&["--control", &site.daemon.url, "--wait", "1"], words].concat())
}

/// Does the same with every row, at the same time: each takes some seconds of waiting.
fn each<T: Send>(rows: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| rows.into_iter().for_each(|row| drop(scope.spawn(|| check(row)))));
}

#[test]
fn a_site_that_is_right_has_nothing_wrong() {
    let found = look(Manner::right(), &[]);
    assert_eq!((found.code, found.all("wrong")), (0, vec![]), "{:?}", found.findings);
    assert_eq!((found.all("warning"), found.all("skipped")), (vec!["http2"], vec![]), "{:?}", found.findings);
    for (check, part) in [
        ("answer", "200 with an event stream"),
        ("proxy", "none that speaks HTTP: the daemon itself answers"),
        ("address", "the client's own address"),
        ("events", "5 events, 300 ms apart, arrived one by one"),
        ("idle", "1 s without an event, and the stream is still there"),
        ("clock", "the clocks of server, daemon and this machine agree"),
        ("cors", "any other origin"),
        ("descriptors", "room for 19,616 subscribers"),
        ("sources", "tcp://127.0.0.1:8085 (every process of that machine)"),
    ] {
        found.expect(check, "ok", part);
    }
}

#[test]
fn people_get_a_line_each_and_what_to_change_below() {
    let site = Site::open(Manner { http: Some("1.0"), address: Some("127.0.0.1:9"), ..Manner::right() });
    let run = run(&["doctor", &site.url, "--control", &site.daemon.url, "--wait", "1"]);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    assert!(run.out.starts_with(&format!("{}\n\n  ok       name          the URL says", site.url)), "{}", run.out);
    assert!(run.out.contains("\n  wrong    proxy         the proxy asks the daemon by HTTP/1.0"), "{}", run.out);
    assert!(run.out.contains("\n                             proxy_http_version 1.1;\n"), "{}", run.out);
    assert!(run.out.ends_with("\n\n1 wrong, 2 warnings, 14 ok\n"), "{}", run.out);
    assert!(run.out.lines().all(|line| line.chars().count() <= 100), "{}", run.out);
}

#[test]
fn what_the_head_says_is_judged() {
    let right = Manner::right;
    let rows = [
        (right().and("Content-Encoding", "gzip"), "compression", "wrong", "gzip off;"),
        (right().header("Cache-Control", Some("max-age=600")), "caching", "warning", "max-age=600"),
        (right().and("Age", "30"), "caching", "wrong", "comes out of a cache"),
        (
            Manner { status: "HTTP/1.0 200 OK", ..right().header("Transfer-Encoding", None) },
            "http",
            "wrong",
            "HTTP/1.0",
        ),
        (right().header("Transfer-Encoding", None), "http", "warning", "without chunks"),
        (right().header("Content-Type", Some("text/html")), "answer", "wrong", "a location for exactly /sse"),
        (right().ending("HTTP/1.1 404 Not Found", "no such path"), "answer", "wrong", "(it says: no such path)"),
        (
            right().ending("HTTP/1.1 502 Bad Gateway", "<html>"),
            "answer",
            "wrong",
            "the daemon itself is up and listens at http://127.0.0.1:8090/sse",
        ),
        (
            right().ending("HTTP/1.1 503 Service Unavailable", ""),
            "answer",
            "wrong",
            "error_page 500 502 503 504 = @hasses_later;",
        ),
        (right().ending("HTTP/1.1 401 Unauthorized", ""), "answer", "wrong", "EventSource sends cookies"),
        (right().ending("HTTP/1.1 200 OK", "retry: 7250\n\n"), "answer", "wrong", "come back in 7.2 s"),
        (Manner { status: "SSH-2.0-OpenSSH_9.2", ..right() }, "answer", "wrong", "not HTTP"),
    ];
    each(rows, |(manner, check, verdict, part)| {
        let found = look(manner, &[]);
        found.expect(check, verdict, part);
        assert_eq!(found.code, i32::from(verdict == "wrong"), "{check}: {:?}", found.findings);
    });
}

#[test]
fn an_answer_that_waits_in_a_buffer_is_pushed_out_and_told() {
    let found = look(Manner { sticks: 20_000, stuck: Stuck::All, ..Manner::right() }, &[]);
    found.expect("first-byte", "wrong", "until 32 KiB of events had been sent behind it");
    found.expect("first-byte", "wrong", "proxy_buffering off;");
    assert_eq!((found.code, found.verdict("answer")), (1, "ok"));
    assert_eq!(found.all("skipped"), ["clock", "cors", "events", "idle"]);
}

#[test]
fn an_answer_that_never_comes_is_told_as_well() {
    let found = look(Manner { sticks: usize::MAX, stuck: Stuck::All, ..Manner::right() }, &[]);
    found.expect("first-byte", "wrong", "not even after 256 KiB");
    assert_eq!((found.code, found.verdict("answer"), found.verdict("descriptors")), (1, "none", "ok"));
}

#[test]
fn without_control_it_is_said_what_was_not_checked() {
    let site = Site::open(Manner { sticks: usize::MAX, stuck: Stuck::All, ..Manner::right() });
    let words = ["--control", "unix:///nonexistent/control.sock", "--wait", "0"];
    let found = doctor(&site.url, &words);
    // Named, and not there.
    found.expect("control", "wrong", "not checked: whether events pass one by one");
    found.expect("answer", "wrong", "a proxy holds it back (buffering), or waits in vain for a daemon");
    assert_eq!(found.code, 1);
}

#[test]
fn events_that_wait_in_a_buffer_are_told() {
    let (four, all) = (330, 20_000);
    let rows = [(four, "arrived together"), (all, "none arrived until 32 KiB more had been sent")];
    each(rows, |(sticks, part)| {
        let found = look(Manner { sticks, after: After::Stream(60_000), ..Manner::right() }, &[]);
        found.expect("first-byte", "wrong", "the head came, but not the first byte behind it");
        found.expect("events", "wrong", part);
        assert_eq!(found.code, 1);
    });
}

#[test]
fn a_stream_that_does_not_survive_silence_is_told() {
    // Long enough for the five events, and shorter than what is waited for.
    let site = Site::open(Manner { after: After::Cut(3_000), ..Manner::right() });
    let found = doctor(&site.url, &["--control", &site.daemon.url, "--wait", "10"]);
    found.expect("events", "ok", "one by one");
    found.expect("idle", "wrong", "the stream was cut after");
    found.expect("idle", "wrong", "proxy_read_timeout 60s;");
    let found = look(Manner { after: After::Stream(60_000), ..Manner::right() }, &[]);
    found.expect("idle", "wrong", "no heartbeat came");
}

#[test]
fn what_the_daemon_sees_and_says_is_judged() {
    let report = |change: fn(&mut StatusReport)| {
        let mut manner = Manner::right();
        change(&mut manner.report);
        manner
    };
    let rows = [
        (
            Manner { http: Some("1.0"), address: Some("127.0.0.1:9"), ..Manner::right() },
            "proxy",
            "wrong",
            "proxy_http_version 1.1;",
        ),
        (Manner { address: Some("127.0.0.1:9"), ..Manner::right() }, "proxy", "ok", "by HTTP/1.1"),
        (Manner { address: Some("127.0.0.1:9"), ..Manner::right() }, "address", "warning", "--trusted-proxy 127.0.0.1"),
        (Manner { address: Some("unix"), ..Manner::right() }, "address", "warning", "--trusted-proxy unix"),
        (Manner { ahead: 3_600_000, ..Manner::right() }, "clock", "warning", "1h 0m ahead"),
        (Manner::right().header("Date", Some("Mon, 23 Nov 2020 22:02:38 GMT")), "clock", "ok", "agree"),
        (report(|status| status.accept_pauses_total = 3), "descriptors", "warning", "LimitNOFILE"),
        (
            report(|status| status.sources = vec!["tcp://0.0.0.0:8085".into()]),
            "sources",
            "warning",
            "asks nobody who they are",
        ),
    ];
    each(rows, |(manner, check, verdict, part)| {
        let found = look(manner, &[]);
        found.expect(check, verdict, part);
        assert_eq!(found.code, i32::from(verdict == "wrong"), "{:?}", found.findings);
    });
}

#[test]
fn a_url_that_leads_to_another_daemon_is_told() {
    let (site, other) = (Site::open(Manner::right()), Site::open(Manner::right()));
    let found = doctor(&site.url, &["--control", &other.daemon.url, "--wait", "0"]);
    found.expect("proxy", "wrong", "does not know this subscriber and listens at http://127.0.0.1:8090/sse");
    assert_eq!((found.code, found.verdict("events")), (1, "none"));
}

#[test]
fn pages_of_other_origins_are_let_in_or_not() {
    const APP: &str = "https://app.example";
    let allow = |value| Manner::right().header(EVERYBODY.0, value);
    let rows = [
        (allow(Some("*")), &["--origin", APP][..], "ok", "may read it"),
        (allow(Some(APP)), &["--origin", APP], "ok", "may read it"),
        (allow(Some(APP)), &["--origin", "https://b.example"], "wrong", "--cors-origin https://b.example"),
        (allow(None), &["--origin", APP], "wrong", "there is no Access-Control-Allow-Origin"),
        (allow(Some("*")).and(EVERYBODY.0, "*"), &["--origin", APP], "wrong", "proxy_hide_header"),
        (allow(Some("*")), &["--origin", APP, "--credentials"], "wrong", "--cors-credentials"),
        (
            allow(Some(APP)).and("Access-Control-Allow-Credentials", "true"),
            &["--origin", APP, "--credentials"],
            "ok",
            "with cookies",
        ),
        (allow(None), &[], "ok", "--origin checks"),
    ];
    each(rows, |(manner, words, verdict, part)| {
        let found = look(manner, words);
        found.expect("cors", verdict, part);
        assert_eq!(found.code, i32::from(verdict == "wrong"), "{words:?}: {:?}", found.findings);
    });
    let refusing = Manner { options: "HTTP/1.1 405 Method Not Allowed\r\n", ..Manner::right() };
    let found = look(refusing, &["--origin", APP]);
    found.expect("preflight", "warning", "405 Method Not Allowed");
}

#[test]
fn certificates_are_judged_in_plain_words() {
    let authorities = Authorities::new();
    let file = authorities.file();
    let rows = [
        (Fault::None, "ok", "it holds for 127.0.0.1, comes from \u{201c}Test Intermediate\u{201d}"),
        (
            Fault::Incomplete,
            "wrong",
            "the chain is incomplete: the server sends its own certificate alone, without that of \u{201c}Test \
             Intermediate\u{201d}",
        ),
        (Fault::Expired, "wrong", "(2021-02-03): browsers refuse it"),
        (Fault::NotYetValid, "wrong", "not valid before 3000-01-01"),
        (Fault::EndsSoon, "warning", "has 10 days left"),
        (Fault::OtherName, "wrong", "it is for other.example, not for 127.0.0.1"),
        (Fault::SelfSigned, "wrong", "self-signed"),
    ];
    each(rows, |(fault, verdict, part)| {
        let tls = Some(authorities.server(fault, &["http/1.1"]));
        let found = look(Manner { tls, ..Manner::right() }, &["--ca", file.to_str().unwrap()]);
        found.expect("certificate", verdict, part);
        found.expect("tls", "ok", "TLS 1.3");
        found.expect("http2", "warning", "HTTP/2 is not offered");
        // What comes after it is looked at all the same.
        found.expect("events", "ok", "one by one");
        assert_eq!(found.code, i32::from(verdict == "wrong"), "{fault:?}: {:?}", found.findings);
    });
    let tls = Some(authorities.server(Fault::None, &["h2", "http/1.1"]));
    let found = look(Manner { tls, ..Manner::right() }, &["--ca", authorities.foreign().to_str().unwrap()]);
    found.expect("certificate", "wrong", "no authority that this machine knows");
    found.expect("http2", "ok", "HTTP/2 is offered");
}

#[test]
fn a_port_without_tls_is_told() {
    let site = Site::open(Manner::right());
    let found = doctor(&site.url.replace("http:", "https:"), &["--control", &site.daemon.url]);
    found.expect("tls", "wrong", "not TLS");
    assert_eq!((found.code, found.verdict("answer")), (1, "none"));
}

#[test]
fn redirects_are_followed_and_told() {
    let site = Site::open(Manner::right());
    let target: &'static str = Box::leak(site.url.clone().into_boxed_str());
    let before = Site::open(Manner::right().ending("HTTP/1.1 301 Moved Permanently", "").and("Location", target));
    let found = doctor(&before.url, &["--control", &site.daemon.url, "--wait", "0"]);
    found.expect("redirect", "warning", &format!("301 Moved Permanently to {target}"));
    found.expect("events", "ok", "one by one");
    assert_eq!(found.code, 0, "{:?}", found.findings);
    let round = Site::open(Manner::right().ending("HTTP/1.1 302 Found", "").and("Location", "/sse"));
    assert_eq!(doctor(&round.url, &["--control", &site.daemon.url]).code, 1);
}

#[test]
fn what_browsers_are_told_while_the_daemon_is_stopped_is_judged() {
    let right = Manner::right;
    let rows = [
        (right().ending("HTTP/1.1 200 OK", "retry: 5000\n\n"), "ok", "come back in 5.0 s"),
        (right().ending("HTTP/1.1 200 OK", "\n"), "warning", "without saying when"),
        (right().ending("HTTP/1.1 502 Bad Gateway", "<html>"), "wrong", "error_page 500 502 503 504 = @hasses_later;"),
        (right(), "wrong", "the daemon is not stopped"),
        (
            Manner {
                sticks: 1,
                ..right().header("Transfer-Encoding", None).ending("HTTP/1.1 200 OK", "<html>").header(STREAM.0, None)
            },
            "wrong",
            "no event stream",
        ),
    ];
    each(rows, |(manner, verdict, part)| {
        let site = Site::open(manner);
        let found = doctor(&site.url, &["--backend-down"]);
        found.expect("backend-down", verdict, part);
        assert_eq!((found.code, found.verdict("control")), (i32::from(verdict == "wrong"), "none"), "{part}");
    });
    // Also what is said meanwhile has to be said to the page.
    let site = Site::open(right().header(EVERYBODY.0, None).ending("HTTP/1.1 200 OK", "retry: 5000\n\n"));
    let found = doctor(&site.url, &["--backend-down", "--origin", "https://app.example"]);
    found.expect("cors", "wrong", "there is no Access-Control-Allow-Origin");
    assert_eq!(found.code, 1);
}

#[test]
fn nobody_at_the_url_is_exit_code_3() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let found = doctor(&format!("http://127.0.0.1:{port}/sse"), &[]);
    found.expect("connection", "wrong", "connection refused");
    assert_eq!(found.code, 3);
    let found = doctor("http://no-such-host.invalid/sse", &["--backend-down"]);
    found.expect("name", "wrong", "no-such-host.invalid has no address");
    found.expect("backend-down", "wrong", "nobody answers in the place of the daemon");
    assert_eq!(found.code, 3);
}
