//! Help, version, and what is wrong with a command line.

use std::process::{Command, Stdio};

use hasses_tests::{binary, finish, required};

#[test]
fn help_goes_to_standard_output_with_exit_code_0() {
    let texts = ["--help", "-h", "help"].map(|word| {
        let ended = finish(Command::new(binary("hasses")).args(["--path", "/x", word]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{word}");
        ended.stdout
    });
    assert!(texts[0] == texts[1] && texts[1] == texts[2]);
    for part in [
        "Usage: hasses [--listen ADDR:PORT]",
        "--control",
        "--allow-remote-control",
        "--max-message",
        "--cors-origin",
        "--log-format",
        "tcp://ADDR:PORT",
        "unix:///PATH",
        "fifo:///PATH",
        "-murl=/PATH",
        "Exit codes: 0",
    ] {
        assert!(texts[0].contains(part), "{part} is missing in {}", texts[0]);
    }
}

#[test]
fn help_that_nobody_reads_to_the_end_is_no_failure() {
    let mut child =
        Command::new(binary("hasses")).arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn version_is_one_line_with_exit_code_0() {
    let ended = finish(Command::new(binary("hasses")).arg("--version"));
    let version = format!("hasses {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ended.code, ended.stdout, ended.stderr.as_str()), (0, version, ""));
}

#[test]
fn usage_errors_say_what_is_wrong_and_exit_with_2() {
    for (arguments, part) in [
        (&["--lisen", "127.0.0.1:0"][..], "unknown flag --lisen; the nearest is --listen"),
        (&["--listen"], "--listen needs a value: ADDR:PORT"),
        (&["--listen", "8080"], "--listen: \"8080\" is no address with a port"),
        (&["--listen=localhost:8080"], "\"localhost\" in \"localhost:8080\" is no IP address"),
        (&["--path", "sse"], "--path: \"sse\" does not begin with /"),
        (&["--path=/a", "--path=/b"], "--path is given twice"),
        (&["--max-message", "10"], "--max-message: 10 is outside of the range 512 to 256m"),
        (&["--max-message=lots"], "--max-message: \"lots\" is no number of bytes"),
        (&["--max-message=32m", "--in-flight=1m"], "in-flight is 1m, less than the 32m of one message"),
        (&["--log-level", "loud"], "--log-level: \"loud\" is no log level (quiet, normal, debug)"),
        (&["--log-format", "xml"], "--log-format: \"xml\" is no log format (text, bare, json)"),
        (&["--delimiter", "=="], "--delimiter: \"==\" is not one ASCII character"),
        (&["--cors-origin", "example.com"], "--cors-origin: \"example.com\" is no origin: it has no scheme"),
        (&["--cors-credentials"], "cors-credentials: browsers take credentials only where origins are named"),
        (&["--allow-reinit=yes"], "--allow-reinit takes no value"),
        (&["--shards", "0"], "--shards: 0 is outside of the range 1 to 256"),
        (
            &["--listen=127.0.0.1:1", "--control=tcp://127.0.0.1:1"],
            "127.0.0.1:1 is given twice, among listen, listen-tls and control",
        ),
        (&["8080"], "unexpected argument \"8080\""),
    ] {
        for more in [&[][..], &["--check"]] {
            let ended = finish(Command::new(binary("hasses")).args(more).args(arguments));
            assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {}", ended.stderr);
            assert!(
                ended.stderr.starts_with("hasses: ") && ended.stderr.contains(part),
                "{arguments:?}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn arguments_that_are_no_text_are_usage_errors() {
    let Some(bash) = required("bash") else { return };
    let script = format!("exec '{}' $'--path=/\\xff'", binary("hasses").display());
    let ended = finish(Command::new(bash).args(["-c", &script]));
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("is not UTF-8"), "{}", ended.stderr);
}
