//! Bytes that no publisher should send, while a subscriber and its publisher go on.

use std::io::Write as _;

use hasses_tests::{TestDaemon, Way, Witness, wait_for};

#[test]
fn nul_bytes_on_every_way_harm_nobody() {
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut witness = Witness::of(&daemon);
        let mut publisher = way.open(&daemon);
        publisher.write_all(&[0; 64 * 1024]).unwrap();
        witness.sees_on();
        publisher.write_all(b"\n").unwrap();
        witness.sees_on();
        publisher.write_all(b"\nwitness=still heard\n").unwrap();
        witness.sees("still heard");
        drop(publisher);
        witness.sees_on();
    }
}

#[test]
fn random_bytes_harm_nobody() {
    // Without NL, `;`, `=` and `{`, so that they are no message by chance; a fixed seed, so that a fault can be found again.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise: Vec<u8> = (0..1 << 20)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[3]
        })
        .filter(|byte| !b"\n;={".contains(byte))
        .collect();
    noise.insert(0, b'x');
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut witness = Witness::of(&daemon);
        let mut publisher = way.open(&daemon);
        for piece in noise.chunks(100_000) {
            publisher.write_all(piece).unwrap();
            publisher.write_all(b"\n").unwrap();
            witness.sees_on();
        }
        publisher.write_all(b"\nwitness=still heard\n").unwrap();
        witness.sees("still heard");
    }
}

#[test]
fn requests_that_a_web_page_could_make_a_browser_send_are_no_commands() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    for request in [
        "GET /;witness=evil; HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\nwitness=evil\n\n\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\nwitness=evil\n",
    ] {
        // Whole, and cut where it is not yet known what it is.
        for cut in [0, 3] {
            let mut publisher = daemon.tcp_publisher();
            publisher.write(&request[..cut]);
            publisher.write(&request[cut..]);
            assert!(publisher.rest().starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request}");
            witness.sees_on();
        }
    }
    let mut handshake = daemon.tcp_publisher();
    handshake.write(b"\x16\x03\x01\x00\x05witness=evil\n");
    assert_eq!(handshake.rest(), "");
    witness.sees_on();
    assert_eq!(daemon.status().refused_commands_total, 7);
    // A topic that begins like a method is one.
    daemon.tcp_publisher().write("GET=1\nPOSTS=2\nwitness=after\n");
    witness.sees("after");
}

#[test]
fn a_line_without_end_is_dropped_as_it_comes_and_not_kept() {
    let daemon = TestDaemon::with(|config| config.limits.max_message = 10_000);
    let mut witness = Witness::of(&daemon);
    let mut endless = daemon.tcp_publisher();
    endless.write("x=1\nx=");
    for _ in 0..100 {
        endless.write([b'y'; 100_000]);
        witness.sees_on();
    }
    assert_eq!(daemon.status().refused_commands_total, 1, "it is one message, refused once");
    endless.write("\nwitness=after it\n");
    witness.sees("after it");
}

#[test]
fn connections_that_break_or_say_nothing_harm_nobody() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    let silent: Vec<_> = (0..20).map(|_| daemon.tcp_publisher()).collect();
    for _ in 0..50 {
        let stream = daemon.control();
        // Closing with this set resets the connection.
        rustix::net::sockopt::set_socket_linger(stream.socket(), Some(std::time::Duration::ZERO)).unwrap();
        let mut stream = stream;
        stream.send("tcpstatus\nx=1");
        drop(stream);
        witness.sees_on();
    }
    drop(silent);
    wait_for("the end of all but the witness", || {
        (witness.publisher().status().control_connections == 1).then_some(())
    });
}

#[test]
fn a_lone_carriage_return_starts_no_line_of_its_own_in_the_stream() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    daemon.tcp_publisher().write("a=one\rdata: two\rid: 9\r\revent: evil\n");
    let event = subscriber.event();
    assert_eq!((event.data.as_str(), event.event.as_str()), ("one\ndata: two\nid: 9\n\nevent: evil", ""));
}
