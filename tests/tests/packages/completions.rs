//! The daemon's completions, tried in bash; that the others hold the same is a test of the crate.

use std::process::Command;

use hasses_tests::{finish, required};

use crate::{flags_and_switches, printed};

/// What bash offers for the last of these words, which are split as bash splits them (`=` is a word).
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let bash = required("bash")?;
    let script = format!(
        "{}\nset -u\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n_hasses\nprintf '%s\\n' \"${{COMPREPLY[@]-}}\"",
        printed("hasses", &["--completions", "bash"])
    );
    let ended = finish(Command::new(bash).args(["--norc", "-c", &script, "bash"]).args(words));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{words:?}");
    Some(ended.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[test]
fn bash_completes_flags_switches_and_values() {
    for (words, expected) in [
        (&["hasses", "--lis"][..], &["--listen", "--listen-tls"][..]),
        (&["hasses", "--path", "/sse", "--max-subscribers-"], &["--max-subscribers-per-address"]),
        (&["hasses", "-mu"], &["-murl="]),
        (&["hasses", "-p", "=", "8080", "-noda"], &["-nodaemon"]),
        (&["hasses", "--log-level", "de"], &["debug"]),
        (&["hasses", "--log-level", "="], &["quiet", "normal", "debug"]),
        (&["hasses", "--log-format", "=", "j"], &["json"]),
        (&["hasses", "--completions", ""], &["bash", "zsh", "fish"]),
        // Files are left to bash itself, and nothing is known about addresses.
        (&["hasses", "--config", "--lis"], &[]),
        (&["hasses", "--listen", "--lis"], &[]),
        (&["hasses", "-fifo", "=", "-"], &[]),
    ] {
        let Some(offered) = offered(words) else { return };
        assert_eq!(offered, expected, "{words:?}");
    }
}

#[test]
fn bash_offers_every_flag_and_switch_of_the_help() {
    let Some(offered) = offered(&["hasses", "-"]) else { return };
    for name in flags_and_switches() {
        assert!(offered.contains(&name), "{name} is missing in {offered:?}");
    }
}
