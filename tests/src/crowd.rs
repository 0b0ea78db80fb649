//! Many subscribers, read by one thread with an epoll.
//!
//! All of them receive the same bytes, so none is parsed: whoever is ahead writes down what came, and everybody else is
//! compared with that. What was written down is read once, at the end.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::DEADLINE;

/// Many subscribers of the same topics.
#[derive(Debug)]
pub struct Crowd {
    epoll: OwnedFd,
    members: Vec<Member>,
    /// Bodies as far as anybody has read, without the response heads.
    body: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    socket: TcpStream,
    /// What came so far of the response head; `None` once it is complete.
    head: Option<Vec<u8>>,
    /// How much of the body has come.
    position: usize,
}

impl Crowd {
    /// Connects so many subscribers, and waits until each has its first comment. They are not told where they stand, since that
    /// may not be the same for all.
    ///
    /// # Panics
    /// One of them is not served.
    #[must_use]
    pub fn subscribe(address: &str, query: &str, count: usize) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll");
        let request = format!("GET /sse?{query}&notices=0 HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut crowd = Self { epoll, members: Vec::with_capacity(count), body: Vec::new() };
        for nth in 0..count {
            let mut socket = TcpStream::connect(address).expect("the daemon listens");
            socket.write_all(request.as_bytes()).expect("the request is taken");
            let nth = u64::try_from(nth).expect("a number");
            epoll::add(&crowd.epoll, &socket, EventData::new_u64(nth), EventFlags::IN).expect("it can be watched");
            crowd.members.push(Member { socket, head: Some(Vec::new()), position: 0 });
            // Their buffers are emptied on the way, so that no order of connecting matters.
            crowd.read_on(0);
        }
        crowd.read_until("the first comments", |body| body == b"2\r\n:\n\r\n");
        crowd
    }

    /// Reads until the body that everybody has got is enough; gives it.
    ///
    /// # Panics
    /// Somebody gets something else, or leaves, or the deadline passes.
    pub fn read_until(&mut self, what: &str, enough: impl Fn(&[u8]) -> bool) -> &[u8] {
        let deadline = Instant::now() + 2 * DEADLINE;
        loop {
            let behind = self.members.iter().filter(|member| member.position < self.body.len()).count();
            if behind == 0 && enough(&self.body) {
                return &self.body;
            }
            let tail = String::from_utf8_lossy(&self.body[self.body.len().saturating_sub(200)..]);
            assert!(Instant::now() < deadline, "{behind} wait in vain for {what}; the last bytes: {tail:?}");
            self.read_on(100);
        }
    }

    /// Reads what has come; waits so many milliseconds for something to come.
    fn read_on(&mut self, millis: i64) {
        let mut buffer = [0; 64 * 1024];
        for nth in ready(&self.epoll, millis) {
            let member = &mut self.members[nth];
            let count = match rustix::net::recv(&member.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => count,
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(error) => panic!("subscriber {nth}: {error}"),
            };
            assert!(count > 0, "subscriber {nth} was disconnected");
            member.take(nth, &buffer[..count], &mut self.body);
        }
    }
}

/// The numbers of those whose sockets are ready, which are what they were registered with; waits so many milliseconds for one.
///
/// # Panics
/// The epoll does not answer.
#[must_use]
pub fn ready(epoll: &OwnedFd, millis: i64) -> Vec<usize> {
    let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); 256];
    let patience = Timespec { tv_sec: 0, tv_nsec: millis * 1_000_000 };
    let (ready, _) = epoll::wait(epoll, &mut buffer, Some(&patience)).expect("epoll answers");
    ready.iter().map(|event| usize::try_from(event.data.u64()).expect("a number")).collect()
}

impl Member {
    fn take(&mut self, nth: usize, bytes: &[u8], body: &mut Vec<u8>) {
        let Some(mut head) = self.head.take() else { return self.compare(nth, bytes, body) };
        head.extend_from_slice(bytes);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
            self.head = Some(head);
            return;
        };
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{nth}: {}", text(&head));
        self.compare(nth, &head[end + 4..], body);
    }

    fn compare(&mut self, nth: usize, bytes: &[u8], body: &mut Vec<u8>) {
        let known = (body.len() - self.position).min(bytes.len());
        let expected = &body[self.position..self.position + known];
        assert!(*expected == bytes[..known], "subscriber {nth} got {:?}, others got {:?}", text(bytes), text(expected));
        body.extend_from_slice(&bytes[known..]);
        self.position += bytes.len();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
