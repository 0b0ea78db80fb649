//! The real binary under its modern flags: how it starts, what it says, how it is configured, and how it ends.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod configuration;
mod default_start;
mod ending;
mod logs;
mod usage;

use hasses_tests::Running;

/// What nearly every test starts with: any port, and TCP control on any.
const ANY_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--control", "tcp://127.0.0.1:0"];

/// The first SSE address of a running daemon, and that of its TCP control.
fn addresses(running: &Running) -> (String, String) {
    // Up to what JSON, or the path, may put behind it.
    let said = |prefix: &str| running.said(prefix).split(['"', '/']).next().unwrap_or_default().to_owned();
    (said("subscribers: http://"), said("control: tcp://"))
}
