//! What packages are made of: manual pages, completions, the list of files of the Debian package, and the container.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod completions;
mod container;
mod debian;
mod manual;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{binary, finish};

/// The folder of the daemon's crate.
fn daemon_crate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("hasses")
}

/// What the program prints to standard output, and nothing else.
fn printed(program: &str, arguments: &[&str]) -> String {
    let ended = finish(Command::new(binary(program)).args(arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{program} {arguments:?}");
    ended.stdout
}

/// What the first word of a line of the daemon's help is, where it is a flag or a classic switch: up to its value.
fn flags_and_switches() -> BTreeSet<String> {
    let help = printed("hasses", &["--help"]);
    // `-h, --help` is one line; the long form stands for both.
    let words = help.lines().filter_map(|line| {
        let mut words = line.strip_prefix("  ")?.split_whitespace();
        let first = words.next()?;
        if first.ends_with(',') { words.next() } else { Some(first) }
    });
    let found: BTreeSet<_> = words
        .filter(|word| word.starts_with('-'))
        .map(|word| word.split_inclusive('=').next().unwrap_or(word).to_owned())
        .collect();
    for known in ["--listen", "--man", "--max-subscribers-per-address", "-murl=", "-nodaemon"] {
        assert!(found.contains(known), "{known} is not found in the help: {found:?}");
    }
    found
}
