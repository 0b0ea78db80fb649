//! Whoever stands in the accept queue when the daemon ends is told to come back later, and not reset.

use std::thread::{JoinHandle, spawn};

use hasses_tests::{Answer, Authority, Certificate, Publisher, Stream, Subscriber, TlsClient, wait_for};
use rustix::process::Signal;

use crate::drain::{Program, come_back_later};
use crate::request;

/// More than are accepted before the signal is heard.
const MANY: usize = 1_500;
/// No more than shake hands, or fit into the queue, without anybody waiting.
const SOME: usize = 60;

/// Has everything come while the daemon does not run, and then all of it at once: connections, a signal to end.
fn end_with_a_queue<T>(program: &mut Program, connect: impl FnOnce() -> Vec<T>) -> Vec<T> {
    program.running.signal(Signal::STOP);
    let waiting = connect();
    program.running.signal(Signal::TERM);
    program.running.signal(Signal::CONT);
    waiting
}

fn many(address: &str) -> Vec<Stream> {
    let connect = |_| {
        let mut stream = Stream::connect(address);
        stream.send(request("subscribe=a", &[]));
        stream
    };
    (0..MANY).map(connect).collect()
}

fn read_all(mut streams: Vec<Stream>) -> Vec<String> {
    streams.iter_mut().map(Stream::read_to_end).collect()
}

fn join_all(waiting: Vec<JoinHandle<String>>) -> Vec<String> {
    waiting.into_iter().map(|each| each.join().expect("an answer, and no reset")).collect()
}

/// They were told to come back later or, where they came before the signal, were taken in and ended with all others.
fn assert_told(answers: &[String]) {
    for text in answers {
        let answer = Answer::parse(text);
        if answer.body.starts_with("2\r\n:\n") {
            assert!(text.contains("\r\nretry: ") && text.ends_with("\r\n0\r\n\r\n"), "{text:?}");
        } else {
            let retry = come_back_later(&answer);
            assert!((5_000..=10_000).contains(&retry), "{retry}");
        }
    }
}

#[test]
fn over_plain_tcp() {
    let mut program = Program::start(["--shards=2", "--drain=0"]);
    let address = program.address.clone();
    let waiting = end_with_a_queue(&mut program, || many(&address));
    assert_told(&read_all(waiting));
    assert_eq!(program.running.exit_code(), 0);
}

#[test]
fn over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::default();
    let Certificate { certificate, key } = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let mut program = Program::start([
        "--shards=2",
        "--drain=0",
        "--listen-tls=127.0.0.1:0",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let address = program.running.said("subscribers: https://").trim_end_matches("/sse").to_owned();
    let client = TlsClient::trusting(&authority.pem());
    let waiting = end_with_a_queue(&mut program, || {
        let connect = |_| {
            // The kernel connects it; its handshake waits for the daemon.
            let (stream, session) = (Stream::connect(&address), client.session("127.0.0.1"));
            spawn(move || {
                let mut stream = stream.secured(session).expect("a handshake");
                stream.send(request("subscribe=a", &[]));
                // Cut off without the word of TLS that nothing more comes, this would fail.
                stream.read_to_end()
            })
        };
        (0..SOME).map(connect).collect()
    });
    assert_told(&join_all(waiting));
    assert_eq!(program.running.exit_code(), 0);
}

#[test]
fn over_a_unix_socket() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sse.sock");
    let listen = format!("--listen=unix:{}", path.display());
    let mut program = Program::start(["--shards=2", "--drain=0", &listen]);
    let waiting = end_with_a_queue(&mut program, || {
        let connect = |_| {
            let mut stream = UnixStream::connect(&path).expect("a place in the queue");
            stream.write_all(request("subscribe=a", &[]).as_bytes()).expect("the request is taken");
            spawn(move || {
                let mut text = String::new();
                stream.read_to_string(&mut text).expect("no reset");
                text
            })
        };
        (0..SOME).map(connect).collect()
    });
    assert_told(&join_all(waiting));
    assert_eq!(program.running.exit_code(), 0);
}

#[test]
fn without_a_request_it_is_closed_soon() {
    let mut program = Program::start(["--head-timeout", "600"]);
    let address = program.address.clone();
    let waiting = end_with_a_queue(&mut program, || (0..MANY).map(|_| Stream::connect(&address)).collect());
    assert_eq!(program.running.exit_code(), 0);
    waiting.into_iter().for_each(|mut stream| drop(stream.read_to_close()));
}

#[test]
fn during_a_drain_too() {
    let mut program = Program::start(["--drain", "600"]);
    let streams: Vec<_> = (0..2).map(|_| Subscriber::connect(&program.address, "subscribe=a")).collect();
    program.running.signal(Signal::TERM);
    program.running.wait_until_it_says("ending 2 streams");
    let mut publisher = Publisher::unix(&program.control());
    wait_for("the first to end", || (publisher.status().subscribers == 1).then_some(()));
    let address = program.address.clone();
    // A second signal, while many are in the queue.
    let waiting = end_with_a_queue(&mut program, || many(&address));
    // Nobody is taken in.
    read_all(waiting).iter().for_each(|text| assert!(come_back_later(&Answer::parse(text)) >= 5_000, "{text:?}"));
    assert_eq!(program.running.exit_code(), 0);
    drop(streams);
}
