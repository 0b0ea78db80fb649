//! What the tests share: a daemon in this process, a subscriber and a publisher made of bare sockets, and waiting with a
//! deadline instead of sleeping.

#![expect(clippy::expect_used, reason = "this crate is for tests only: what cannot go on shall fail, and say where")]

mod answer;
mod authority;
mod browser;
mod crowd;
mod daemon;
mod issued;
mod page;
mod programs;
mod proxy;
mod publisher;
mod site;
mod subscriber;
mod tls;
mod way;
mod witness;

use std::time::{Duration, Instant};

pub use answer::{Answer, header};
pub use authority::{Authority, Certificate};
pub use browser::Browser;
pub use crowd::{Crowd, ready};
pub use daemon::{TestDaemon, certificates};
pub use issued::Issued;
pub use page::{Page, Report, Seen};
pub use programs::{Finished, Running, binary, finish, free_port, required, runs_as_root};
pub use proxy::{Configuration, Proxy, own_address};
pub use publisher::Publisher;
pub use subscriber::{Event, Stream, Subscriber};
pub use tls::TlsClient;
pub use way::Way;
pub use witness::Witness;

/// How long anything may take before a test fails. Far more than is ever needed: it is there so that a fault ends.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks again and again until the answer is there.
///
/// # Panics
/// Names what was waited for when the deadline has passed.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        // A short rest between two questions; nothing depends on its length.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
