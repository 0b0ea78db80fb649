//! A daemon that a test plays by hand: it accepts, reads commands, answers what the test says, and hangs up when told.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use hasses_client::Options;
use hasses_client::wire::{
    Command, DEFAULT_MAX_MESSAGE_BYTES, Decoder, Delimiter, EventId, Framing, PROTOCOL, Pong, Published, Reply,
};
use smol::channel::Receiver;
use smol::{Async, Timer, block_on, future};
use tempfile::TempDir;

/// How long a test waits for something that must come; it fails then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

enum Kind {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>, PathBuf, TempDir),
}

/// Where clients connect to.
pub(crate) struct Daemon(Kind);

impl Daemon {
    pub(crate) fn tcp() -> Self {
        Stopped::Tcp("127.0.0.1:0".into()).start()
    }

    pub(crate) fn unix() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        Stopped::Unix(path, folder).start()
    }

    pub(crate) fn url(&self) -> String {
        match &self.0 {
            Kind::Tcp(listener) => format!("tcp://{}", listener.get_ref().local_addr().unwrap()),
            Kind::Unix(_, path, _) => format!("unix://{}", path.display()),
        }
    }

    /// The next connection, before anything was read from it.
    pub(crate) fn accept(&self) -> Peer {
        let nobody = async {
            Timer::at(Instant::now() + PATIENCE).await;
            panic!("no client connected within {PATIENCE:?}");
        };
        block_on(future::or(self.accepted(), nobody))
    }

    /// The next connection that comes before the channel is closed.
    pub(crate) fn accept_before(&self, end: &Receiver<()>) -> Option<Peer> {
        let ended = async {
            let _ = end.recv().await;
            None
        };
        block_on(future::or(async { Some(self.accepted().await) }, ended))
    }

    async fn accepted(&self) -> Peer {
        let socket: Box<dyn Socket> = match &self.0 {
            Kind::Tcp(listener) => {
                let socket = listener.accept().await.unwrap().0.into_inner().unwrap();
                socket.set_nonblocking(false).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(socket)
            }
            Kind::Unix(listener, ..) => {
                let socket = listener.accept().await.unwrap().0.into_inner().unwrap();
                socket.set_nonblocking(false).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(socket)
            }
        };
        let max_message = 64 * DEFAULT_MAX_MESSAGE_BYTES;
        let framing = Framing { delimiter: Delimiter::Default, max_message, form: None, shared: false };
        Peer { socket, decoder: Decoder::new(framing) }
    }

    /// The next connection, its greeting answered.
    pub(crate) fn welcome(&self) -> Peer {
        let mut peer = self.accept();
        peer.greet();
        peer
    }

    /// Goes away and comes back at the same place, with every connection lost.
    pub(crate) fn stopped(self) -> Stopped {
        match self.0 {
            Kind::Tcp(listener) => Stopped::Tcp(listener.get_ref().local_addr().unwrap().to_string()),
            Kind::Unix(listener, path, folder) => {
                drop(listener);
                std::fs::remove_file(&path).unwrap();
                Stopped::Unix(path, folder)
            }
        }
    }

    /// Answers every command of every connection with [`answer_to`], in the background, as long as there are any.
    pub(crate) fn serve(self) -> String {
        let url = self.url();
        thread::spawn(move || {
            loop {
                let mut peer = self.accept();
                thread::spawn(move || while peer.answer_next(answer_to) {});
            }
        });
        url
    }
}

/// A daemon that is not running at the moment.
pub(crate) enum Stopped {
    Tcp(String),
    Unix(PathBuf, TempDir),
}

impl Stopped {
    pub(crate) fn start(self) -> Daemon {
        Daemon(match self {
            Self::Tcp(address) => Kind::Tcp(Async::new(TcpListener::bind(address).unwrap()).unwrap()),
            Self::Unix(path, folder) => {
                Kind::Unix(Async::new(UnixListener::bind(&path).unwrap()).unwrap(), path, folder)
            }
        })
    }
}

/// The daemon's end of one connection. Dropping it closes the connection.
pub(crate) struct Peer {
    socket: Box<dyn Socket>,
    decoder: Decoder,
}

impl Peer {
    /// The next command; `None` when the client has closed the connection.
    pub(crate) fn next(&mut self) -> Option<Command> {
        loop {
            if let Some(frame) = self.decoder.next_frame() {
                return Some(frame.command.unwrap());
            }
            let mut bytes = [0; 64 * 1024];
            match self.socket.read(&mut bytes) {
                Ok(0) => {
                    assert_eq!(self.decoder.held_bytes(), 0, "the client stopped within a command");
                    return None;
                }
                Ok(length) => self.decoder.push(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next command, if it has been read already.
    pub(crate) fn next_held(&mut self) -> Option<Command> {
        self.decoder.next_frame().map(|frame| frame.command.unwrap())
    }

    /// The data of the next command, which must be a publish.
    pub(crate) fn next_data(&mut self) -> String {
        match self.next() {
            Some(Command::Publish(publish)) => publish.data,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn answer(&mut self, reply: &Reply) {
        let mut line = Vec::new();
        reply.write_line(&mut line);
        self.say(&line);
    }

    /// Bytes as they are. The client may be gone.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Reads one byte and no more, so that the client's write fills the socket.
    pub(crate) fn taste(&mut self) {
        self.socket.read_exact(&mut [0]).unwrap();
    }

    /// Has at least one byte of the next command, and perhaps more; `false` when the client has closed the connection.
    pub(crate) fn nibble(&mut self) -> bool {
        self.decoder.held_bytes() > 0 || self.socket.read(&mut [0]).is_ok_and(|length| length > 0)
    }

    pub(crate) fn greet(&mut self) {
        assert_eq!(self.next(), Some(Command::Ping));
        self.answer(&pong());
    }

    /// Answers one command; `false` when there was none.
    pub(crate) fn answer_next(&mut self, reply: impl FnOnce(Command) -> Reply) -> bool {
        let Some(command) = self.next() else { return false };
        self.answer(&reply(command));
        true
    }
}

/// An answer from which can be seen which publish it belongs to: the number that is its data comes back as `matched`.
pub(crate) fn answer_to(command: Command) -> Reply {
    match command {
        Command::Publish(publish) => published(publish.data.parse().unwrap_or(0)),
        _ => pong(),
    }
}

pub(crate) fn published(matched: u64) -> Reply {
    Reply::Published(Published { id: EventId { millis: 1, sequence: matched }, matched, duplicate: false })
}

pub(crate) fn pong() -> Reply {
    Reply::Pong(Pong { version: "0.0.0-test".into(), protocol: PROTOCOL })
}

/// Waits for what the client's own thread does.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "it does not come");
        thread::yield_now();
    }
}

/// Options with which a test is soon over: it reconnects quickly.
pub(crate) fn brisk() -> Options {
    Options::default()
        .backoff_min(Duration::from_millis(1))
        .backoff_max(Duration::from_millis(10))
        .call_timeout(PATIENCE)
}

/// A client, and the daemon's end of its connection.
pub(crate) fn connected(daemon: &Daemon, options: Options) -> (hasses_client::blocking::Client, Peer) {
    let url = daemon.url();
    thread::scope(|scope| {
        let client = scope.spawn(|| hasses_client::blocking::Client::connect_with(&url, options).unwrap());
        let peer = daemon.welcome();
        (client.join().unwrap(), peer)
    })
}
