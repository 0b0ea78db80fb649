//! A site: an SSE port as browsers see it through a proxy, and the control of the daemon behind it. What a proxy can do wrong is
//! said by a [`Manner`].

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hasses_client::wire::{
    ClientInfo, ClientList, ClientState, Command, EventId, Publish, Published, Reply, StatusReport,
};
use rustls::ServerConfig;

use crate::certificates::Connection;
use crate::daemon::{Daemon, Then};

/// How requests are answered.
#[derive(Clone)]
pub(crate) struct Manner {
    /// The status line, and headers of one's own.
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// What the answer to `OPTIONS` says.
    pub(crate) options: &'static str,
    /// The beginning of the body.
    pub(crate) body: &'static str,
    /// What comes after it.
    pub(crate) after: After,
    /// Bytes that stick on the way, and what sticks.
    pub(crate) sticks: usize,
    pub(crate) stuck: Stuck,
    /// What the daemon says of its clients.
    pub(crate) http: Option<&'static str>,
    pub(crate) address: Option<&'static str>,
    /// What it says of itself.
    pub(crate) report: StatusReport,
    /// Milliseconds by which the ids of its events are ahead.
    pub(crate) ahead: u64,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// What comes after the beginning of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Events, and a heartbeat after so many milliseconds of every subscription.
    Stream(u64),
    /// The end of the answer.
    End,
    /// The end of the connection after so many milliseconds.
    Cut(u64),
}

/// What sticks on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// Everything, the head too.
    All,
    /// The body alone.
    Body,
}

pub(crate) const STREAM: (&str, &str) = ("Content-Type", "text/event-stream; charset=utf-8");
pub(crate) const EVERYBODY: (&str, &str) = ("Access-Control-Allow-Origin", "*");

impl Manner {
    /// As it should be.
    pub(crate) fn right() -> Self {
        let limits = [("heartbeat", 500), ("max-subscribers", 19_616), ("max-message", 1 << 20)];
        Self {
            status: "HTTP/1.1 200 OK",
            headers: vec![
                STREAM,
                EVERYBODY,
                ("Cache-Control", "no-cache"),
                ("Server", "nginx/1.22.1"),
                ("Transfer-Encoding", "chunked"),
            ],
            options: "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: last-event-id\r\n",
            body: ":\n",
            after: After::Stream(200),
            sticks: 0,
            stuck: Stuck::Body,
            http: Some("1.1"),
            address: None,
            report: StatusReport {
                version: "9.9.9".into(),
                // Nobody has it, so nothing is looked up of it here.
                pid: u32::MAX,
                listen: vec!["http://127.0.0.1:8090/sse".into()],
                sources: vec!["tcp://127.0.0.1:8085".into()],
                limits: limits.map(|(name, limit)| (name.to_owned(), limit)).into(),
                ..StatusReport::default()
            },
            ahead: 0,
            tls: None,
        }
    }

    /// Without this header, and with it where a value is given.
    pub(crate) fn header(mut self, name: &'static str, value: Option<&'static str>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// One more header.
    pub(crate) fn and(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// An answer that ends.
    pub(crate) fn ending(self, status: &'static str, body: &'static str) -> Self {
        let manner = self.header("Transfer-Encoding", None);
        Self { status, body, after: After::End, ..manner.and("Connection", "close") }
    }

    fn chunked(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "Transfer-Encoding")
    }
}

/// A site that runs until it is dropped.
pub(crate) struct Site {
    /// Where browsers subscribe.
    pub(crate) url: String,
    /// The daemon's control.
    pub(crate) daemon: Daemon,
    address: std::net::SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Subscriber {
    info: ClientInfo,
    connection: Connection,
    stuck: Vec<u8>,
    flows: bool,
    /// Dropped with it: ends its heartbeats.
    _alive: Option<Sender<()>>,
}

type Subscribers = Arc<Mutex<Vec<Subscriber>>>;

impl Site {
    pub(crate) fn open(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if manner.tls.is_some() { "https" } else { "http" };
        let (ending, subscribers) = (Arc::new(AtomicBool::new(false)), Subscribers::default());
        let thread = std::thread::spawn({
            let (ending, subscribers, manner) = (ending.clone(), subscribers.clone(), manner.clone());
            move || {
                for stream in listener.incoming().flatten() {
                    if ending.load(Ordering::SeqCst) {
                        return;
                    }
                    let (subscribers, manner) = (subscribers.clone(), manner.clone());
                    // Ends with its request: who subscribes is kept in the list.
                    std::thread::spawn(move || serve(stream, &manner, &subscribers));
                }
            }
        });
        let daemon = Daemon::start(move |command| Then::Answer(answer(command, &manner, &subscribers)));
        Self { url: format!("{scheme}://{address}/sse"), daemon, address, ending, thread: Some(thread) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees that it is to end.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(command: &Command, manner: &Manner, subscribers: &Subscribers) -> Reply {
    let mut subscribers = subscribers.lock().unwrap();
    match command {
        Command::Status => Reply::Status(Box::new(manner.report.clone())),
        Command::Clients(query) => {
            let topic = query.topic.as_ref().unwrap().to_string();
            let listed =
                subscribers.iter().map(|subscriber| &subscriber.info).filter(|info| info.topics.contains(&topic));
            Reply::Clients(ClientList { clients: listed.cloned().collect(), more: false })
        }
        Command::Publish(publish) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let id = EventId { millis: u64::try_from(now).unwrap() + manner.ahead, sequence: 0 };
            let matched =
                subscribers.iter_mut().filter_map(|subscriber| subscriber.deliver(publish, id, manner)).count();
            Reply::Published(Published { id, matched: matched as u64, duplicate: false })
        }
        command => panic!("{command:?}"),
    }
}

/// Answers one request.
fn serve(stream: TcpStream, manner: &Manner, subscribers: &Subscribers) {
    let peer = stream.peer_addr().unwrap();
    let mut connection = Connection::new(stream, manner.tls.as_ref());
    let lines: Result<Vec<String>, _> =
        BufReader::new(&mut connection).lines().take_while(|line| !line.as_ref().is_ok_and(String::is_empty)).collect();
    let Ok(lines) = lines else {
        // What servers say to whoever begins TLS on a plain port.
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        return;
    };
    // A handshake that was not followed by a request.
    let Some(line) = lines.first() else { return };
    if line.starts_with("OPTIONS ") {
        let _ = connection.write_all(format!("{}Content-Length: 0\r\n\r\n", manner.options).as_bytes());
        return;
    }
    let field = |name: &str| {
        let (_, value) = line.split_once(&format!("{name}="))?;
        Some(value.split(['&', ' ']).next()?.replace("%2F", "/"))
    };
    let headers: String = manner.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let date = httpdate::fmt_http_date(SystemTime::now());
    let head = format!("{}\r\nDate: {date}\r\n{headers}\r\n", manner.status);
    let (alive, ends) = channel();
    let mut subscriber = Subscriber {
        info: ClientInfo {
            client: u64::from(peer.port()),
            descriptor: 7,
            address: manner.address.map_or_else(|| peer.to_string(), str::to_owned),
            id: field("id"),
            agent: None,
            topics: field("topic").into_iter().collect(),
            state: ClientState::Subscribed,
            connected_seconds: 0,
            subscribed_seconds: 0,
            delivered: 0,
            queued_bytes: 0,
            reinits: 0,
            tls: None,
            http: manner.http.map(str::to_owned),
        },
        connection,
        stuck: Vec::new(),
        flows: manner.sticks == 0,
        _alive: Some(alive),
    };
    // Nobody asks who is there between the answer and its place in the list.
    let mut all = subscribers.lock().unwrap();
    if manner.stuck == Stuck::Body {
        let _ = subscriber.connection.write_all(head.as_bytes());
    } else {
        subscriber.send(head.as_bytes(), manner);
    }
    if !manner.body.is_empty() {
        subscriber.send(&framed(manner.body, manner), manner);
    }
    let number = subscriber.info.client;
    let closing = subscriber.connection.tcp().try_clone().unwrap();
    match manner.after {
        After::End => {
            if manner.chunked() {
                let _ = subscriber.connection.write_all(b"0\r\n\r\n");
            }
            drop(subscriber);
            let _ = closing.shutdown(Shutdown::Both);
        }
        After::Cut(millis) => {
            all.push(subscriber);
            drop(all);
            let _ = ends.recv_timeout(Duration::from_millis(millis));
            let _ = closing.shutdown(Shutdown::Both);
        }
        After::Stream(millis) => {
            all.push(subscriber);
            drop(all);
            while ends.recv_timeout(Duration::from_millis(millis)).is_err() {
                let mut subscribers = subscribers.lock().unwrap();
                let Some(at) = subscribers.iter().position(|subscriber| subscriber.info.client == number) else {
                    return;
                };
                if subscribers[at].send(&framed(":\n", manner), manner).is_none() {
                    subscribers.remove(at);
                    return;
                }
            }
        }
    }
}

fn framed(text: &str, manner: &Manner) -> Vec<u8> {
    if manner.chunked() { format!("{:x}\r\n{text}\r\n", text.len()) } else { text.to_owned() }.into_bytes()
}

impl Subscriber {
    fn deliver(&mut self, publish: &Publish, id: EventId, manner: &Manner) -> Option<()> {
        let matches = publish.topics.iter().any(|topic| self.info.topics.contains(&topic.to_string()));
        let event = format!(
            "id: {id}\nevent: {}\ndata: {}\n\n",
            publish.event.as_ref().map_or("message", |event| event.as_str()),
            publish.data
        );
        if matches { self.send(&framed(&event, manner), manner) } else { None }
    }

    /// Sends what does not stick; `None` where nobody is there any more.
    fn send(&mut self, bytes: &[u8], manner: &Manner) -> Option<()> {
        self.stuck.extend_from_slice(bytes);
        self.flows |= self.stuck.len() >= manner.sticks;
        if !self.flows {
            return Some(());
        }
        let bytes = std::mem::take(&mut self.stuck);
        self.connection.write_all(&bytes).and_then(|()| self.connection.flush()).ok()
    }
}
