//! `X-Forwarded-For`: whom it names, and who is believed.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use hasses::config::ListenAddress;
use hasses_tests::{DEADLINE, Running, Stream, TestDaemon, wait_for};

use crate::{address_of, request, trust};

/// The address that is shown for a request with these header lines.
fn shown(daemon: &TestDaemon, headers: &[&str]) -> String {
    let subscriber = daemon.subscribe_by(request("subscribe=a&id=one", headers));
    let address = address_of(daemon, "one");
    drop(subscriber);
    wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    address
}

#[test]
fn the_last_address_that_no_trusted_proxy_has_is_the_client() {
    let daemon = TestDaemon::with(|config| trust(config, &["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"]));
    for (headers, client) in [
        (&["X-Forwarded-For: 192.0.2.7"][..], "192.0.2.7"),
        (&["x-forwarded-for:192.0.2.7"], "192.0.2.7"),
        (&["X-FORWARDED-FOR:   192.0.2.7  "], "192.0.2.7"),
        // Several proxies of ours, one behind the other.
        (&["X-Forwarded-For: 192.0.2.7, 10.1.2.3, 10.4.5.6"], "192.0.2.7"),
        (&["X-Forwarded-For: 192.0.2.7, 2001:db8:1::5"], "192.0.2.7"),
        (&["X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 10.1.2.3"], "192.0.2.7"),
        (&["X-Forwarded-For: 192.0.2.7,10.1.2.3", "Cookie: x", "x-forwarded-for: 10.4.5.6"], "192.0.2.7"),
        // What the client wrote itself stands before what was added.
        (&["X-Forwarded-For: 203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        (&["X-Forwarded-For: 10.9.9.9, 192.0.2.7"], "192.0.2.7"),
        (&["X-Forwarded-For: 127.0.0.1, 192.0.2.7, 10.1.2.3"], "192.0.2.7"),
        (&["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (&["X-Forwarded-For: no address, ,,;, 192.0.2.7"], "192.0.2.7"),
        // With ports and brackets, as some proxies write.
        (&["X-Forwarded-For: 192.0.2.7:4711"], "192.0.2.7"),
        (&["X-Forwarded-For: 2001:db8::7"], "2001:db8::7"),
        (&["X-Forwarded-For: [2001:db8::7]"], "2001:db8::7"),
        (&["X-Forwarded-For: [2001:db8::7]:4711"], "2001:db8::7"),
        (&["X-Forwarded-For: 2001:DB8:0::0007"], "2001:db8::7"),
        (&["X-Forwarded-For: ::ffff:192.0.2.7"], "192.0.2.7"),
        (&["X-Forwarded-For: 192.0.2.7, ::ffff:10.1.2.3"], "192.0.2.7"),
        // Nothing but our own: the first of them is as near as it gets.
        (&["X-Forwarded-For: 10.4.5.6, 10.1.2.3"], "10.4.5.6"),
        // Up to what is no address.
        (&["X-Forwarded-For: 192.0.2.7, unknown, 10.1.2.3"], "10.1.2.3"),
        (&["X-Forwarded-For: 192.0.2.7, 10.1.2.3.4, 10.1.2.3"], "10.1.2.3"),
    ] {
        assert_eq!(shown(&daemon, headers), client, "{headers:?}");
    }
    for headers in [
        &[][..],
        &["X-Forwarded-For:"],
        &["X-Forwarded-For: unknown"],
        &["X-Forwarded-For: 192.0.2.7, unknown"],
        &["X-Forwarded-For: 192.0.2.7, _hidden"],
        &["X-Forwarded-For: 192.0.2.777"],
        &["X-Forwarded-For: 192.0.2.7:99999"],
        &["X-Forwarded-For: [2001:db8::7"],
        &["X-Forwarded-For: for=192.0.2.7"],
        &["Forwarded: for=192.0.2.7"],
        &["X-Forwarded-Fo: 192.0.2.7", "X-Real-IP: 192.0.2.7"],
    ] {
        let shown = shown(&daemon, headers);
        assert!(shown.starts_with("127.0.0.1:"), "{headers:?}: {shown}");
    }
}

#[test]
fn bytes_that_are_no_text_do_not_hide_what_the_proxy_added() {
    let daemon = TestDaemon::with(|config| trust(config, &["127.0.0.1"]));
    for (lines, client) in [
        (&b"X-Forwarded-For: \xff\xfe, 192.0.2.7\r\n"[..], "192.0.2.7"),
        (b"X-Forwarded-For: \xc3\xbc,192.0.2.7\r\n", "192.0.2.7"),
        (b"X-Forwarded-For: \xff\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
    ] {
        let request = [&b"GET /sse?subscribe=a&id=one HTTP/1.1\r\nHost: x\r\n"[..], lines, b"\r\n"].concat();
        let subscriber = daemon.subscribe_by(request);
        assert_eq!(address_of(&daemon, "one"), client);
        drop(subscriber);
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    }
}

#[test]
fn nobody_else_is_believed() {
    for proxies in [&[][..], &["10.0.0.0/8", "unix", "127.0.0.2"]] {
        let daemon = TestDaemon::with(|config| trust(config, proxies));
        let shown = shown(&daemon, &["X-Forwarded-For: 192.0.2.7"]);
        assert!(shown.starts_with("127.0.0.1:"), "{proxies:?}: {shown}");
    }
}

#[test]
fn a_proxy_on_a_unix_socket_is_believed_where_it_is_named() {
    for (proxies, address) in [(&["unix"][..], "192.0.2.7"), (&["127.0.0.1"], "unix")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sse.sock");
        let daemon = TestDaemon::with(|config| {
            config.listen.push(ListenAddress::Unix(path.clone()));
            trust(config, proxies);
        });
        let mut proxy = UnixStream::connect(&path).unwrap();
        proxy.set_read_timeout(Some(DEADLINE)).unwrap();
        proxy.write_all(request("subscribe=a&id=one", &["X-Forwarded-For: 192.0.2.7"]).as_bytes()).unwrap();
        proxy.read_exact(&mut [0; 15]).unwrap();
        assert_eq!(address_of(&daemon, "one"), address, "{proxies:?}");
    }
}

#[test]
fn behind_a_proxy_header_only_the_named_address_may_be_a_proxy() {
    let daemon = TestDaemon::with(|config| {
        config.proxies.header = true;
        trust(config, &["127.0.0.1", "10.0.0.0/8"]);
    });
    // A proxy before the proxy, and a browser that tries.
    for (source, client) in [("10.1.2.3", "203.0.113.9"), ("192.0.2.7", "192.0.2.7:12345")] {
        let header = format!("PROXY TCP4 {source} 198.51.100.1 12345 443\r\n");
        let request = request("subscribe=a&id=one", &["X-Forwarded-For: 203.0.113.9"]);
        let subscriber = daemon.subscribe_by(header + &request);
        assert_eq!(address_of(&daemon, "one"), client);
        drop(subscriber);
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    }
}

#[test]
fn a_proxy_that_reuses_its_connection_names_each_client_anew() {
    let mut daemon = TestDaemon::with(|config| {
        trust(config, &["127.0.0.1"]);
        config.allow_reinit = true;
    });
    let mut subscriber = daemon.subscribe_by(request("subscribe=a&id=one", &["X-Forwarded-For: 192.0.2.7"]));
    let mut again = |daemon: &TestDaemon, id: &str, headers: &[&str]| {
        subscriber.stream().send(request(&format!("subscribe=a&id={id}"), headers));
        wait_for("the new subscription", || {
            (daemon.publisher().ask(&serde_json::json!({"cmd": "clients"}))["clients"][0]["id"] == id).then_some(())
        });
        address_of(daemon, id)
    };
    assert_eq!(again(&daemon, "two", &["X-Forwarded-For: 192.0.2.8"]), "192.0.2.8");
    // Nobody inherits the address of whom the connection served before.
    assert!(again(&daemon, "three", &[]).starts_with("127.0.0.1:"));
    assert!(again(&daemon, "four", &["X-Forwarded-For: unknown"]).starts_with("127.0.0.1:"));
    assert_eq!(again(&daemon, "five", &["X-Forwarded-For: 192.0.2.9"]), "192.0.2.9");
    // A proxy that is believed no longer names nobody.
    daemon.reload(|config| trust(config, &["10.0.0.0/8"])).unwrap();
    assert!(again(&daemon, "six", &["X-Forwarded-For: 192.0.2.10"]).starts_with("127.0.0.1:"));
}

#[test]
fn a_request_that_does_not_subscribe_anew_names_nobody() {
    let daemon = TestDaemon::with(|config| {
        trust(config, &["127.0.0.1"]);
        config.allow_reinit = true;
    });
    let mut subscriber = daemon.subscribe_by(request("subscribe=a&id=one", &["X-Forwarded-For: 192.0.2.7"]));
    for line in ["GET /other HTTP/1.1", "GET /healthz HTTP/1.1", "GET /sse HTTP/1.1", "POST /sse?subscribe=b HTTP/1.1"]
    {
        subscriber.stream().send(format!("{line}\r\nHost: x\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n"));
        assert_eq!(daemon.publisher().publish("a", line), 1);
        assert_eq!(subscriber.data(), line);
        assert_eq!(address_of(&daemon, "one"), "192.0.2.7", "{line}");
    }
}

#[test]
fn the_log_has_the_real_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(
        folder.path(),
        ["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0", "--trusted-proxy=127.0.0.1", "--log-level=debug"],
    );
    let address = running.said("subscribers: http://").split('/').next().expect("an address").to_owned();
    let send = |line: &str| {
        let mut stream = Stream::connect(&address);
        stream.send(format!("{line} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n\r\n"));
        stream
    };
    let mut subscriber = send("GET /sse?subscribe=a").subscribed();
    running.wait_until_it_says("client 1 (192.0.2.7) subscribes");
    let mut control = Stream::connect(&running.said("control: tcp://"));
    control.send("clientlist\n");
    running.wait_until_it_says("192.0.2.7");
    control.send("{\"cmd\":\"disconnect\",\"client\":1}\n");
    drop(subscriber.stream().socket().shutdown(std::net::Shutdown::Both));
    running.wait_until_it_says("client 1 (192.0.2.7) closed");
}
