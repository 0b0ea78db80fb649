//! Connections that subscribe to everything and never read a byte. The daemon has to let go of them: what they cost it shows in its
//! memory and descriptors, since new ones come as long as it runs.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::chance::Chance;
use crate::tally::Tally;

/// How many there are at one time.
const MUTES: usize = 20;
/// How long one of them holds on, in milliseconds: some shorter, some longer than the daemon's patience.
const AGE: std::ops::Range<u64> = 1_000..60_000;

/// Keeps so many of them connected.
pub(crate) fn start(port: u16, tally: Arc<Tally>, mut chance: Chance) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut mutes: Vec<(TcpStream, Instant)> = Vec::new();
        while !tally.is_over() {
            mutes.retain(|(_, end)| *end > Instant::now());
            if mutes.len() < MUTES
                && let Some(mute) = connect(port)
            {
                tally.mutes.fetch_add(1, Relaxed);
                mutes.push((mute, Instant::now() + chance.millis(AGE)));
            }
            thread::sleep(Duration::from_millis(100));
        }
    })
}

fn connect(port: u16) -> Option<TcpStream> {
    // The daemon may be away.
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    set_socket_recv_buffer_size(&socket, 4096).ok()?;
    socket.write_all(b"GET /sse?subscribe=* HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    Some(socket)
}
