//! The subscriber endpoint over real sockets: what is asked, and how it is answered.

use std::io::{Read as _, Write as _};
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use hasses::config::ListenAddress;
use hasses_tests::{DEADLINE, Stream, Subscriber, TestDaemon, Witness, header, required, wait_for};
use serde_json::json;

/// A request as Chromium sends it.
const BROWSER: &str = "GET /sse?subscribe=room624&id=me HTTP/1.1\r\n\
    Host: localhost:8080\r\n\
    Connection: keep-alive\r\n\
    Accept: text/event-stream\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Origin: https://a.example\r\n\
    Last-Event-ID: 17-4\r\n\r\n";

/// What those are told whose last event id is not one of this daemon's.
const RESET: &str = "event: hasses.resume\nretry: 5000\ndata: {\"status\":\"reset\"}\n\n";

/// Waits until the stream of one has begun who comes with an id that is not one of this daemon's.
fn returned(stream: Stream) -> Subscriber {
    let subscriber = stream.subscribed();
    assert_eq!(subscriber.verdict.as_deref(), Some(r#"{"status":"reset"}"#));
    subscriber
}

#[test]
fn a_stream_begins_with_its_head_a_comment_and_where_it_stands_at_once() {
    let daemon = TestDaemon::start();
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let fresh = "GET /sse?subscribe=room624 HTTP/1.1\r\nHost: x\r\n\r\n";
    let silent = "GET /sse?subscribe=room624&notices=0 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 17-4\r\n\r\n";
    for (request, verdict, is_told) in [(fresh, "", true), (BROWSER, RESET, true), (silent, "", false)] {
        let cursor = format!("event: hasses.cursor\nid: {}\ndata: {{}}\n\n", daemon.status().position);
        let chunks = [":\n", verdict, if is_told { &cursor } else { "" }];
        let more: String = chunks.into_iter().filter(|text| !text.is_empty()).map(chunk).collect();
        let mut stream = daemon.connect();
        stream.send(request);
        assert_is_head_of_a_stream(&stream.read_to("\r\n\r\n"));
        assert_eq!(String::from_utf8_lossy(&stream.read_exactly(more.len())), more, "{request}");
        daemon.publisher().publish("room624", "hi");
        let event = stream.read_to("data: hi\n\n\r\n");
        assert!(event.contains("\r\nid: ") && event.matches('\n').count() == 5, "nothing comes between: {event:?}");
    }
}

fn assert_is_head_of_a_stream(head: &str) {
    for (name, value) in [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET"),
        ("Access-Control-Allow-Headers", "cache-control, last-event-id, X-Requested-With"),
        ("Cache-Control", "no-cache, no-transform"),
        ("X-Accel-Buffering", "no"),
        ("Connection", "Keep-Alive"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Type", "text/event-stream; charset=utf-8"),
    ] {
        assert_eq!(header(head, name), Some(value), "{head}");
    }
    assert!(header(head, "Date").is_some_and(|date| date.ends_with(" GMT")), "{head}");
    assert!(header(head, "Server").is_some_and(|server| server.starts_with("hasses")), "{head}");
    assert!(header(head, "Keep-Alive").is_some(), "{head}");
    assert_eq!(header(head, "Content-Length"), None, "{head}");
}

#[test]
fn every_form_of_naming_topics_subscribes_to_what_it_says() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    for (query, others, reached) in [
        ("subscribe=room624", &["room62", "room6244", "Room624", "oom624"][..], &["room624"][..]),
        ("subscribe=a-b-c", &["a-b-c", "a-b", "d"], &["a", "b", "c"]),
        ("subscribe=-a--b-", &["-a", "a-"], &["a", "b"]),
        ("subscribe=a%2Db-c", &["a", "b"], &["a-b", "c"]),
        ("subscribe=a%2db", &["a", "b"], &["a-b"]),
        ("subscribe=a+b", &["a b", "a", "b"], &["a+b"]),
        ("subscribe=a%20b", &["a+b"], &["a b"]),
        ("subscribe=%C3%BCbung", &["%C3%BCbung", "ubung"], &["übung"]),
        ("subscribe=100%-100%25x", &["100"], &["100%", "100%x"]),
        ("topic=orders/17", &["orders", "orders/1"], &["orders/17"]),
        ("topic=a-b", &["a", "b"], &["a-b"]),
        ("topic=c+d&topic=c%2Bd", &["c", "d"], &["c d", "c+d"]),
        ("topic=a%26b%3Dc", &["a", "a&b"], &["a&b=c"]),
        ("subscribe=u-v&topic=x-y&topic=z&subscribe=w", &["x", "y"], &["u", "v", "w", "x-y", "z"]),
        ("subscribe=a-a&topic=a", &["b"], &["a"]),
        ("subscribe=roo*", &["ro", "r", "xroo"], &["roo", "room624", "roo-m"]),
        ("subscribe=roo*-x", &["ro", "xx"], &["roof", "x"]),
        ("topic=orders/*", &["orders", "order/1"], &["orders/", "orders/17"]),
        ("subscribe=*", &[], &["a", "übung", "a b"]),
        ("topic=*", &[], &["a", "orders/17"]),
        ("subscribe=a&_=1699999999&nocache=0.123&x", &["_", "x"], &["a"]),
        ("_=1&subscribe=a", &["_"], &["a"]),
        ("subscribe=a&last-event-id=1699999999999-0", &["1699999999999-0"], &["a"]),
        ("subscribe=a&last-event-id=nonsense&replay=5&notices=1", &["b"], &["a"]),
        ("subscribe=a&id=", &["b"], &["a"]),
    ] {
        let mut subscriber = daemon.subscribe(query);
        for topic in others {
            assert_eq!(publisher.publish(topic, "stray"), 0, "{query}: {topic}");
        }
        for topic in reached {
            assert_eq!(publisher.publish(topic, topic), 1, "{query}: {topic}");
            assert_eq!(subscriber.data(), *topic, "{query}");
        }
        drop(subscriber);
        wait_for("the subscriber to be gone", || (publisher.status().subscribers == 0).then_some(()));
    }
}

#[test]
fn header_names_come_in_any_case_and_what_is_not_known_is_ignored() {
    let daemon = TestDaemon::start();
    for head in [
        "host: x\r\naccept: text/event-stream\r\nlast-event-id: 1-0\r\n",
        "HOST: x\r\nACCEPT: text/event-stream\r\nLAST-EVENT-ID: 1-0\r\n",
        "hOsT:x\r\nLaSt-EvEnT-iD:\t1-0 \r\n",
        "Host: x\r\nLast-Event-Id: \u{fc}\r\n",
    ] {
        let mut stream = daemon.connect();
        stream.send(format!("GET /sse?subscribe=a HTTP/1.1\r\n{head}\r\n"));
        let mut subscriber = returned(stream);
        assert!(daemon.publisher().publish("a", head) >= 1);
        assert_eq!(subscriber.data(), head.replace("\r\n", "\n"));
    }
    for head in [
        "hOsT:x\r\nLast-Event-Id:\r\n",
        "Accept: */*\r\nX-Unknown: \u{fc}\r\nHost: \t x \t\r\n",
        "Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Host: x\r\nContent-Length: 0\r\n",
        "Host: x\r\nConnection: close\r\n",
        "Host:\r\n",
    ] {
        let mut subscriber = daemon.subscribe_by(format!("GET /sse?subscribe=a HTTP/1.1\r\n{head}\r\n"));
        assert!(daemon.publisher().publish("a", head) >= 1);
        assert_eq!(subscriber.data(), head.replace("\r\n", "\n"));
    }
}

#[test]
fn a_target_may_be_in_absolute_form_and_empty_lines_may_come_first() {
    let daemon = TestDaemon::start();
    for line in ["GET http://any.example:81/sse?subscribe=a HTTP/1.1", "\r\n\r\nGET /sse?subscribe=a HTTP/1.1"] {
        let mut subscriber = daemon.subscribe_by(format!("{line}\r\nHost: any.example\r\n\r\n"));
        daemon.publisher().publish("a", "hi");
        assert_eq!(subscriber.data(), "hi", "{line}");
    }
}

#[test]
fn the_id_and_the_agent_are_shown() {
    let daemon = TestDaemon::start();
    let mut named = daemon.connect();
    named.send(BROWSER);
    let _named = returned(named);
    let _plain = daemon.subscribe("subscribe=a-b*&id=%C3%BC%20b+c");
    let clients = daemon.publisher().ask(&json!({"cmd": "clients"}))["clients"].take();
    let [named, plain] = clients.as_array().map(Vec::as_slice).unwrap_or_default() else { panic!("{clients}") };
    assert_eq!(named["id"], "me");
    assert_eq!(named["agent"], "Mozilla/5.0 (X11; Linux x86_64)");
    assert_eq!(named["topics"], json!(["room624"]));
    assert_eq!(named["state"], "subscribed");
    assert_eq!((&plain["id"], &plain["agent"]), (&json!("ü b+c"), &json!(null)));
    assert_eq!(plain["topics"], json!(["a", "b*"]));
}

#[test]
fn head_and_options_are_answered_and_closed() {
    let daemon = TestDaemon::start();
    let head = daemon.answer_to("HEAD /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
    let without_query = daemon.answer_to("HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((without_query.status, without_query.body.as_str()), (200, ""));
    for target in ["/sse", "/sse?subscribe=a", "*"] {
        let options = daemon.answer_to(format!("OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!((options.status, options.body.as_str()), (200, ""), "{target}");
        assert_eq!(options.header("Access-Control-Allow-Origin"), Some("*"), "{target}");
        assert_eq!(options.header("Allow"), Some("GET, HEAD, OPTIONS"), "{target}");
        assert_eq!(options.header("Connection"), Some("close"), "{target}");
    }
    assert_eq!(head.header("Allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(head.header("Connection"), Some("close"));
    let status = daemon.status();
    assert_eq!((status.subscribed_total, status.bad_requests_total), (0, 0), "none of them was a subscription");
}

#[test]
fn a_preflight_is_answered_for_the_origins_that_are_configured() {
    let [a, b, evil] = ["https://a.example", "https://b.example:8443", "https://evil.example"];
    // Configured origins, whether credentials are, the page's origin, and what the answer allows.
    for (origins, credentials, origin, allowed) in [
        (&["*"][..], false, a, Some("*")),
        (&[a], false, a, Some(a)),
        // A single value is given as it is, as classic did; the browser sees that it is another.
        (&[a], false, evil, Some(a)),
        (&[a, b], false, a, Some(a)),
        (&[a, b], true, b, Some(b)),
        (&[a, b], true, evil, None),
    ] {
        let daemon = TestDaemon::with(|config| {
            config.cors.origins = origins.iter().map(|&origin| origin.to_owned()).collect();
            config.cors.credentials = credentials;
        });
        let asked = format!(
            "Host: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: cache-control,last-event-id\r\n\r\n"
        );
        let preflight = daemon.answer_to(format!("OPTIONS /sse?subscribe=a HTTP/1.1\r\n{asked}"));
        assert_eq!((preflight.status, preflight.body.as_str()), (200, ""));
        let stream =
            daemon.subscribe_by(format!("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n"));
        let refusal = daemon.answer_to(format!("GET /sse HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n"));
        for head in [&preflight.head, &stream.head, &refusal.head] {
            assert_eq!(header(head, "Access-Control-Allow-Origin"), allowed, "{origins:?} {origin}: {head}");
            assert_eq!(header(head, "Vary"), (origins.len() > 1).then_some("Origin"), "{head}");
            let with_credentials = (credentials && allowed.is_some()).then_some("true");
            assert_eq!(header(head, "Access-Control-Allow-Credentials"), with_credentials, "{head}");
        }
        assert_eq!(preflight.header("Access-Control-Allow-Methods").is_some(), allowed.is_some());
        if allowed.is_some() {
            let headers = preflight.header("Access-Control-Allow-Headers").unwrap_or_default().to_ascii_lowercase();
            assert!(headers.contains("cache-control") && headers.contains("last-event-id"), "{headers}");
        }
    }
}

#[test]
fn http_1_0_is_served_unchunked_and_its_stream_ends_with_the_connection() {
    let daemon = TestDaemon::start();
    let mut stream = daemon.connect();
    stream.send("GET /sse?subscribe=a&id=old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = stream.read_to("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(header(&head, "Connection"), Some("close"));
    assert_eq!((header(&head, "Transfer-Encoding"), header(&head, "Keep-Alive")), (None, None), "{head}");
    let mut publisher = daemon.publisher();
    let born = publisher.status().position;
    let beginning = format!(":\nevent: hasses.cursor\nid: {born}\ndata: {{}}\n\n");
    assert_eq!(stream.read_to("\n\n"), beginning);
    let id = publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": "one\ntwo"}))["id"].take();
    let id = id.as_str().expect("an id");
    assert_eq!(stream.read_to("\n\n"), format!("id: {id}\ndata: one\ndata: two\n\n"));
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "old"}))["disconnected"], 1);
    assert_eq!(stream.read_to_end(), "");
}

#[test]
fn a_head_may_come_in_two_pieces_cut_anywhere() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    for cut in 1..BROWSER.len() {
        let mut stream = daemon.connect();
        stream.send(&BROWSER[..cut]);
        let address = stream.socket().local_addr().expect("an address").to_string();
        wait_for("the first piece to be read", || {
            let clients = witness.publisher().ask(&json!({"cmd": "clients"}))["clients"].take();
            clients
                .as_array()?
                .iter()
                .find(|client| client["address"] == *address && client["state"] == "head")
                .map(|_| ())
        });
        witness.sees_on();
        stream.send(&BROWSER[cut..]);
        let mut subscriber = returned(stream);
        assert!(witness.publisher().publish("room624", "hi") >= 1);
        assert_eq!(subscriber.data(), "hi", "cut at {cut}");
    }
    witness.sees_on();
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    let mut stream = daemon.connect();
    for byte in BROWSER.bytes() {
        stream.send([byte]);
        witness.sees_on();
    }
    let mut subscriber = returned(stream);
    daemon.publisher().publish("room624", "hi");
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn curl_is_served_however_it_asks() {
    let Some(curl) = required("curl") else { return };
    let daemon = TestDaemon::start();
    let url = format!("http://{}/sse?subscribe=a&id=curl", daemon.address());
    for flags in [
        &[][..],
        &["--no-keepalive"],
        &["-H", "Connection:"],
        &["-H", "Connection: close"],
        &["-H", "User-Agent:", "-H", "Accept:"],
        &["--http1.0"],
    ] {
        let mut command = Command::new(&curl);
        command.args(["--silent", "--no-buffer", "--fail", "--max-time", "20"]).args(flags).arg(&url);
        let mut publisher = daemon.publisher();
        let position = publisher.status().position;
        let child = command.stdout(Stdio::piped()).spawn().expect("curl runs");
        wait_for("curl to subscribe", || {
            // Nothing is published before it is there, so that it is known where it stands.
            (publisher.status().subscribers == 1).then_some(())
        });
        let id = publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": "hi"}))["id"].take();
        let id = id.as_str().expect("an id");
        assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "curl"}))["disconnected"], 1);
        let output = child.wait_with_output().expect("curl ends");
        let expected = format!(":\nevent: hasses.cursor\nid: {position}\ndata: {{}}\n\nid: {id}\ndata: hi\n\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{flags:?}");
        assert!(output.status.success(), "{flags:?}: curl saw no proper end: {}", output.status);
    }
}

#[test]
fn subscribers_may_come_over_ipv6_and_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sse.sock");
    let daemon = TestDaemon::with(|config| {
        config.listen = vec![ListenAddress::Tcp((Ipv6Addr::LOCALHOST, 0).into()), ListenAddress::Unix(path.clone())];
    });
    let mut over_ipv6 = daemon.subscribe("subscribe=a");
    let mut over_unix = UnixStream::connect(&path).expect("the daemon listens");
    over_unix.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    over_unix.write_all(b"GET /sse?subscribe=a&id=local HTTP/1.0\r\n\r\n").expect("the request is taken");
    wait_for("both to subscribe", || (daemon.status().subscribers == 2).then_some(()));
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.publish("a", "hi"), 2);
    assert_eq!(over_ipv6.data(), "hi");
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "local"}))["disconnected"], 1);
    let mut text = String::new();
    over_unix.read_to_string(&mut text).expect("a stream that ends");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\ndata: hi\n\n"), "{text}");
    assert!(text.contains("\r\n\r\n:\nevent: hasses.cursor\nid: "), "{text}");
}
