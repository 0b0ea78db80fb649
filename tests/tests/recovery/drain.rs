//! SIGTERM: nobody new, and who is there goes one by one. Against the real program.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hasses_tests::{
    Answer, Authority, Certificate, Publisher, Running, Stream, Subscriber, TlsClient, header, wait_for,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Flood, numbered, publish_all, request};

/// The daemon as a program.
pub(crate) struct Program {
    folder: TempDir,
    pub(crate) running: Running,
    pub(crate) address: String,
}

impl Program {
    pub(crate) fn start<const N: usize>(arguments: [&str; N]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let control = format!("unix://{}", folder.path().join("control.sock").display());
        let all = ["--listen", "127.0.0.1:0", "--control", &control].into_iter().chain(arguments);
        let running = Running::start(folder.path(), all);
        let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
        Self { folder, running, address }
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn publisher(&self) -> Publisher {
        Publisher::unix(&self.control())
    }

    fn subscribe(&self, query: &str) -> Subscriber {
        Subscriber::connect(&self.address, query)
    }

    fn answer_to(&self, request: &str) -> Answer {
        let mut stream = Stream::connect(&self.address);
        stream.send(request);
        stream.answer()
    }

    fn health(&self) -> Answer {
        self.answer_to("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    }

    /// Sends SIGTERM, and waits until streams begin to end.
    fn drain(&mut self) {
        self.running.signal(Signal::TERM);
        self.running.wait_until_it_says("SIGTERM: ending ");
    }
}

/// The rest of a stream up to its proper end: the data of its events, and when to come back in milliseconds. The last chunk
/// must follow on that.
pub(crate) fn rest(subscriber: &mut Subscriber) -> (Vec<String>, u64) {
    let mut data = Vec::new();
    loop {
        let chunk = subscriber.chunk().expect("a time to come back before the last chunk");
        if let Some(retry) = chunk.strip_prefix("retry: ").and_then(|retry| retry.strip_suffix("\n\n")) {
            assert_eq!(subscriber.chunk(), None, "nothing comes behind it");
            return (data, retry.parse().expect("milliseconds"));
        }
        if let Some((_, text)) = chunk.split_once("\ndata: ").filter(|_| chunk.starts_with("id: ")) {
            data.push(text.trim_end().to_owned());
        }
    }
}

/// When somebody is told to come back, in milliseconds.
pub(crate) fn come_back_later(answer: &Answer) -> u64 {
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/event-stream; charset=utf-8")));
    let retry = answer.body.split_once("\r\nretry: ").and_then(|(_, rest)| rest.strip_suffix("\n\n\r\n0\r\n\r\n"));
    retry.and_then(|retry| retry.parse().ok()).unwrap_or_else(|| panic!("more or less than a time: {answer:?}"))
}

#[test]
fn during_a_drain_health_is_bad_newcomers_come_back_later_and_publishing_goes_on() {
    let mut program = Program::start(["--drain", "60", "--retry", "2000"]);
    assert_eq!((program.health().status, program.health().body.as_str()), (200, "ok\n"));
    let mut streams: Vec<_> = (0..3).map(|_| program.subscribe("subscribe=a")).collect();
    let mut publisher = program.publisher();
    let begun = Instant::now();
    program.drain();
    assert!(program.running.output().contains("ending 3 streams over 60s"), "{}", program.running.output());
    let health = program.health();
    assert_eq!((health.status, health.body.as_str()), (503, "draining\n"));
    assert!(begun.elapsed() < Duration::from_secs(20), "the second stream has not ended, the third even less");
    // The first of three ends at once, the last after two thirds of the time.
    wait_for("the first to end", || (publisher.status().subscribers == 2).then_some(()));
    let left = |begun: Instant| Duration::from_secs(40).saturating_sub(begun.elapsed()).as_millis();
    for query in ["subscribe=a", "subscribe=b&last-event-id=17-4", "subscribe=a&replay=1"] {
        let retry = u128::from(come_back_later(&program.answer_to(&request(query, &[]))));
        assert!(retry >= left(begun) + 2_000 && retry <= 44_000, "{retry} ms, {} are left", left(begun));
    }
    let retries: Vec<u64> =
        (0..10).map(|_| come_back_later(&program.answer_to(&request("subscribe=a", &[])))).collect();
    assert!(retries.iter().any(|retry| *retry != retries[0]), "all would come back together: {retries:?}");
    // What is wrong is wrong.
    assert_eq!(program.answer_to(&request("nothing=a", &[])).status, 400);
    let status = publisher.status();
    assert!(status.draining && status.refused_total == 13 && status.subscribers == 2, "{status:?}");
    assert_eq!(publisher.publish("a", "on"), 2);
    // A second signal ends the rest at once, as properly.
    program.running.signal(Signal::TERM);
    assert_eq!(program.running.exit_code(), 0);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let mut heard = 0;
    for stream in &mut streams {
        let (data, retry) = rest(stream);
        assert!((2_000..=44_000).contains(&retry), "{retry}");
        heard += data.len();
    }
    assert_eq!(heard, 2, "who was there got what was published");
    assert!(program.running.output().contains("a second signal: ending every stream at once"));
}

#[test]
fn every_stream_gets_what_was_published_up_to_its_end() {
    const STREAMS: usize = 60;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::default();
    let Certificate { certificate, key } = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let mut program = Program::start([
        "--drain=2",
        "--shards=2",
        "--listen-tls=127.0.0.1:0",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let secured = program.running.said("subscribers: https://").trim_end_matches("/sse").to_owned();
    let client = TlsClient::trusting(&authority.pem());
    let plain = (0..STREAMS).map(|_| program.subscribe("subscribe=a"));
    let mut streams: Vec<_> =
        plain.chain((0..STREAMS / 4).map(|_| client.subscribe(&secured, "subscribe=a"))).collect();
    let mut old = Stream::connect(&program.address);
    old.send("GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    old.read_to("data: {}\n\n");
    let flood = Flood::begin(program.publisher(), |nth| ("a", nth.to_string()));
    wait_for("events", || (program.publisher().status().messages_total > 0).then_some(()));
    let begun = Instant::now();
    program.drain();
    let reading: Vec<_> =
        streams.drain(..).map(|mut stream| std::thread::spawn(move || (rest(&mut stream), Instant::now()))).collect();
    let mut ends = Vec::new();
    let mut heard = Vec::new();
    for reading in reading {
        let ((data, retry), end) = reading.join().expect("a proper end");
        // They come back behind the end of the last: the time that was left, and 5 to 10 seconds.
        let left = Duration::from_millis(1_950).saturating_sub(end - begun);
        assert!(u128::from(retry) >= 5_000 + left.as_millis() && retry <= 12_000, "{retry} ms at {:?}", end - begun);
        let expected: Vec<_> = (0..data.len()).map(|nth| nth.to_string()).collect();
        assert!(data == expected, "each event once, in order");
        ends.push(end - begun);
        heard.push(data.len());
    }
    let (_, retry) = old
        .read_to_end()
        .rsplit_once("\n\nretry: ")
        .map(|(before, retry)| (before.len(), retry.to_owned()))
        .expect("a time");
    assert!(retry.trim_end().parse::<u64>().is_ok(), "{retry:?}");
    drop(flood);
    assert_eq!(program.running.exit_code(), 0, "{}", program.running.output());
    // They are spread: some have heard much more than others.
    heard.sort_unstable();
    ends.sort_unstable();
    assert!(heard[0] * 2 < heard[heard.len() - 1], "{heard:?}");
    assert!(ends[ends.len() - 1] >= Duration::from_millis(1_800), "{ends:?}");
}

#[test]
fn other_signals_and_a_drain_of_0_end_at_once() {
    for (arguments, signal) in [
        (["--drain", "600", "--shards=2"], Signal::INT),
        (["--drain", "0", "--shards=2"], Signal::TERM),
        (["--drain", "0", "--shards=1"], Signal::INT),
    ] {
        let mut program = Program::start(arguments);
        let mut streams: Vec<_> = (0..20).map(|_| program.subscribe("subscribe=a")).collect();
        assert_eq!(program.publisher().publish("a", "the last"), 20);
        program.running.signal(signal);
        assert_eq!(program.running.exit_code(), 0);
        for stream in &mut streams {
            let (data, retry) = rest(stream);
            assert!(data == ["the last"] && (5_000..=10_000).contains(&retry), "{data:?} {retry}");
        }
    }
}

#[test]
fn an_interrupt_ends_a_drain_and_a_hang_up_does_not() {
    let mut program = Program::start(["--drain", "600"]);
    let mut streams: Vec<_> = (0..3).map(|_| program.subscribe("subscribe=a")).collect();
    program.drain();
    program.running.signal(Signal::HUP);
    program.running.wait_until_it_says("SIGHUP is ignored");
    assert_eq!(program.health().status, 503);
    program.running.signal(Signal::INT);
    assert_eq!(program.running.exit_code(), 0);
    streams.iter_mut().for_each(|stream| drop(rest(stream)));
}

#[test]
fn nobody_waits_for_a_drain_of_nobody() {
    let mut program = Program::start(["--drain", "600"]);
    let stream = program.subscribe("subscribe=a");
    drop(stream);
    wait_for("it to be gone", || (program.publisher().status().subscribers == 0).then_some(()));
    program.running.signal(Signal::TERM);
    assert_eq!(program.running.exit_code(), 0);
}

#[test]
fn a_drain_is_over_when_everybody_has_left() {
    let mut program = Program::start(["--drain", "600"]);
    let streams: Vec<_> = (0..5).map(|_| program.subscribe("subscribe=a")).collect();
    program.drain();
    drop(streams);
    assert_eq!(program.running.exit_code(), 0);
}

#[test]
fn whoever_takes_nothing_does_not_hold_up_the_end() {
    let mut program = Program::start(["--drain", "1", "--send-buffer", "16k", "--outbox", "64k"]);
    let mut stalled = crate::narrow(&program.address);
    stalled.send(request("subscribe=a", &[]));
    let mut stalled = stalled.subscribed();
    let mut reading = program.subscribe("subscribe=b");
    let mut publisher = program.publisher();
    publish_all(&mut publisher, "a", numbered(0..200, 4_000));
    assert_eq!(publisher.status().behind, 1);
    program.running.signal(Signal::TERM);
    let _ = rest(&mut reading);
    assert_eq!(program.running.exit_code(), 0);
    let text = String::from_utf8(stalled.stream().read_to_close()).expect("text");
    assert!(text.contains("data: 0 x"), "it has what the system had taken");
}

#[test]
fn connections_without_a_request_do_not_hold_up_the_end() {
    let mut program = Program::start(["--head-timeout", "600", "--drain", "600"]);
    let mut idle: Vec<_> = (0..20).map(|_| Stream::connect(&program.address)).collect();
    let mut halves: Vec<_> = (0..20).map(|_| Stream::connect(&program.address)).collect();
    halves.iter_mut().for_each(|half| half.send("GET /sse?subscribe=a HTTP/1.1\r\n"));
    wait_for("all to be there", || (program.publisher().status().connections == 40).then_some(()));
    let begun = Instant::now();
    program.running.signal(Signal::TERM);
    assert_eq!(program.running.exit_code(), 0);
    // About a second it is; what a busy machine adds to that is not the daemon's.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    idle.iter_mut().chain(&mut halves).for_each(|stream| drop(stream.read_to_close()));
}

#[test]
fn a_request_that_comes_with_the_end_is_answered() {
    let mut program = Program::start(["--shards", "2"]);
    let mut idle: Vec<_> = (0..20).map(|_| Stream::connect(&program.address)).collect();
    wait_for("all to be there", || (program.publisher().status().connections == 20).then_some(()));
    // Signal and requests are there at the same moment.
    program.running.signal(Signal::STOP);
    program.running.signal(Signal::TERM);
    idle.iter_mut().for_each(|stream| stream.send(request("subscribe=a", &[])));
    program.running.signal(Signal::CONT);
    for stream in &mut idle {
        // Some may have been taken in before, to be ended with all others.
        let text = stream.read_to_end();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\n\n\r\n0\r\n\r\n"), "{text:?}");
        assert!(text.contains("retry: "), "{text:?}");
        assert_eq!(header(&text, "Content-Type"), Some("text/event-stream; charset=utf-8"));
    }
    assert_eq!(program.running.exit_code(), 0);
}
