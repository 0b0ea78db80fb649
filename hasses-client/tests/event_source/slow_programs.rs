//! A program that takes its time.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use crate::heard::{brisk, told};
use crate::server::{Server, chunk};

/// More than all buffers of the system between two sockets hold.
const MUCH: usize = 256 << 20;

#[test]
fn a_slow_program_holds_the_stream_back_and_then_gets_all_of_it() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut request = server.accept();
    assert_eq!(told(&mut source), "open");
    let filling = "x".repeat(1000);
    let event = |number: usize| chunk(format!("id: {number}\ndata: {number} {filling}\n\n").as_bytes());
    // Until the server is held back.
    request.stream().tcp().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut bytes, mut begun) = (0, 0);
    let rest = loop {
        let event = event(begun);
        begun += 1;
        match write_some(&mut request, &event) {
            written if written < event.len() => break event[written..].to_vec(),
            written => bytes += written,
        }
        assert!(bytes < MUCH, "nothing holds the server back");
    };
    // What the program has not taken is not in its memory, but for three reads.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            request.stream().tcp().set_write_timeout(None).unwrap();
            request.answer(rest);
            request.answer(event(begun));
            request.end();
        });
        for number in 0..=begun {
            let data = format!("{number} {filling}");
            assert_eq!(told(&mut source), format!("message {data:?} @{number}"));
        }
        assert_eq!(told(&mut source), "lost: the stream has ended");
    });
}

/// Writes as much as goes within the socket's time-out.
fn write_some(request: &mut crate::server::Request, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match request.stream().write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    written
}
