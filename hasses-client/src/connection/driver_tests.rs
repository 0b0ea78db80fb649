use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A driver on a thread that says when it has ended, and the listener it connects to.
struct Running {
    calls: Entrance,
    ended: flume::Receiver<()>,
    listener: UnixListener,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // Pauses that no test waits for.
    let day = Duration::from_secs(24 * 3600);
    let options = Options::default().connect_timeout(day).backoff_min(day).backoff_max(day);
    let (calls, exit) = queue(&options);
    let (ready, _connected) = flume::bounded(1);
    let (over, ended) = flume::bounded(1);
    let driver = Driver::new(Address::Unix(path.clone()), options, exit);
    thread::spawn(move || {
        async_io::block_on(driver.run(&ready));
        over.send(()).unwrap();
    });
    Running { calls, ended, listener, path, _folder: folder }
}

impl Running {
    fn greet(&self) -> UnixStream {
        let (mut peer, _) = self.listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&peer).read_line(&mut line).unwrap();
        assert_eq!(line, "{\"cmd\":\"ping\"}\n");
        peer.write_all(b"{\"ok\":true,\"version\":\"0\",\"protocol\":1}\n").unwrap();
        peer
    }

    fn ends(self) {
        drop(self.calls);
        self.ended.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn the_thread_of_an_idle_client_ends_with_it() {
    let running = running();
    let peer = running.greet();
    running.ends();
    drop(peer);
}

#[test]
fn the_thread_of_a_client_without_a_daemon_ends_with_it() {
    let running = running();
    let peer = running.greet();
    std::fs::remove_file(&running.path).unwrap();
    drop(peer);
    running.ends();
}
