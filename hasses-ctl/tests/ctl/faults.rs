//! The command line itself: help, usage, and where the daemon is looked for.

use std::os::unix::fs::DirBuilderExt as _;

use hasses_client::wire::Command;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::program::{finish, program, run};

fn nothing_but_pings() -> Daemon {
    Daemon::with(|command: &Command| panic!("{command:?}"))
}

#[test]
fn a_command_line_that_cannot_be_understood_is_exit_code_2() {
    for words in [
        &["stauts"][..],
        &["status", "--frobnicate"],
        &["status", "now"],
        &["send"],
        &["send", "room"],
        &["send", "room", "hello", "world"],
        &["send", "room", "--x"],
        &["send", "room", "hi", "--lines"],
        &["send", "room", "hi", "--retry", "soon"],
        &["disconnect"],
        &["disconnect", "--client", "1", "--id", "a"],
        &["log-level", "loud"],
        &["reinit", "maybe"],
        &["listen"],
        &["listen", "room", "--url", "ws://127.0.0.1/sse"],
        &["listen", "room", "--ca", "/nonexistent/ca.pem"],
        &["doctor"],
        &["doctor", "example.com"],
        &["doctor", "https://u:p@example.com/sse"],
        &["doctor", "http://127.0.0.1/sse", "--origin", "https://example.com/"],
        &["doctor", "http://127.0.0.1/sse", "--ca", "/nonexistent/ca.pem"],
        &["doctor", "http://127.0.0.1/sse", "--wait", "soon"],
        &["completions", "tcsh"],
        &["status", "--control", "/run/x.sock"],
        &["--json"],
    ] {
        // A place where no daemon is, for those that would be understood by mistake.
        let child = program(words).env("HASSES_CONTROL", "unix:///nonexistent/control.sock").spawn().unwrap();
        let run = finish(child);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words:?}: {}", run.err);
        assert!(run.err.starts_with("error: ") || words.contains(&"--json"), "{words:?}: {}", run.err);
    }
    let json = run(&["stauts", "--json"]);
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((json.code, error["code"].as_str()), (2, Some("usage")));
}

#[test]
fn help_is_printed_where_it_was_asked_for_and_complained_where_nothing_was() {
    for words in [&["--help"][..], &["-h"], &["help"], &["help", "send"], &["send", "-h"], &["send", "room", "--help"]]
    {
        let run = run(words);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
        assert!(run.out.starts_with("Usage: hasses-ctl"), "{words:?}");
    }
    let nothing = run(&[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (2, ""));
    assert!(nothing.err.contains("Error codes:"), "{}", nothing.err);
    let version = run(&["--version"]);
    assert_eq!((version.code, version.out), (0, format!("hasses-ctl {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn no_daemon_is_exit_code_3_and_says_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix://{}/control.sock", folder.path().display());
    for words in [&["status"][..], &["ping"], &["send", "room", "hi"], &["clients"], &["send", "room", "--lines"]] {
        let run = run(&[words, &["--control", &url]].concat());
        assert_eq!((run.code, run.out.as_str()), (3, ""), "{words:?}");
        assert!(run.err.contains(&url) && run.err.contains("is the daemon running?"), "{}", run.err);
    }
    let json = run(&["status", "--json", "--control", &url]);
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((json.code, error["code"].as_str()), (3, Some("unreachable")));
}

#[test]
fn the_daemon_is_found_by_flag_then_variable() {
    let (said, variable) = (nothing_but_pings(), nothing_but_pings());
    let ping = |words: &[&str]| finish(program(words).env("HASSES_CONTROL", &variable.url).spawn().unwrap());
    assert_eq!(ping(&["ping"]).code, 0);
    assert_eq!((said.connections(), variable.connections()), (0, 1));
    assert_eq!(ping(&["ping", "--control", &said.url]).code, 0);
    assert_eq!((said.connections(), variable.connections()), (1, 1));
}

#[test]
fn the_daemon_is_found_at_the_default_sockets() {
    let daemon = nothing_but_pings();
    let socket = daemon.url.strip_prefix("unix://").unwrap();
    for (variable, below) in [
        ("XDG_RUNTIME_DIR", "hasses".to_owned()),
        ("TMPDIR", format!("hasses-{}", rustix::process::geteuid().as_raw())),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::DirBuilder::new().mode(0o700).create(folder.path().join(&below)).unwrap();
        std::os::unix::fs::symlink(socket, folder.path().join(&below).join("control.sock")).unwrap();
        let before = daemon.connections();
        let run = finish(program(&["ping"]).env(variable, folder.path()).spawn().unwrap());
        assert_eq!(run.code, 0, "{variable}: {}", run.err);
        // A daemon of the machine comes first, where there is one.
        let of_machine = std::os::unix::net::UnixStream::connect("/run/hasses/control.sock").is_ok();
        assert!(of_machine || daemon.connections() == before + 1, "{variable}");
    }
}

#[test]
fn completions_complete() {
    let script = run(&["completions", "bash"]);
    assert_eq!(script.code, 0);
    let completed = |words: &str| {
        let count = words.split(' ').count();
        let body = format!(
            "{}\nset -u\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_hasses_ctl\necho \"${{COMPREPLY[*]}}\"",
            script.out,
            words.split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            count - 1
        );
        let output = std::process::Command::new("bash").args(["-c", &body]).output().expect("bash runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    for (words, expected) in [
        ("hasses-ctl st", "status"),
        ("hasses-ctl --control unix : ///x st", "status"),
        ("hasses-ctl --control send st", "status"),
        ("hasses-ctl log-level de", "debug"),
        ("hasses-ctl --json reinit o", "on off"),
        ("hasses-ctl send status --e", "--event --except"),
        ("hasses-ctl send room --s", ""),
        ("hasses-ctl status --j", "--json"),
        ("hasses-ctl send room --event st", ""),
    ] {
        assert_eq!(completed(words), expected, "{words}");
    }
}
