//! What is refused, with which code, and that the text names the value and the limit.

use hasses_tests::{Publisher, TestDaemon};
use serde_json::json;

/// Each line is refused so, and the connection goes on.
fn refused(publisher: &mut Publisher, lines: &[(&str, &str, &str)]) {
    for (line, code, text) in lines {
        let (found, error) = publisher.refusal(line);
        assert_eq!(found, *code, "{line}: {error}");
        assert!(error.contains(text), "{line}: {error:?} does not say {text:?}");
    }
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true, "the connection goes on");
}

#[test]
fn what_is_no_json_object_is_bad_json() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
    refused(
        &mut publisher,
        &[
            ("", "bad_json", "not a JSON object"),
            ("ping", "bad_json", "not a JSON object"),
            ("a=1", "bad_json", "not a JSON object"),
            (r#"[{"cmd":"ping"}]"#, "bad_json", "not a JSON object"),
            (r#""ping""#, "bad_json", "not a JSON object"),
            ("{", "bad_json", "EOF"),
            (r#"{"cmd":"ping""#, "bad_json", "column 13"),
            (r#"{"cmd":"ping"} x"#, "bad_json", "trailing"),
            (r#"{"cmd":"ping"}{"cmd":"ping"}"#, "bad_json", "trailing"),
            (r#"{'cmd':'ping'}"#, "bad_json", "column 2"),
            (r#"{"cmd":"publish","topic":"t","data":"\ud800"}"#, "bad_json", "data: unexpected end of hex escape"),
            (r#"{"cmd":"publish","topic":"t","data":NaN}"#, "bad_json", "column"),
        ],
    );
}

#[test]
fn invalid_utf8_is_refused_with_its_place() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    let mut publisher = daemon.publisher();
    publisher.write(b"{\"cmd\":\"publish\",\"topic\":\"t\",\"data\":\"\xff\"}\n");
    let answer = publisher.answer();
    let error = "the line is not UTF-8 from byte 37 on";
    assert_eq!(answer, json!({"ok": false, "code": "bad_json", "error": error}));
    publisher.publish("t", "next");
    assert_eq!(subscriber.data(), "next");
}

#[test]
fn unknown_commands_are_named_beside_the_known_ones() {
    let daemon = TestDaemon::start();
    refused(
        &mut daemon.publisher(),
        &[
            (
                r#"{"cmd":"pubilsh","topic":"t","data":"x"}"#,
                "unknown_command",
                r#"unknown command "pubilsh" (known: publish, "#,
            ),
            (r#"{"cmd":""}"#, "unknown_command", r#"unknown command """#),
            (r#"{"cmd":"Ping"}"#, "unknown_command", r#"unknown command "Ping""#),
            (r#"{"cmd":"loglevel_debug"}"#, "unknown_command", "log-level"),
        ],
    );
}

#[test]
fn bad_topics_are_refused_with_value_and_limit() {
    let daemon = TestDaemon::start();
    let publish = |topic: &str| json!({"cmd": "publish", "topic": topic, "data": "x"}).to_string();
    let list = |topics: &[String]| json!({"cmd": "publish", "topics": topics, "data": "x"}).to_string();
    let long = "x".repeat(301);
    let too_long = "topic is longer than 255 bytes (301)";
    let topics: Vec<String> = (0..1025).map(|nth| nth.to_string()).collect();
    refused(
        &mut daemon.publisher(),
        &[
            (&publish(""), "bad_topic", "topic is empty"),
            (&publish(&long), "bad_topic", too_long),
            (&publish(&(long.clone() + "*")), "bad_topic", too_long),
            (&publish(&"ü".repeat(128)), "bad_topic", "topic is longer than 255 bytes (256)"),
            (&publish("a\nb"), "bad_topic", r"topic holds '\n' at byte 1: control characters are not allowed"),
            (&publish("a\u{7f}"), "bad_topic", "control characters are not allowed"),
            (&publish("a\u{85}"), "bad_topic", "control characters are not allowed"),
            (&publish("a*b"), "bad_topic", "topic holds '*' at byte 1: '*' is allowed only at the end"),
            (&publish("**"), "bad_topic", "'*' is allowed only at the end"),
            (&list(&[]), "bad_topic", "topics is empty"),
            (&list(&["fine".into(), long.clone()]), "bad_topic", too_long),
            (&list(&topics), "bad_topic", "topics are more than 1024 (1025)"),
            (&json!({"cmd": "count", "topic": long}).to_string(), "bad_topic", too_long),
            (&json!({"cmd": "clients", "topic": "a*b"}).to_string(), "bad_topic", "only at the end"),
        ],
    );
    let answer = daemon.publisher().ask(&serde_json::from_str(&list(&topics[..1024])).unwrap());
    assert_eq!(answer["ok"], true, "1024 topics are within the limit: {answer}");
}

#[test]
fn missing_wrong_and_contradicting_fields_are_named() {
    let daemon = TestDaemon::start();
    refused(
        &mut daemon.publisher(),
        &[
            ("{}", "bad_field", "cmd is missing"),
            (r#"{"cmd":null}"#, "bad_field", "cmd is missing"),
            (r#"{"topic":"t","data":"x"}"#, "bad_field", "cmd is missing"),
            (r#"{"cmd":7}"#, "bad_field", "invalid type: integer `7`"),
            (r#"{"cmd":"publish","data":"x"}"#, "bad_field", "topic is missing"),
            (r#"{"cmd":"publish","topic":"t"}"#, "bad_field", "data is missing"),
            (r#"{"cmd":"publish","topic":"t","topics":["t"],"data":"x"}"#, "bad_field", "topic or topics, not both"),
            (r#"{"cmd":"publish","topic":["t"],"data":"x"}"#, "bad_field", "invalid type: sequence"),
            (r#"{"cmd":"publish","topics":"t","data":"x"}"#, "bad_field", "invalid type: string"),
            (r#"{"cmd":"publish","topics":[1],"data":"x"}"#, "bad_field", "invalid type: integer `1`"),
            (r#"{"cmd":"publish","topic":"t","data":"x","retry":-1}"#, "bad_field", "`-1`"),
            (r#"{"cmd":"publish","topic":"t","data":"x","retry":"1"}"#, "bad_field", "invalid type: string"),
            (r#"{"cmd":"publish","topic":"t","data":"x","retry":1.5}"#, "bad_field", "`1.5`"),
            (r#"{"cmd":"publish","topic":"t","data":"x","event":1}"#, "bad_field", "invalid type: integer"),
            (r#"{"cmd":"disconnect"}"#, "bad_field", "disconnect needs either client or id"),
            (r#"{"cmd":"disconnect","client":1,"id":"me"}"#, "bad_field", "disconnect needs either client or id"),
            (r#"{"cmd":"disconnect","client":"1"}"#, "bad_field", "invalid type: string"),
            (r#"{"cmd":"clients","after":"room"}"#, "bad_field", "after must be the number of a client"),
            (r#"{"cmd":"topics","after":5}"#, "bad_field", "after must be the name of a topic"),
            (r#"{"cmd":"clients","limit":-1}"#, "bad_field", "`-1`"),
            (r#"{"cmd":"log-level","level":"loud"}"#, "bad_field", r#""loud" is no log level (quiet, normal, debug)"#),
            (r#"{"cmd":"log-level","level":2}"#, "bad_field", "invalid type: integer"),
            (r#"{"cmd":"reinit","enabled":"yes"}"#, "bad_field", "invalid type: string"),
        ],
    );
}

#[test]
fn fields_beyond_their_limits_are_refused_with_value_and_limit() {
    let daemon = TestDaemon::start();
    let with = |field: &str, value: &str| {
        let mut line = json!({"cmd": "publish", "topic": "t", "data": "x"});
        line[field] = json!(value);
        line.to_string()
    };
    let long = "x".repeat(300);
    refused(
        &mut daemon.publisher(),
        &[
            (&with("event", ""), "bad_field", "event is empty"),
            (&with("event", &long), "bad_field", "event is longer than 255 bytes (300)"),
            (&with("event", "a\ndata: b"), "bad_field", r"event holds the control character '\n' at byte 1"),
            (&with("event", "hasses.cursor"), "bad_field", "which is the daemon's own"),
            (&with("except", ""), "bad_field", "subscriber id is empty"),
            (&with("except", &long), "bad_field", "subscriber id is longer than 61 bytes (300)"),
            (&with("except", "a\rb"), "bad_field", "control character"),
            (&with("key", ""), "bad_field", "key is empty"),
            (&with("key", &long), "bad_field", "key is longer than 255 bytes (300)"),
            (&json!({"cmd": "disconnect", "id": long}).to_string(), "bad_field", "longer than 61 bytes (300)"),
        ],
    );
}

#[test]
fn unknown_and_doubled_fields_are_errors_so_that_a_typo_is_not_dropped() {
    let daemon = TestDaemon::start();
    refused(
        &mut daemon.publisher(),
        &[
            (r#"{"cmd":"ping","x":1}"#, "bad_field", "unknown field `x`"),
            (r#"{"cmd":"publish","topic":"t","data":"x","evnt":"e"}"#, "bad_field", "unknown field `evnt`"),
            (r#"{"cmd":"publish","topic":"t","topic":"u","data":"x"}"#, "bad_field", "duplicate field `topic`"),
            (r#"{"cmd":"ping","cmd":"ping"}"#, "bad_field", "duplicate field `cmd`"),
            (r#"{"cmd":"ping","topic":"t"}"#, "bad_field", r#""topic" is no field of ping (it has: none)"#),
            (r#"{"cmd":"count","data":"x"}"#, "bad_field", "(it has: topic)"),
            (r#"{"cmd":"publish","topic":"t","data":"x","id":"me"}"#, "bad_field", r#""id" is no field of publish"#),
        ],
    );
    // A `data` that is null is there all the same.
    let (code, error) = daemon.publisher().refusal(r#"{"cmd":"ping","data":null}"#);
    assert_eq!((code.as_str(), error.as_str()), ("bad_field", r#""data" is no field of ping (it has: none)"#));
}

#[test]
fn nothing_that_is_refused_changes_anything_and_each_is_counted() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*&id=me");
    let mut publisher = daemon.publisher();
    let born = publisher.status().position;
    for line in [
        r#"{"cmd":"publish","topics":["t","a*b"],"data":"x"}"#,
        r#"{"cmd":"publish","topic":"t","data":"x","event":""}"#,
        r#"{"cmd":"publish","topic":"t","data":"x","key":""}"#,
        r#"{"cmd":"log-level","level":"debug","enabled":true}"#,
        r#"{"cmd":"reinit","enabled":true,"x":1}"#,
        r#"{"cmd":"disconnect","id":"me","client":1}"#,
        "{",
    ] {
        publisher.refusal(line);
    }
    let status = publisher.status();
    assert_eq!((status.refused_commands_total, status.messages_total, status.kicked_total), (7, 0, 0));
    assert_eq!((status.log_level.unwrap().as_str(), status.reinit), ("quiet", false));
    assert_eq!((status.position, status.log_events, status.duplicates_total), (born, 0, 0), "and nothing is kept");
    publisher.publish("t", "first");
    assert_eq!(subscriber.data(), "first");
}

#[test]
fn a_line_over_the_limit_is_too_large_and_only_that_line_is_skipped() {
    let daemon = TestDaemon::with(|config| config.limits.max_message = 1000);
    let mut subscriber = daemon.subscribe("subscribe=t");
    let line = |data: &str| json!({"cmd": "publish", "topic": "t", "data": data}).to_string();
    let frame = line("").len();
    let publish = |length: usize| line(&"x".repeat(length - frame));
    let mut publisher = daemon.publisher();
    let lines = [
        publish(100),
        publish(1001),
        publish(1000),
        publish(300_000),
        // Within the limit also with the CR of a CRLF.
        publish(1000) + "\r",
        r#"{"cmd":"ping"}"#.to_owned(),
    ];
    // As publishers that pipeline would send it, and again with reads that fall anywhere.
    for pieces in [1, 7, 1000] {
        let text = lines.join("\n") + "\n";
        let size = text.len().div_ceil(pieces);
        text.as_bytes().chunks(size).for_each(|piece| publisher.write(piece));
        assert_eq!(publisher.answer()["matched"], 1);
        for _ in 0..2 {
            let refusal = publisher.line();
            let begins =
                refusal.starts_with(r#"{"ok":false,"code":"too_large","error":"message is longer than 1000 bytes ("#);
            assert!(begins && refusal.contains("it is skipped"), "{refusal}");
            assert_eq!(publisher.answer()["matched"], 1);
        }
        assert_eq!(publisher.answer()["protocol"], 1);
        assert_eq!([(); 3].map(|()| subscriber.data().len()), [100, 1000, 1000].map(|length| length - frame));
    }
    assert_eq!(daemon.status().refused_commands_total, 6);
}
