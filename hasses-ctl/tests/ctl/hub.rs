//! A server for `bench` that plays pranks: it takes classic text and requests, and passes messages on as it was told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prank {
    None,
    Lose,
    Double,
    /// Another byte in the middle.
    Damage,
    /// It goes out behind the next one.
    Delay,
    /// The subscriber is disconnected, and gets nothing.
    HangUp,
    /// It comes without an id, to everybody: which of several connects first is up to chance.
    Nameless,
    /// Not this subscriber, but the one that came last is disconnected.
    HangUpLast,
    /// It comes, but the publisher gets no answer to it, nor to anything behind it.
    Ignore,
    /// All are disconnected, and so is the publisher.
    Die,
}

/// Messages that are out before anybody who comes back is let in.
const HALF: u32 = 10;

/// What the first subscriber gets; all others get everything as it came.
pub(crate) type Pranks = fn(u32) -> Prank;

pub(crate) struct Hub {
    /// Where subscribers connect.
    pub(crate) url: String,
    /// Where classic text goes.
    pub(crate) control: String,
    /// Where requests go.
    pub(crate) post: String,
    /// Heads of the requests that came.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct State {
    subscribers: Vec<TcpStream>,
    /// Messages so far.
    count: u32,
    delayed: Option<String>,
}

impl Hub {
    /// Gives the first subscriber message 1, 2, … as these pranks say. `chunk` is the length of its chunks.
    pub(crate) fn start(chunk: usize, pranks: Pranks) -> Self {
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let open = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (web, control) = (open(), open());
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let hub = Self {
            url: format!("http://{}/sub?id={{topic}}", address(&web)),
            control: format!("tcp://{}", address(&control)),
            post: format!("http://{}/pub?id={{topic}}", address(&web)),
            requests: requests.clone(),
        };
        // These threads end with the test's process: they hold nothing but their ports.
        std::thread::spawn({
            let state = state.clone();
            move || {
                for stream in web.incoming().flatten() {
                    let (state, requests) = (state.clone(), requests.clone());
                    std::thread::spawn(move || serve(&stream, &state, &requests, chunk, pranks));
                }
            }
        });
        std::thread::spawn(move || {
            for stream in control.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || {
                    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                        match line.split_once('=') {
                            Some((_, message)) => {
                                let count = pass_on(&state, message, chunk, pranks);
                                if pranks(count) == Prank::Die {
                                    return;
                                }
                            }
                            // Whoever asks for a status sees at once that there is none.
                            None => (&stream).write_all(b"what?\n").unwrap(),
                        }
                    }
                });
            }
        });
        hub
    }
}

fn serve(
    stream: &TcpStream,
    hub: &(Mutex<State>, Condvar),
    requests: &Mutex<Vec<String>>,
    chunk: usize,
    pranks: Pranks,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let lines: Vec<_> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let Some(first) = lines.first() else { return };
        let mut answer = stream;
        if first.starts_with("GET ") {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n";
            let comes_back = lines.iter().any(|line| line.starts_with("Last-Event-ID: "));
            let (state, passed_on) = hub;
            let mut state =
                passed_on.wait_while(state.lock().unwrap(), |state| comes_back && state.count < HALF).unwrap();
            answer.write_all(head.as_bytes()).unwrap();
            state.subscribers.push(stream.try_clone().unwrap());
            return;
        }
        let length = lines.iter().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        requests.lock().unwrap().push(lines.join("\n"));
        let message = body.split_once("data=").map_or(body.as_str(), |(_, message)| message);
        if pranks(pass_on(hub, message, chunk, pranks)) == Prank::Ignore {
            return std::mem::forget(reader);
        }
        if answer.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Gives the number of the message.
fn pass_on((state, passed_on): &(Mutex<State>, Condvar), message: &str, chunk: usize, pranks: Pranks) -> u32 {
    let state = &mut *state.lock().unwrap();
    state.count += 1;
    let (prank, count) = (pranks(state.count), state.count);
    let event = |message: &str| format!("id: {count}\ndata: {message}\n\n");
    let mut damaged = message.to_owned().into_bytes();
    let middle = damaged.len() / 2;
    damaged[middle] = b'!';
    let text = match prank {
        Prank::None | Prank::HangUpLast | Prank::Ignore => event(message),
        Prank::Nameless => format!("data: {message}\n\n"),
        Prank::Lose | Prank::HangUp | Prank::Die => String::new(),
        Prank::Double => event(message) + &event(message),
        Prank::Damage => event(&String::from_utf8(damaged).unwrap()),
        Prank::Delay => {
            state.delayed = Some(event(message));
            String::new()
        }
    };
    let text = if text.is_empty() { text } else { text + &state.delayed.take().unwrap_or_default() };
    let last = state.subscribers.len().saturating_sub(1);
    for (nth, subscriber) in state.subscribers.iter_mut().enumerate() {
        let text = if nth == 0 || prank == Prank::Nameless { text.clone() } else { event(message) };
        if prank == Prank::Die || nth == 0 && prank == Prank::HangUp || nth == last && prank == Prank::HangUpLast {
            let _ = subscriber.shutdown(std::net::Shutdown::Both);
            continue;
        }
        for piece in text.as_bytes().chunks(chunk) {
            // It may be gone.
            let _ = write!(subscriber, "{:x}\r\n", piece.len())
                .and_then(|()| subscriber.write_all(piece))
                .and_then(|()| subscriber.write_all(b"\r\n"));
        }
    }
    passed_on.notify_all();
    count
}
