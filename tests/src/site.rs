//! The server of a page: one file, and a place for what the page reports.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use smol::Task;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::{TcpListener, TcpStream};

/// Serves until it is dropped, on a port of its own, and so as an origin of its own.
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    /// What the page has posted, in order.
    pub(crate) reports: Receiver<String>,
    /// Dropping it ends the accepting. A connection ends with its one request, or with the browser.
    _accepting: Task<()>,
}

impl Site {
    pub(crate) fn start(page: &str) -> Self {
        let listener = smol::block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (sender, reports) = channel();
        let page: Arc<str> = page.into();
        let accepting = smol::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                smol::spawn(serve(socket, Arc::clone(&page), sender.clone())).detach();
            }
        });
        Self { address, reports, _accepting: accepting }
    }

    /// `ADDR:PORT`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One request. A browser that leaves in the middle of it is no fault: it is killed at the end of a test.
async fn serve(mut socket: TcpStream, page: Arc<str>, reports: Sender<String>) {
    let Some((head, body)) = request(&mut socket).await else { return };
    let (status, answer) = match head.split(['?', ' ']).take(2).collect::<Vec<_>>()[..] {
        ["GET", "/"] => ("200 OK", &*page),
        ["POST", "/report"] => {
            // The test may be over.
            let _ = reports.send(body);
            ("200 OK", "")
        }
        _ => ("404 Not Found", ""),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        answer.len()
    );
    let _ = socket.write_all((head + answer).as_bytes()).await;
}

/// Head and body of a request; `None` where it does not come to its end.
async fn request(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    // Not in the future itself, where it would be moved about.
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = crate::header(head, "Content-Length").map_or(0, |length| length.parse().expect("a length"));
            let begin = head.len() + 4;
            if read.len() >= begin + length {
                let body = String::from_utf8(read[begin..begin + length].to_vec()).expect("browsers post UTF-8");
                return Some((head.to_owned(), body));
            }
        }
        let count = socket.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    }
}
