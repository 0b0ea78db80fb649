//! Cases of the whole way of a publish: from the bytes of a control connection to those of its answer.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use hasses::config::Config;
use hasses_adapters::{Current, Passed, Session, Settings, Way};
use smol::Executor;
use smol::io::{AsyncRead, AsyncWrite};
use smol::lock::Semaphore;

use crate::case::Case;
use crate::meter::Meter;
use crate::stage::Stage;
use crate::wire::{LINES_A_READ, classic_line, json_line};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "session/json-bulk",
        per: "a publish",
        run: |meter| publish(meter, &json_line(), LINES_A_READ, Answers::Each),
    },
    Case { name: "session/json-alone", per: "a publish", run: |meter| publish(meter, &json_line(), 1, Answers::Each) },
    Case {
        name: "session/classic-bulk",
        per: "a publish",
        run: |meter| publish(meter, &classic_line(), LINES_A_READ, Answers::None),
    },
];

/// Publishes of a case, and of what comes before it.
const PUBLISHES: usize = 4 * LINES_A_READ;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    None,
    Each,
}

/// The stream of a publisher, without a socket: each read gives what one write of it held.
struct Stream {
    reads: VecDeque<Vec<u8>>,
    answers: Arc<Mutex<Vec<u8>>>,
}

/// Publishes to a topic without subscribers, so many a read.
fn publish(meter: &mut Meter, line: &str, a_read: usize, expected: Answers) {
    let mut stage = Stage::new();
    let executor = Executor::new();
    let hub = stage.take_hub();
    executor.spawn(hub).detach();
    // What grows with the first publishes has grown then.
    serve(&mut stage, &executor, Stream::new(line, a_read), |work| work());
    let stream = Stream::new(line, a_read);
    let answers = stream.answers.clone();
    serve(&mut stage, &executor, stream, |work| meter.count(PUBLISHES, work));
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    let answered = answers.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(answered, if expected == Answers::Each { PUBLISHES } else { 0 });
    assert_eq!(stage.shared.counters.messages.load(Relaxed), 2 * PUBLISHES as u64);
}

/// Serves a stream to its end under `count`: whatever can go on does, then the shard has a turn.
fn serve(stage: &mut Stage, executor: &Executor<'_>, stream: Stream, count: impl FnOnce(&mut dyn FnMut())) {
    let config = Config::default();
    let settings = Settings {
        delimiter: config.delimiter,
        max_message: config.limits.max_message,
        quiet_local: config.limits.quiet_local,
        quiet_remote: config.limits.quiet_remote,
        allow_remote: false,
        passed: Passed::default(),
    };
    let context = hasses_adapters::Context {
        inbox: stage.inbox.clone(),
        current: Current::new(settings),
        permits: Arc::new(Semaphore::new(1)),
        tcp_permits: Arc::new(Semaphore::new(1)),
        stats: stage.shared.control.clone(),
        audience: stage.shared.counters.subscribers.clone(),
    };
    let session = Session::new("publisher".to_owned(), Way::Both, None, config.limits.quiet_local, context);
    // As in a source: its sessions have an executor, which is a task of the thread's.
    let source = executor.spawn(async move {
        let sessions = Executor::new();
        let session = sessions.spawn(session.run(stream));
        sessions.run(session).await.expect("the stream does not break");
    });
    count(&mut || {
        while !source.is_finished() {
            while executor.try_tick() {}
            stage.turn();
        }
    });
}

impl Stream {
    fn new(line: &str, a_read: usize) -> Self {
        let reads = (0..PUBLISHES / a_read).map(|_| line.repeat(a_read).into_bytes()).collect();
        // Without growing, which is a matter of sockets' buffers elsewhere.
        Self { reads, answers: Arc::new(Mutex::new(Vec::with_capacity(100 * PUBLISHES))) }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(bytes) = self.reads.pop_front() else { return Poll::Ready(Ok(0)) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
