//! The real `hasses-ctl bench` against a daemon: every way in, every mix, plain and with TLS. Each run checks every delivery itself.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::process::Command;

use hasses_tests::{Authority, TestDaemon, binary, finish};
use serde_json::Value;

/// What a run reports that has to succeed, with 20 subscribers and few messages.
fn report(daemon: &TestDaemon, url: &str, more: &[&str]) -> Value {
    let control = format!("unix://{}/control.sock", daemon.folder().display());
    let mut command = Command::new(binary("hasses-ctl"));
    command.args(["bench", url, "--subscribers=20", "--json"]).args(more).env("HASSES_CONTROL", control);
    let ended = finish(&mut command);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{more:?}: {}", ended.stdout);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn plain(daemon: &TestDaemon, more: &[&str]) -> Value {
    report(daemon, &format!("http://{}/sse", daemon.address()), more)
}

/// The deliveries that were due, all of which came.
fn deliveries(report: &Value) -> u64 {
    assert_eq!(report["deliveries"]["expected"], report["deliveries"]["received"]);
    report["deliveries"]["received"].as_u64().expect("a number")
}

#[test]
fn the_daemon_behind_the_control_channel_says_where_to_subscribe() {
    let daemon = TestDaemon::start();
    let control = format!("unix://{}/control.sock", daemon.folder().display());
    let mut command = Command::new(binary("hasses-ctl"));
    command.args(["bench", "--control", &control, "--subscribers=2", "--messages=5", "--topics=10", "--json"]);
    let ended = finish(&mut command);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &report["url"]), (0, &Value::from(format!("http://{}/sse", daemon.address()))));
    assert_eq!(report["publish_phase"]["unheard"].as_u64().map(|unheard| unheard + deliveries(&report)), Some(5));
}

#[test]
fn every_mix_reaches_those_that_it_shall() {
    let daemon = TestDaemon::start();
    for (mix, topics, expected) in [("one", 1, 40 * 20), ("each", 20, 40), ("5", 5, 40 * 4), ("40", 40, 20)] {
        let report = plain(&daemon, &["--topics", mix, "--messages=40", "--burst=8", "--warm-up=0"]);
        assert_eq!((deliveries(&report), report["topics"].as_u64()), (expected, Some(topics)), "{mix}");
    }
    assert!(deliveries(&plain(&daemon, &["--topics=zipf:6", "--messages=40"])) > 40);
}

#[test]
fn every_way_in_is_taken_with_bursts_and_threads() {
    let daemon = TestDaemon::start();
    let tcp = format!("--control=tcp://{}", daemon.control_address());
    for more in [
        &["--publish=classic"][..],
        &["--publish=json"],
        &["--publish=classic", &tcp],
        &["--publish=json", &tcp, "--burst=40"],
        &["--threads=3", "--burst=10"],
        &["--threads=2", "--spin"],
        &["--size=16"],
        &["--size=100000", "--publish=json"],
        &["--connect-rate=1000"],
    ] {
        let report = plain(&daemon, &[more, &["--messages=40", "--warm-up=3"]].concat());
        assert_eq!(deliveries(&report), 800, "{more:?}");
    }
}

#[test]
fn a_rate_is_kept_whatever_arrives() {
    let daemon = TestDaemon::start();
    for publish in ["--publish=classic", "--publish=json"] {
        let report = plain(&daemon, &["--rate=1000", "--burst=2", "--messages=60", "--threads=2", publish]);
        assert_eq!((deliveries(&report), report["rate"].as_f64()), (60 * 20, Some(1000.0)));
        // The last of 30 bursts is due 29 ms after the first.
        assert!(report["publish_phase"]["seconds"].as_f64().expect("seconds") >= 0.029, "{report}");
    }
    assert_eq!(deliveries(&plain(&daemon, &["--rate=500", "--duration=0.05"])), 25 * 20);
    assert!(deliveries(&plain(&daemon, &["--duration=0.01"])) >= 20);
}

#[test]
fn a_storm_gets_everything_and_is_not_measured() {
    let daemon = TestDaemon::start();
    for more in [
        &["--warm-up=3"][..],
        &["--burst=7", "--threads=2"],
        &["--warm-up=0", "--publish=json", "--topic=else"],
        &["--rate=1000", "--burst=2"],
    ] {
        let report = plain(&daemon, &[&["--messages=42", "--storm=20", "--stalled=5"], more].concat());
        assert_eq!(deliveries(&report), 42 * 20, "{more:?}");
        let figure = |name| report["storm"][name].as_f64().unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(figure("connected_seconds") <= figure("caught_up_seconds"), "{report}");
        // Half of the messages were out when they came, and the first of these they had.
        assert!((20.0 * 20.0..=41.0 * 20.0).contains(&figure("replayed")), "{report}");
    }
    let report = plain(&daemon, &["--duration=0.05", "--rate=500", "--storm=20"]);
    assert!(report["storm"]["caught_up_seconds"].is_f64() && deliveries(&report) >= 20, "{report}");
}

#[test]
fn a_storm_for_which_there_is_no_room_is_never_connected() {
    let daemon = TestDaemon::with(|config| config.limits.max_subscribers = Some(3));
    let url = format!("http://{}/sse", daemon.address());
    let control = format!("unix://{}/control.sock", daemon.folder().display());
    let words = ["bench", &url, "--subscribers=2", "--storm=4", "--messages=40", "--warm-up=0", "--json"];
    let ended = finish(Command::new(binary("hasses-ctl")).args(words).env("HASSES_CONTROL", control));
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &report["faults"]["disconnected"]), (1, &Value::from(3)), "{}", ended.stdout);
    let storm = &report["storm"];
    assert!(storm.get("connected_seconds").is_none() && storm.get("caught_up_seconds").is_none(), "{storm}");
    // Only one of them got what it had missed.
    assert!(storm["replayed"].as_u64().expect("a number") < 40, "{storm}");
}

#[test]
fn those_who_stall_have_topics_of_the_same_mix() {
    let daemon = TestDaemon::start();
    for (mix, expected) in [("one", 40 * 20), ("each", 40), ("zipf:6", 0)] {
        let pid = std::process::id().to_string();
        let report = plain(&daemon, &["--topics", mix, "--messages=40", "--stalled=5", "--warm-up=0", "--pid", &pid]);
        assert!(deliveries(&report) >= expected, "{report}");
        assert_eq!(report["stalled"]["disconnected"], 0);
        for memory in ["tcp_memory_bytes", "memory_bytes"] {
            let level = |name| report["stalled"][memory][name].as_u64().unwrap_or_else(|| panic!("{memory}: {report}"));
            assert!(level("peak") >= level("before").max(level("after")), "{report}");
        }
    }
}

#[test]
fn a_stream_over_tls_is_checked_alike() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).expect("a file");
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), |_| {});
    let url = format!("https://{}/sse", daemon.tls_address());
    let ca = roots.to_str().expect("a path");
    for more in [
        &["--storm=20", "--stalled=5"][..],
        &["--burst=50", "--size=3000"],
        &["--spin", "--threads=2"],
        &["--size=100000"],
    ] {
        let report = report(&daemon, &url, &[&["--ca", ca, "--messages=100"], more].concat());
        assert_eq!((deliveries(&report), &report["tls"]), (2_000, &Value::Bool(true)), "{more:?}");
    }
    let control = format!("unix://{}/control.sock", daemon.folder().display());
    let ended = finish(Command::new(binary("hasses-ctl")).args(["bench", &url]).env("HASSES_CONTROL", control));
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("--ca FILE"), "{}", ended.stderr);
}

#[test]
fn the_report_has_every_figure_of_a_server_whose_process_is_known() {
    let daemon = TestDaemon::start();
    let pid = std::process::id().to_string();
    let report = plain(&daemon, &["--pid", &pid, "--idle=0.01", "--messages=20"]);
    let number =
        |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report}"));
    for path in [
        "/server/pid /server/processes /subscribers /topics /size /burst /threads /faults/lost /faults/doubled",
        "/connect/seconds /connect/rate /connect/cpu_us /connect/memory_bytes",
        "/idle/seconds /idle/cpu_us /idle/bytes_per_subscriber",
        "/publish_phase/messages /publish_phase/seconds /publish_phase/rate /publish_phase/cpu_us_per_publish",
        "/deliveries/expected /deliveries/received /deliveries/rate /deliveries/cpu_us /deliveries/bytes",
        "/latency_us/p50 /latency_us/p90 /latency_us/p99 /latency_us/p99_9 /latency_us/max /latency_us/mean",
        "/faults/disordered /faults/damaged /faults/disconnected /generator/cpu_us /generator/busy",
    ]
    .join(" ")
    .split(' ')
    {
        assert!(number(path) >= 0.0, "{path}");
    }
    assert!(report["rate"].is_null() && report["generator"]["was_the_bottleneck"].is_boolean(), "{report}");
    assert!(number("/latency_us/p50") <= number("/latency_us/max"));
    assert!(number("/deliveries/bytes") > 20.0 * 20.0 * 64.0);
}
