//! A daemon as far as the control protocol goes: every command gets the answer that the test made up for it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hasses_client::wire::{
    Command, DEFAULT_MAX_MESSAGE_BYTES, Decoder, Delimiter, EventId, Framing, PROTOCOL, Pong, Publish, Published, Reply,
};

pub(crate) struct Daemon {
    /// Where it listens.
    pub(crate) url: String,
    /// Every command but pings, in the order they came.
    pub(crate) received: Receiver<Command>,
    ending: Arc<AtomicBool>,
    connections: Arc<Mutex<usize>>,
    thread: Option<JoinHandle<()>>,
    socket: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// What to do after a command.
pub(crate) enum Then {
    /// Answer so, at once.
    Answer(Reply),
    /// Answer so, together with the next answer that goes out at once.
    Hold(Reply),
    /// Close the connection.
    HangUp,
}

impl Daemon {
    pub(crate) fn start(mut answer: impl FnMut(&Command) -> Then + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (sender, received) = channel();
        let ending = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(0));
        let thread = std::thread::spawn({
            let (ending, connections) = (ending.clone(), connections.clone());
            move || {
                for stream in listener.incoming() {
                    if ending.load(Ordering::SeqCst) {
                        return;
                    }
                    *connections.lock().unwrap() += 1;
                    serve(stream.unwrap(), &mut answer, &sender);
                }
            }
        });
        let url = format!("unix://{}", socket.display());
        Self { url, received, ending, connections, thread: Some(thread), socket, _folder: folder }
    }

    /// Answers every publish with `matched` 3 and its number as its id, and everything else as said.
    pub(crate) fn with(mut answer: impl FnMut(&Command) -> Reply + Send + 'static) -> Self {
        let mut ids = 0;
        Self::start(move |command| {
            Then::Answer(match command {
                Command::Publish(_) => published(&mut ids),
                command => answer(command),
            })
        })
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn next(&self) -> Command {
        self.received.recv_timeout(Duration::from_secs(20)).expect("a command within 20 s")
    }

    pub(crate) fn next_publish(&self) -> Publish {
        match self.next() {
            Command::Publish(publish) => publish,
            command => panic!("{command:?}"),
        }
    }
}

pub(crate) fn published(ids: &mut u64) -> Reply {
    *ids += 1;
    Reply::Published(Published { id: EventId { millis: 1000, sequence: *ids }, matched: 3, duplicate: false })
}

fn serve(mut stream: UnixStream, answer: &mut impl FnMut(&Command) -> Then, received: &Sender<Command>) {
    let framing =
        Framing { delimiter: Delimiter::Default, max_message: DEFAULT_MAX_MESSAGE_BYTES, form: None, shared: false };
    let mut decoder = Decoder::new(framing);
    let mut buffer = vec![0; 64 * 1024];
    let mut answers = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        decoder.push(&buffer[..read]);
        while let Some(frame) = decoder.next_frame() {
            let command = match frame.command {
                Ok(Command::Ping) => {
                    let pong = Pong { version: "9.9.9".into(), protocol: PROTOCOL };
                    Reply::Pong(pong).write_line(&mut answers);
                    stream.write_all(&std::mem::take(&mut answers)).unwrap();
                    continue;
                }
                Ok(command) => command,
                Err(failure) => {
                    Reply::Failed(failure).write_line(&mut answers);
                    continue;
                }
            };
            let then = answer(&command);
            // The test may have seen enough.
            let _ = received.send(command);
            match then {
                Then::Answer(reply) => {
                    reply.write_line(&mut answers);
                    if stream.write_all(&std::mem::take(&mut answers)).is_err() {
                        return;
                    }
                }
                Then::Hold(reply) => reply.write_line(&mut answers),
                Then::HangUp => return,
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees that it is to end.
        let _ = UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the daemon's thread panicked");
        }
    }
}
