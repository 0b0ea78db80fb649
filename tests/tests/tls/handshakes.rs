//! Handshakes that come to nothing: they harm nobody, and end in time.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use hasses_tests::{Authority, Running, Stream, Subscriber, TlsClient, Witness, wait_for};

use crate::secured;

/// A `ClientHello` for `127.0.0.1`.
fn hello(client: &TlsClient) -> Vec<u8> {
    let mut session = client.session("127.0.0.1");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("room");
    hello
}

/// Numbers without rhyme, the same in each run.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[0]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

/// Connections whose handshake fails: what each sends, and whether it closes then or waits.
fn broken(client: &TlsClient) -> Vec<(Vec<u8>, bool)> {
    let hello = hello(client);
    let mut noise = Noise(1);
    let mut all = Vec::new();
    for nth in 0..30 {
        let length = 1 + usize::from(noise.byte()) * 4;
        let mut flipped = hello.clone();
        flipped[5 + nth] ^= 0x80;
        let plain = b"GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        let endless = [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &noise.bytes(3_000)].concat();
        all.extend([
            (noise.bytes(length), false),
            (noise.bytes(length), true),
            ([&[0x16, 3, 1, 0, 200][..], &noise.bytes(200)].concat(), false),
            (plain, false),
            (hello[..hello.len() * nth / 30].to_vec(), true),
            (hello[..hello.len() * nth / 30].to_vec(), false),
            ([&hello[..], &noise.bytes(100)].concat(), false),
            (flipped, true),
            (endless, false),
            (Vec::new(), true),
        ]);
    }
    all
}

fn descriptors(running: &Running) -> usize {
    Path::new(&format!("/proc/{}/fd", running.pid())).read_dir().expect("the process is there").count()
}

#[test]
fn three_hundred_broken_handshakes_harm_nobody() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let control = folder.path().join("control.sock");
    let running = Running::start(
        folder.path(),
        [
            "--listen=127.0.0.1:0",
            "--listen-tls=127.0.0.1:0",
            "--head-timeout=0.5",
            &format!("--control=unix://{}", control.display()),
            &format!("--tls-cert={}", certificate.certificate.display()),
            &format!("--tls-key={}", certificate.key.display()),
        ],
    );
    let address = |scheme: &str| {
        let said = running.said(&format!("subscribers: {scheme}://"));
        said.split('/').next().expect("an address").to_owned()
    };
    let (plain, tls) = (address("http"), address("https"));
    let client = TlsClient::trusting(&authority.pem());
    let mut witness = Witness::at(&plain, &control);
    let mut secured = client.subscribe(&tls, "subscribe=a");
    wait_for("both", || (witness.publisher().status().connections == 2).then_some(()));
    let before = descriptors(&running);

    let broken = broken(&client);
    assert_eq!(broken.len(), 300);
    let mut waiting = Vec::new();
    for (nth, (bytes, closes)) in broken.iter().enumerate() {
        let stream = Stream::connect(&tls);
        // It may have been refused at the first bytes.
        let _ = stream.socket().write_all(bytes);
        if !closes {
            waiting.push(stream);
        }
        if nth % 10 == 0 {
            witness.sees_on();
            assert_eq!(witness.publisher().publish("a", &nth.to_string()), 1);
            assert_eq!(secured.data(), nth.to_string());
        }
    }
    // Those that only wait are closed when their time is over, and nobody of them waits for another.
    for stream in &mut waiting {
        stream.read_to_close();
    }
    let status =
        wait_for("all to be gone", || Some(witness.publisher().status()).filter(|status| status.connections == 2));
    assert_eq!(status.handshake_failures_total, 300);
    assert_eq!((status.bad_requests_total, status.head_timeouts_total, status.subscribers), (0, 0, 2));
    wait_for("no descriptor to be left", || (descriptors(&running) == before).then_some(()));
    witness.sees_on();
    drop(client.subscribe(&tls, "subscribe=a"));
}

#[test]
fn a_handshake_that_takes_too_long_is_ended() {
    let (daemon, client) = secured(|config| config.limits.head_timeout = Duration::from_millis(300));
    let hello = hello(&client);
    let mut witness = Witness::of(&daemon);
    let mut slow = Stream::connect(&daemon.tls_address());
    let mut bytes = hello.iter();
    // Bytes that keep coming do not put it off.
    wait_for("the time-out", || {
        witness.sees_on();
        if let Some(&byte) = bytes.next() {
            let _ = slow.socket().write_all(&[byte]);
        }
        (witness.publisher().status().handshake_failures_total == 1).then_some(())
    });
    assert_eq!(slow.read_to_close(), b"");
    assert_eq!(daemon.status().connections, 1);
}

#[test]
fn a_peer_that_says_nothing_after_the_handshake_is_told_so() {
    let (daemon, client) = secured(|config| config.limits.head_timeout = Duration::from_millis(200));
    let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
    // Whole, and ended by the word of TLS for it.
    assert_eq!(stream.answer().status, 408);
    drop(stream);
    let status = wait_for("it to be gone", || Some(daemon.status()).filter(|status| status.connections == 0));
    assert_eq!((status.head_timeouts_total, status.handshake_failures_total), (1, 0));
}

#[test]
fn handshakes_under_way_end_with_the_daemon() {
    let (mut daemon, client) = secured(|config| config.limits.head_timeout = Duration::from_secs(600));
    let mut streams = [(); 3].map(|()| Stream::connect(&daemon.tls_address()));
    streams[1].send(&hello(&client)[..100]);
    streams[2].send(hello(&client));
    wait_for("all to be accepted", || (daemon.status().connections == 3).then_some(()));
    daemon.stop();
    for stream in &mut streams {
        stream.read_to_close();
    }
}

#[test]
fn tls_on_the_plain_port_and_plain_text_on_the_one_of_tls_are_refused() {
    let (daemon, client) = secured(|_| {});
    let mut stream = daemon.connect();
    stream.send(hello(&client));
    let answer = stream.answer();
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("looks like TLS"), "{answer:?}");
    let mut stream = Stream::connect(&daemon.tls_address());
    stream.send("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    // An alert (RFC 8446, 6), fatal.
    assert_eq!(&stream.read_to_close()[..6], [0x15, 3, 3, 0, 2, 2]);
    let mut subscriber: Subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}
