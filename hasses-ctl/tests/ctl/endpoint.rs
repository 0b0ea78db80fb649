//! An SSE port as far as one subscriber goes: the test reads each request and writes what is to be answered.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub(crate) struct Endpoint {
    /// The URL of the path `/sse` there.
    pub(crate) url: String,
    accepted: Receiver<TcpStream>,
}

/// A request that waits for its answer.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    stream: TcpStream,
}

impl Endpoint {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/sse", listener.local_addr().unwrap());
        let (sender, accepted) = channel();
        // Ends with the test's process: it holds nothing but its port.
        std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| sender.send(stream)));
        Self { url, accepted }
    }

    pub(crate) fn next(&self) -> Request {
        let stream = self.accepted.recv_timeout(Duration::from_secs(20)).expect("a connection within 20 s");
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
        let line = lines.next().expect("a request");
        let headers = lines.take_while(|line| !line.is_empty()).collect();
        Request { line, headers, stream }
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn answer(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    pub(crate) fn accept(&mut self) {
        self.answer(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        self.chunk(":\n");
    }

    pub(crate) fn chunk(&mut self, text: &str) {
        self.answer(&format!("{:x}\r\n{text}\r\n", text.len()));
    }

    /// The last chunk, and the end of the connection.
    pub(crate) fn end(mut self) {
        self.answer("0\r\n\r\n");
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
