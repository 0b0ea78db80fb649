//! A server as far as subscribers go: the test reads each request and writes what is to be answered.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use crate::heard::PATIENCE;

pub(crate) struct Server {
    /// Scheme, host and port.
    pub(crate) origin: String,
    accepted: Receiver<TcpStream>,
    tls: Option<Arc<ServerConfig>>,
}

/// A request that waits for its answer. Dropping it closes the connection.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    stream: Stream,
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Server {
    pub(crate) fn open() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), "127.0.0.1", None)
    }

    /// On all addresses of `localhost`, with TLS.
    pub(crate) fn secured(tls: Arc<ServerConfig>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), "localhost", Some(tls))
    }

    pub(crate) fn on(listener: TcpListener, host: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{host}:{}", listener.local_addr().unwrap().port());
        let (sender, accepted) = channel();
        // Ends with the test's process: it holds nothing but its port.
        std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| sender.send(stream)));
        Self { origin, accepted, tls }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("{}{target}", self.origin)
    }

    /// The next connection.
    pub(crate) fn connection(&self) -> Stream {
        let tcp = self.accepted.recv_timeout(PATIENCE).expect("a connection in time");
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        match &self.tls {
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
            None => Stream::Plain(tcp),
        }
    }

    /// The next request.
    pub(crate) fn next(&self) -> Request {
        let mut stream = self.connection();
        let mut lines = BufReader::new(&mut stream).lines().map(Result::unwrap);
        let line = lines.next().expect("a request");
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_owned(), value.to_owned())
        });
        let headers = headers.collect();
        Request { line, headers, stream }
    }

    /// The next request, answered with a stream.
    pub(crate) fn accept(&self) -> Request {
        let mut request = self.next();
        request.accept();
        request
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn last_event_id(&self) -> Option<&str> {
        self.header("last-event-id")
    }

    pub(crate) fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// A head that begins a stream of chunks.
    pub(crate) fn accept(&mut self) {
        let kind = "Content-Type: text/event-stream; charset=utf-8";
        self.answer(format!("HTTP/1.1 200 OK\r\n{kind}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    /// A chunk.
    pub(crate) fn say(&mut self, text: impl AsRef<[u8]>) {
        self.answer(chunk(text.as_ref()));
    }

    /// The last chunk, and the end of the connection.
    pub(crate) fn end(mut self) {
        self.answer("0\r\n\r\n");
        let _ = self.stream.tcp().shutdown(Shutdown::Both);
    }

    /// Whether the other side closes the connection, which is a reset where it had not read everything.
    pub(crate) fn is_left(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl Stream {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// What the client said when TLS began.
    pub(crate) fn session(&self) -> Option<&ServerConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(&stream.conn),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// These bytes as one chunk.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// A port that refuses connections until it is listened on; nobody else can take it meanwhile.
pub(crate) fn closed_port() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&address.into()).unwrap();
    socket
}
