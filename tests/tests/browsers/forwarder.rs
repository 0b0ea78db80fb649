//! The network between a page and a daemon, which does what a test wants of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hasses_tests::wait_for;
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use smol::future::FutureExt as _;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::lock::{RwLock, RwLockWriteGuardArc};
use smol::{Async, Task};

use crate::Daemon;

/// What the kernel keeps of what the daemon sent until it is read here, in bytes, before it doubles it. Left to itself, it may take
/// mebibytes; with less than this, which is a segment on loopback, it dawdles.
const UNREAD: usize = 64 * 1024;

/// Passes connections on to a daemon, from a port of its own.
pub(crate) struct Forwarder {
    address: SocketAddr,
    wires: Arc<Wires>,
    /// Held as long as nothing is taken from the daemon.
    halted: Option<RwLockWriteGuardArc<()>>,
    /// Held as long as nobody gets through.
    closed: Option<RwLockWriteGuardArc<()>>,
    /// Dropping it ends the accepting.
    _accepting: Task<()>,
}

/// What the connections share.
struct Wires {
    daemon: SocketAddr,
    flow: Arc<RwLock<()>>,
    door: Arc<RwLock<()>>,
    /// The text behind which the next connection that gets to it is reset.
    cut: Mutex<Option<String>>,
    passages: Mutex<Vec<Passage>>,
    tasks: Mutex<Vec<Task<()>>>,
}

/// A connection on which something was asked.
#[derive(Clone)]
pub(crate) struct Passage {
    /// When.
    pub(crate) asked: Instant,
    /// What the browser got so far.
    pub(crate) answer: String,
    /// When the daemon had ended it.
    pub(crate) ended: Option<Instant>,
}

impl Forwarder {
    /// One before the daemon at this address.
    pub(crate) fn to(daemon: &str) -> Self {
        let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.get_ref().local_addr().expect("its address");
        let wires = Arc::new(Wires {
            daemon: daemon.parse().expect("an address"),
            flow: Arc::default(),
            door: Arc::default(),
            cut: Mutex::default(),
            passages: Mutex::default(),
            tasks: Mutex::default(),
        });
        let shared = wires.clone();
        let accepting = smol::spawn(async move {
            loop {
                let (browser, _) = listener.accept().await.expect("a connection");
                let connection = shared.clone();
                let task = smol::spawn(async move {
                    // Either side may end it.
                    let _ = connection.pass_on(browser).await;
                });
                locked(&shared.tasks).push(task);
            }
        });
        Self { address, wires, halted: None, closed: None, _accepting: accepting }
    }

    /// What a page subscribes to.
    pub(crate) fn url(&self, query: &str) -> String {
        format!("http://{}/sse?{query}", self.address)
    }

    /// From now on nothing more is taken from the daemon.
    pub(crate) fn halt(&mut self) {
        self.halted = Some(self.wires.flow.write_arc_blocking());
    }

    /// It is taken again.
    pub(crate) fn go_on(&mut self) {
        self.halted = None;
    }

    /// Ends every connection, and lets who connects from now on wait. What was passed on arrives, and the daemon knows that its
    /// subscribers are gone.
    pub(crate) fn part(&mut self, daemon: &Daemon) {
        self.closed = Some(self.wires.door.write_arc_blocking());
        let tasks = std::mem::take(&mut *locked(&self.wires.tasks));
        for task in tasks {
            smol::block_on(task.cancel());
        }
        let mut publisher = daemon.publisher();
        wait_for("the daemon to be left", || (publisher.status().subscribers == 0).then_some(()));
    }

    /// Lets those through who wait, and who will come.
    pub(crate) fn mend(&mut self) {
        self.closed = None;
    }

    /// Resets the next connection on which this text comes, right behind it.
    pub(crate) fn cut_behind(&self, text: &str) {
        *locked(&self.wires.cut) = Some(text.to_owned());
    }

    /// The nth connection on which something was asked, counted from 0, once `is_so` is true of it.
    pub(crate) fn passage(&self, nth: usize, mut is_so: impl FnMut(&Passage) -> bool) -> Passage {
        wait_for("a connection", || {
            let passage = locked(&self.wires.passages).get(nth).cloned();
            passage.filter(&mut is_so)
        })
    }
}

impl Wires {
    async fn pass_on(&self, browser: Async<TcpStream>) -> io::Result<()> {
        // Not in the future itself, where it would be moved about.
        let mut request = vec![0; 16 * 1024];
        let count = (&browser).read(&mut request).await?;
        if count == 0 {
            // Browsers may connect ahead.
            return Ok(());
        }
        let nth = {
            let mut passages = locked(&self.passages);
            passages.push(Passage { asked: Instant::now(), answer: String::new(), ended: None });
            passages.len() - 1
        };
        drop(self.door.read().await);
        let daemon = Async::<TcpStream>::connect(self.daemon).await?;
        set_socket_recv_buffer_size(&daemon, UNREAD)?;
        (&daemon).write_all(&request[..count]).await?;
        let up = async {
            // A browser that has its stream sends nothing more; it ends.
            (&browser).read(&mut request).await.map(drop)
        };
        self.answer(nth, &daemon, &browser).or(up).await
    }

    async fn answer(&self, nth: usize, daemon: &Async<TcpStream>, browser: &Async<TcpStream>) -> io::Result<()> {
        let (mut daemon, mut browser) = (daemon, browser);
        let mut buffer = vec![0; 16 * 1024];
        loop {
            daemon.readable().await?;
            let _flow = self.flow.read().await;
            let count = daemon.read(&mut buffer).await?;
            if count == 0 {
                locked(&self.passages)[nth].ended = Some(Instant::now());
                return Ok(());
            }
            let cut = self.note(nth, &buffer[..count]);
            browser.write_all(&buffer[..cut.unwrap_or(count)]).await?;
            if cut.is_some() {
                // It is closed without a last word, then.
                return set_socket_linger(browser, Some(Duration::ZERO)).map_err(io::Error::from);
            }
        }
    }

    /// Notes what comes; gives how much of it is passed on before the connection is cut, if it is.
    fn note(&self, nth: usize, bytes: &[u8]) -> Option<usize> {
        let mut passages = locked(&self.passages);
        let answer = &mut passages[nth].answer;
        let before = answer.len();
        *answer += str::from_utf8(bytes).expect("numbers have only ASCII");
        let mut cut = locked(&self.cut);
        let text = cut.as_ref()?;
        // It may have begun with what came before.
        let from = before.saturating_sub(text.len() - 1);
        let end = from + answer[from..].find(text)? + text.len();
        *cut = None;
        Some(end - before)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
