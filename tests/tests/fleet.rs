//! Ten thousand browsers through a calm restart: with the defaults their streams end one by one, nobody is reset, and all come
//! back to the new process and have everything. Against the real program.

#![expect(clippy::expect_used, reason = "what cannot go on shall fail, and say where")]

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hasses_client::blocking::Client;
use hasses_tests::{DEADLINE, Running, ready};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

const BROWSERS: usize = 10_000;
/// The default of `--drain`.
const DRAIN: Duration = Duration::from_secs(10);
/// The default of `--retry`, which is what a browser is told to wait at least, and up to as much again.
const RETRY: Duration = Duration::from_secs(5);
/// Times are told in whole milliseconds, and a stream's end is read a moment after it was told.
const ROUNDING: Duration = Duration::from_millis(10);
/// Between two events.
const INTERVAL: Duration = Duration::from_millis(500);
/// Nobody else listens there, so the port stays free while no daemon has it.
const ADDRESS: &str = "127.0.7.1:0";

/// Pages that count, read by one thread with an epoll.
struct Fleet {
    epoll: OwnedFd,
    address: String,
    pages: Vec<Page>,
}

/// What a page knows, as a browser keeps it for it.
#[derive(Default)]
struct Page {
    socket: Option<TcpStream>,
    /// A line whose end has not come yet.
    line: Vec<u8>,
    in_body: bool,
    last_chunk: bool,
    event: String,
    pending_id: String,
    last_event_id: String,
    /// How many events it has, and so the number of the next.
    counted: u64,
    /// How often it was told that it has everything.
    resumed: usize,
    retry: Option<Duration>,
    ended: Option<Instant>,
}

impl Page {
    fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            let line = std::mem::take(&mut self.line);
            self.take(std::str::from_utf8(&line).expect("text"));
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
    }

    /// Takes a line without its LF.
    fn take(&mut self, line: &str) {
        // Lines of HTTP end in CR LF, those of events do not.
        if let Some(framing) = line.strip_suffix('\r') {
            assert!(self.in_body || !framing.starts_with("HTTP/") || framing == "HTTP/1.1 200 OK", "{framing}");
            self.last_chunk |= self.in_body && framing == "0";
            self.in_body |= framing.is_empty();
            return;
        }
        match line.split_once(": ") {
            Some(("id", id)) => id.clone_into(&mut self.pending_id),
            Some(("event", event)) => event.clone_into(&mut self.event),
            Some(("retry", millis)) => self.retry = Some(Duration::from_millis(millis.parse().expect("a number"))),
            Some(("data", data)) => self.take_data(data),
            _ if line.is_empty() => {
                self.event.clear();
                self.last_event_id.clone_from(&self.pending_id);
            }
            _ => assert_eq!(line, ":"),
        }
    }

    fn take_data(&mut self, data: &str) {
        match self.event.as_str() {
            "" => {
                assert_eq!(data.parse(), Ok(self.counted), "each event once, in order");
                self.counted += 1;
            }
            "hasses.resume" => {
                assert!(data.contains(r#""status":"resumed""#), "{data}");
                self.resumed += 1;
            }
            event => assert_eq!(event, "hasses.cursor"),
        }
    }

    /// When a browser connects again.
    fn comes_back(&self) -> Option<Instant> {
        Some(self.ended? + self.retry?)
    }
}

impl Fleet {
    fn connect(address: &str) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll");
        let pages = (0..BROWSERS).map(|_| Page::default()).collect();
        let mut fleet = Self { epoll, address: address.to_owned(), pages };
        for nth in 0..BROWSERS {
            fleet.open(nth);
            fleet.read_on(0);
        }
        fleet.read_until("all to be subscribed", |fleet| fleet.all(|page| !page.last_event_id.is_empty()));
        fleet
    }

    fn open(&mut self, nth: usize) {
        let page = &mut self.pages[nth];
        let id = match page.last_event_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let mut socket = TcpStream::connect(&self.address).unwrap_or_else(|error| panic!("page {nth}: {error}"));
        write!(socket, "GET /sse?subscribe=fleet HTTP/1.1\r\nHost: x\r\n{id}\r\n").expect("the request is taken");
        epoll::add(&self.epoll, &socket, EventData::new_u64(nth as u64), EventFlags::IN).expect("it can be watched");
        (page.in_body, page.last_chunk, page.ended, page.socket) = (false, false, None, Some(socket));
    }

    fn all(&self, holds: impl Fn(&Page) -> bool) -> bool {
        self.pages.iter().all(holds)
    }

    /// Reads, and opens streams anew whose time has come, until something holds.
    fn read_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DRAIN + DEADLINE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            self.read_on(20);
        }
    }

    /// Opens the streams again whose time has come.
    fn come_back(&mut self) {
        let now = Instant::now();
        for nth in 0..BROWSERS {
            if self.pages[nth].comes_back().is_some_and(|at| at <= now) {
                self.open(nth);
                self.read_on(0);
            }
        }
    }

    /// Reads what has come; waits so many milliseconds for something to come.
    fn read_on(&mut self, millis: i64) {
        let mut buffer = [0; 64 * 1024];
        for nth in ready(&self.epoll, millis) {
            let page = &mut self.pages[nth];
            let Some(socket) = &page.socket else { continue };
            match rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    assert!(page.last_chunk && page.line.is_empty(), "page {nth}: its stream was cut");
                    (page.ended, page.socket) = (Some(Instant::now()), None);
                }
                Ok((count, _)) => page.read(&buffer[..count]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => panic!("page {nth}: {error}"),
            }
        }
    }
}

/// Publishes numbers until it is told to stop; gives how many.
fn count(client: &Client, stop: &Receiver<()>) -> u64 {
    let mut next = 0;
    while stop.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        client.publish("fleet", next.to_string()).expect("it is taken, by this daemon or the next");
        next += 1;
    }
    next
}

/// Asserts that times lie as evenly in `span` as chance and a busy machine allow: no second has more than half as much again as
/// its share.
fn assert_is_spread(what: &str, times: impl Iterator<Item = Duration>, span: std::ops::Range<Duration>) {
    let seconds = (span.end - span.start).as_secs();
    let mut each = vec![0; usize::try_from(seconds).expect("some seconds") + 1];
    for time in times {
        let at = time.checked_sub(span.start).unwrap_or_else(|| panic!("{what}: {time:?} is too soon"));
        let nth = usize::try_from(at.as_secs()).expect("some seconds");
        *each.get_mut(nth).unwrap_or_else(|| panic!("{what}: {time:?} is too late")) += 1;
    }
    let share = BROWSERS as u64 / seconds;
    assert!(each.iter().all(|count| *count <= share * 3 / 2), "{what} in each second: {each:?}");
}

fn start(folder: &Path, listen: &str) -> (Running, String) {
    let control = format!("unix://{}", folder.join("control.sock").display());
    let log = folder.join("log").display().to_string();
    let running = Running::start(folder, ["--listen", listen, "--control", &control, "--log-dir", &log]);
    let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
    (running, address)
}

#[test]
fn ten_thousand_streams_end_one_by_one_and_come_back_to_the_next_daemon_and_to_everything() {
    let limit = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).expect("the soft limit can be raised");
    let folder = tempfile::tempdir().expect("a folder");
    let (mut old, address) = start(folder.path(), ADDRESS);
    let mut fleet = Fleet::connect(&address);
    let client = Client::connect(&format!("unix://{}", folder.path().join("control.sock").display())).expect("control");
    let (stop, stopped) = channel();
    let publishing = std::thread::spawn(move || count(&client, &stopped));
    fleet.read_until("events", |fleet| fleet.all(|page| page.counted > 0));

    let begun = Instant::now();
    old.signal(Signal::TERM);
    fleet.read_until("every stream to end", |fleet| fleet.all(|page| page.ended.is_some()));
    assert_eq!(old.exit_code(), 0, "{}", old.output());
    let ended = fleet.pages.iter().map(|page| page.ended.expect("it ended") - begun);
    assert_is_spread("ends", ended, Duration::ZERO..DRAIN);
    let back = fleet.pages.iter().map(|page| page.comes_back().expect("it was told when") - begun);
    assert_is_spread("ways back", back, DRAIN + RETRY - ROUNDING..DRAIN + 2 * RETRY);

    let (_new, _) = start(folder.path(), &address);
    while fleet.pages.iter().any(|page| page.resumed == 0) {
        assert!(begun.elapsed() < DRAIN + 2 * RETRY + DEADLINE, "they were told to be back by now");
        fleet.come_back();
        fleet.read_on(20);
    }
    drop(stop);
    let published = publishing.join().expect("it publishes to its end");
    fleet.read_until("the last event", |fleet| fleet.all(|page| page.counted == published));
    assert!(fleet.all(|page| page.resumed == 1 && page.ended.is_none()), "once was enough");
}
