//! The real daemon as a service of its machine: in the background, as another user, under a service manager, and how it takes
//! SIGHUP. What only root can do is left out for others, and that is said.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod background;
mod classic;
mod daemon;
mod descriptors;
mod initscript;
mod logs;
mod notify;
mod packaging;
mod passed;
mod pid_file;
mod privileges;
mod reload;
mod terminal;
mod users;

use std::path::Path;
use std::process::Command;

use hasses_tests::binary;

/// The daemon, told to go to the background, with log and pid file in `folder`.
fn to_background(folder: &Path) -> Command {
    let mut command = Command::new(binary("hasses"));
    command.arg("--background").args(["--listen", "127.0.0.1:0"]);
    command.arg("--log-file").arg(folder.join("hasses.log"));
    command.arg("--pid-file").arg(folder.join("hasses.pid"));
    command
}
