//! `bench` against a server that the test plays, which does everything right or does not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::hub::{Hub, Prank, Pranks};
use crate::program::{Run, finish, program, run};

/// Runs it with three subscribers and bursts of ten, and reads the JSON.
fn bench(hub: &Hub, more: &[&str]) -> (Run, Value) {
    let words = ["bench", &hub.url, "--control", &hub.control, "--subscribers=3", "--burst=10", "--messages=20"];
    let run = run(&[&words[..], &["--warm-up=0", "--patience=1", "--json"], more].concat());
    let report = serde_json::from_str(&run.out).unwrap_or_default();
    (run, report)
}

#[test]
fn a_server_that_does_everything_right_passes() {
    for (chunk, more) in [(10_000, &[][..]), (7, &["--size=16"]), (1_000, &["--size=70000"]), (100, &["--threads=3"])] {
        let hub = Hub::start(chunk, |_| Prank::None);
        let (run, report) = bench(&hub, more);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{more:?}: {}", run.out);
        assert_eq!(report["ok"], true);
        assert_eq!((&report["deliveries"]["expected"], &report["deliveries"]["received"]), (&json!(60), &json!(60)));
        assert_eq!(report["publish_phase"]["messages"], 20);
        assert!(report["latency_us"]["p50"].as_f64().unwrap() <= report["latency_us"]["max"].as_f64().unwrap());
        assert!(report.get("remarks").is_none() && report.get("ended").is_none() && report.get("server").is_none());
    }
}

#[test]
fn every_fault_is_counted_told_and_the_exit_code_is_1() {
    let none = json!({"lost": 0, "doubled": 0, "disordered": 0, "damaged": 0, "disconnected": 0});
    let pranks: [(Pranks, &str, u64, u64, &str); 6] = [
        (|nth| if nth == 3 { Prank::Lose } else { Prank::None }, "lost", 1, 0, "got message 4 when 3 was due"),
        (|nth| if nth == 20 { Prank::Lose } else { Prank::None }, "lost", 1, 0, "lacks 1 message at the end"),
        (|nth| if nth == 5 { Prank::Double } else { Prank::None }, "doubled", 1, 0, "got message 5 again"),
        (
            |nth| if nth == 7 { Prank::Delay } else { Prank::None },
            "disordered",
            1,
            0,
            "got message 7 behind later ones",
        ),
        (|nth| if nth == 9 { Prank::Damage } else { Prank::None }, "damaged", 1, 0, "got message 9 damaged"),
        (|nth| if nth == 15 { Prank::HangUp } else { Prank::None }, "disconnected", 1, 6, "was disconnected"),
    ];
    for (prank, fault, count, lost, remark) in pranks {
        let hub = Hub::start(10_000, prank);
        let (run, report) = bench(&hub, &[]);
        let mut expected = none.clone();
        expected[fault] = json!(count);
        if fault == "disconnected" {
            expected["lost"] = json!(lost);
        }
        assert_eq!((run.code, &report["faults"], &report["ok"]), (1, &expected, &json!(false)), "{fault}: {}", run.out);
        assert!(report["remarks"].to_string().contains(remark), "{remark}: {}", run.out);
    }
}

#[test]
fn those_who_stall_are_told_apart_from_those_who_are_measured() {
    let hub = Hub::start(10_000, |nth| if nth == 7 { Prank::HangUpLast } else { Prank::None });
    let (run, report) = bench(&hub, &["--stalled=2"]);
    assert_eq!((run.code, &report["deliveries"]["received"]), (0, &json!(60)), "{}{}", run.out, run.err);
    assert_eq!((&report["stalled"]["subscribers"], &report["stalled"]["disconnected"]), (&json!(2), &json!(1)));
    let tcp = &report["stalled"]["tcp_memory_bytes"];
    assert!(tcp["peak"].as_u64().unwrap() >= tcp["after"].as_u64().unwrap(), "{}", run.out);
}

#[test]
fn a_server_that_replays_nothing_loses_what_a_storm_wants() {
    // Half a second between its two bursts, so that they come between them.
    let slowly = ["--storm=2", "--rate=2"];
    let hub = Hub::start(10_000, |_| Prank::None);
    let (run, report) = bench(&hub, &slowly);
    // Half of the messages were out: of those all but the first are missing, and it may be that all others are as well.
    let lost = report["faults"]["lost"].as_u64().unwrap();
    assert!(run.code == 1 && (18..=38).contains(&lost), "{}{}", run.out, run.err);
    // Where they came before the second half went out, that settles what they have to be waited for.
    let ended = if lost == 18 { Value::Null } else { json!("stalled") };
    assert_eq!((&report["ended"], &report["deliveries"]["received"]), (&ended, &json!(60)), "{}", run.out);

    let hub = Hub::start(10_000, |_| Prank::Nameless);
    let (run, _) = bench(&hub, &slowly);
    let why = "the server gives events no id, so nobody can come back";
    assert!(run.code == 1 && run.err.contains(why), "{}{}", run.out, run.err);
}

#[test]
fn nothing_at_all_may_mean_that_there_are_two_servers() {
    let (one, other) = (Hub::start(10_000, |_| Prank::None), Hub::start(10_000, |_| Prank::None));
    let (run, report) = bench(&one, &["--publish=post", "--post", &other.post]);
    let question = format!("nothing arrived: does --post belong to {}?", one.url);
    assert_eq!((run.code, &report["remarks"][0]), (1, &json!(question)), "{}{}", run.out, run.err);
}

#[test]
fn a_server_that_dies_leaves_what_was_measured_up_to_then() {
    for pace in ["--burst=1", "--rate=1000"] {
        let hub = Hub::start(10_000, |nth| if nth == 15 { Prank::Die } else { Prank::None });
        let words = ["--json", "bench", &hub.url, "--control", &hub.control, "--subscribers=3", "--warm-up=0", pace];
        let run = run(&words);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!((run.code, &report["ended"], &report["ok"]), (1, &json!("gone"), &json!(false)), "{}", run.out);
        assert_eq!((&report["faults"]["disconnected"], &report["deliveries"]["received"]), (&json!(3), &json!(42)));
        assert!(report["remarks"].to_string().contains("the server is gone: "), "{}", run.out);
    }
    let hub = Hub::start(10_000, |nth| if nth == 1 { Prank::Die } else { Prank::None });
    let run = run(&["bench", &hub.url, "--control", &hub.control]);
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    assert!(run.err.contains("the server is gone: the "), "{}", run.err);
}

#[test]
fn a_server_that_answers_nothing_more_leaves_what_was_measured_up_to_then() {
    for (pace, unanswered, lost) in [(&[][..], 4, 9), (&["--rate=1000"], 14, 39)] {
        let hub = Hub::start(10_000, |nth| if nth == 7 { Prank::Ignore } else { Prank::None });
        let (run, report) = bench(&hub, &[&["--publish=post", "--post", &hub.post], pace].concat());
        assert_eq!((run.code, &report["ended"], &report["faults"]["lost"]), (1, &json!("stalled"), &json!(lost)));
        assert_eq!(report["deliveries"]["received"], 21, "{}", run.out);
        let remark = format!("the server has not answered {unanswered} messages");
        assert_eq!(report["remarks"][0], remark, "{}", run.out);
    }
}

#[test]
fn people_are_told_what_was_wrong() {
    let hub = Hub::start(10_000, |nth| if nth == 3 { Prank::Double } else { Prank::None });
    let words = ["bench", &hub.url, "--control", &hub.control, "--subscribers=1", "--messages=9", "--warm-up=0"];
    let run = run(&words);
    assert_eq!(run.code, 1, "{}", run.err);
    for part in [
        "1 subscriber of 1 topic at ",
        "9 messages one by one in ",
        "9 of 9, ",
        "faults       1 doubled\n             subscriber 0 of bench got message 3 again\n",
        "\nMessages did not come as they should, so the other figures say little.\n",
        "\nThe server's process is not known, so its CPU and memory were not measured: see --pid.\n",
    ] {
        assert!(run.out.contains(part), "{part} in {}", run.out);
    }
}

#[test]
fn messages_are_posted_with_headers_and_in_forms() {
    for (more, expected) in [
        (&[][..], "Content-Type: text/plain"),
        (&["--post-body=topic={topic}&data={message}"], "Content-Type: application/x-www-form-urlencoded"),
        (&["--post-header=content-type: a/b"], "content-type: a/b"),
        (&["--post-header", "Authorization: Bearer x"], "Authorization: Bearer x"),
    ] {
        let hub = Hub::start(10_000, |_| Prank::None);
        let (run, report) = bench(&hub, &[&["--publish=post", "--post", &hub.post, "--topic=other_9"], more].concat());
        assert_eq!((run.code, &report["deliveries"]["received"]), (0, &json!(60)), "{}{}", run.out, run.err);
        let requests = hub.requests.lock().unwrap();
        assert_eq!(requests.len(), 20);
        assert!(requests[0].starts_with("POST /pub?id=other_9 HTTP/1.1\nHost: 127.0.0.1:"), "{}", requests[0]);
        assert_eq!(requests[0].lines().filter(|line| *line == expected).count(), 1, "{}", requests[0]);
    }
}

#[test]
fn an_interrupt_ends_it_with_what_was_measured() {
    for pace in ["--burst=2", "--rate=200"] {
        let hub = Hub::start(10_000, |_| Prank::None);
        let words =
            ["--json", "bench", &hub.url, "--publish=post", "--post", &hub.post, "--duration=60", "--warm-up=0"];
        let child = program(&[&words[..], &[pace]].concat()).spawn().unwrap();
        while hub.requests.lock().unwrap().is_empty() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let run = finish(child);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(
            (run.code, &report["ended"], &report["ok"]),
            (0, &json!("interrupted"), &json!(true)),
            "{}",
            run.out
        );
        assert_eq!(report["deliveries"]["expected"], report["deliveries"]["received"]);
    }
}

#[test]
fn an_interrupt_before_the_measurement_leaves_nothing_to_tell() {
    let hub = Hub::start(10_000, |_| Prank::None);
    let words = ["--json", "bench", &hub.url, "--publish=post", "--post", &hub.post, "--warm-up=1000000"];
    let child = program(&words).spawn().unwrap();
    while hub.requests.lock().unwrap().is_empty() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let run = finish(child);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &report["ended"], &report["ok"]), (1, &json!("interrupted"), &json!(false)), "{}", run.out);
    assert!(report.get("publish_phase").is_none());
}

#[test]
fn an_interrupt_does_not_wait_for_those_who_are_to_stall() {
    let (hub, endpoint) = (Hub::start(10_000, |_| Prank::None), Endpoint::open());
    // One a second: all of them would take an hour.
    let words = ["--subscribers=1", "--stalled=3600", "--connect-rate=1"];
    let child = program(&[&["bench", &endpoint.url, "--control", &hub.control], &words[..]].concat()).spawn().unwrap();
    let mut measured = endpoint.next();
    measured.accept();
    let mut stalled = endpoint.next();
    stalled.accept();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let run = finish(child);
    assert!(run.code == 1 && run.err.contains("ended before anything was measured"), "{}{}", run.out, run.err);
}

#[test]
fn a_server_that_refuses_is_told_from_one_that_is_not_there() {
    let hub = Hub::start(10_000, |_| Prank::None);
    let nowhere = ["bench", "http://127.0.0.1:1/sse", "--control", &hub.control];
    let nobody = run(&nowhere);
    assert_eq!(nobody.code, 3);
    assert!(nobody.err.contains("nobody answers at http://127.0.0.1:1/sse: Connection refused"), "{}", nobody.err);
    let nobody = run(&["bench", &hub.url, "--control", "tcp://127.0.0.1:1"]);
    assert_eq!(nobody.code, 3);
    assert!(nobody.err.contains("nobody takes messages at tcp://127.0.0.1:1: Connection refused"), "{}", nobody.err);

    let endpoint = Endpoint::open();
    let url = endpoint.url.clone();
    let control = hub.control.clone();
    let refused = std::thread::spawn(move || run(&["bench", &url, "--control", &control, "--subscribers=1"]));
    endpoint.next().answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let refused = refused.join().unwrap();
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("subscriber 0 was refused: HTTP/1.1 503 Service Unavailable"), "{}", refused.err);
}

#[test]
fn who_posts_to_a_port_without_tls_is_told_what_to_try() {
    let (hub, plain) = (Hub::start(10_000, |_| Prank::None), TcpListener::bind("127.0.0.1:0").unwrap());
    let post = format!("https://{}/pub", plain.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        // What comes has to be read, so that the end of the connection is no reset.
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let refused = run(&["bench", &hub.url, "--publish=post", "--post", &post]);
    server.join().unwrap();
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("this port does not speak TLS\n  try http://\n"), "{}", refused.err);
}

#[test]
fn what_cannot_be_measured_is_a_usage_error_that_names_value_and_limit() {
    for (words, part) in [
        (&["--subscribers=0"][..], "--subscribers 0: it has to be from 1 to 1000000"),
        (&["--size=15"], "--size 15: it has to be from 16 to 16777216"),
        (&["--subscribers=1x"], "option '--subscribers' with value '1x': a whole number is expected, as in 500, 20k"),
        (&["--subscribers=-5"], "option '--subscribers' with value '-5': a whole number is expected"),
        (&["--subscribers=2m"], "--subscribers 2000000: it has to be from 1 to 1000000"),
        (&["--size=17m"], "--size 17825792: it has to be from 16 to 16777216"),
        (&["--rate=abc"], "option '--rate' with value 'abc': a number is expected, as in 0.5, 100 or 2k"),
        (&["--burst=0"], "--burst 0: it has to be from 1 to 100000"),
        (
            &["--burst=100k", "--size=1m"],
            "--burst 100000 of --size 1048576: together they have to be at most 268435456 bytes",
        ),
        (&["--rate=1m", "--duration=600"], "--duration: messages in it 600000000: it has to be from 1 to 536870911"),
        (&["--rate=0"], "--rate 0: it has to be from 0.001 to 1000000"),
        (&["--threads=9", "--subscribers=8"], "--threads 9: it has to be from 1 to 8"),
        (&["--topics=300000"], "--topics 300000: it has to be from 1 to 262144"),
        (&["--topic=a-b"], "--topic \"a-b\": it has to be 1 to 100 letters, digits and _"),
        (&["--stalled=1000001"], "--stalled 1000001: it has to be from 0 to 1000000"),
        (&["--storm=5", "--topics=each"], "--storm 5 needs --topics one, and it is each"),
        (&["--topics=some"], "none of one, each, zipf:N, N"),
        (&["--duration=0"], "--duration 0: it has to be from 0.001 to 86400"),
        (&["--duration=1", "--messages=1"], "--messages and --duration exclude each other"),
        (&["--cores=1-x"], "--cores 1-x: a list of cores from 0 to 1023 is needed"),
        (&["--publish=fax"], "--publish fax: one of classic, json, post is needed"),
        (&["--publish=post"], "--publish post needs --post <url>"),
        (&["--post=http://h/"], "--post, --post-body and --post-header need --publish post"),
        (&["--publish=post", "--post=http://h/", "--post-body=x"], "--post-body \"x\" has no {message}"),
        (&["--publish=post", "--post=http://h/", "--post-header=x"], "--post-header \"x\" is none"),
        (&["--control=fifo:///x"], "\"fifo:///x\" is no control channel"),
        (&["--control=/x"], "as in unix:///x"),
        (&["--pid=4294967295"], "--pid 4294967295: "),
        (&["--ca=/nonexistent"], "--ca /nonexistent: "),
        (&["ftp://h/"], "neither http:// nor https://"),
    ] {
        let control = if words[0].starts_with("--control") { &[][..] } else { &["--control=tcp://127.0.0.1:1"] };
        let run = run(&[&["bench"], words, control].concat());
        assert_eq!(run.code, 2, "{words:?}: {}", run.err);
        assert!(run.err.contains(part), "{words:?}: {}", run.err);
    }
}
