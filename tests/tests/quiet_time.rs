//! Publishers that never terminate a message and write 100 a second, as they may with the classic daemon.
//!
//! Two writes between which the daemon does not get the processor become one read, and nothing tells them apart then. So that
//! a busy machine is no failure, each write waits also for the event of the one before; where there is nothing else to do,
//! that makes no difference to the pace.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use hasses_tests::{TestDaemon, Way};

const WRITES: u32 = 100;
/// 100 a second.
const APART: Duration = Duration::from_millis(10);
/// Much more than the quiet time of these ways, and less than that of remote TCP.
const LATE: Duration = Duration::from_millis(150);

#[test]
fn a_hundred_unterminated_writes_a_second_are_a_hundred_events_on_every_way() {
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=tick");
        let mut publisher = way.open(&daemon);
        let begun = Instant::now();
        for nth in 0..WRITES {
            let written = Instant::now();
            publisher.write_all(format!("tick={nth}").as_bytes()).unwrap();
            assert_eq!(subscriber.data(), nth.to_string(), "{way:?}");
            // This is the pace of the publisher, and nothing is waited for.
            while let Some(rest) = APART.checked_sub(written.elapsed()).filter(|rest| !rest.is_zero()) {
                thread::park_timeout(rest);
            }
        }
        assert!(begun.elapsed() < LATE * WRITES, "{way:?}: {WRITES} events took {:?}", begun.elapsed());
        let status = daemon.status();
        assert_eq!((status.messages_total, status.refused_commands_total), (u64::from(WRITES), 0), "{way:?}");
    }
}
