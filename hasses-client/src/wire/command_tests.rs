use super::*;

fn read(line: &str) -> Result<Command, Failure> {
    Command::read_line(line.as_bytes())
}

fn publish(line: &str) -> Publish {
    match read(line).unwrap() {
        Command::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_read_as_it_was_written() {
    let topic = || TopicPattern::new("room624").unwrap();
    let mut full = Publish::new(Topics::new([topic(), TopicPattern::new("ro*").unwrap()]).unwrap(), "a\n\"b\" ü\u{1}");
    full.event = Some(EventType::new("tick").unwrap());
    full.key = Some(PublishKey::new("k1").unwrap());
    full.except = Some(SubscriberId::new("me").unwrap());
    full.retry = Some(2000);
    for (command, line) in [
        (Command::Publish(Publish::new(topic(), "hi")), r#"{"cmd":"publish","topic":"room624","data":"hi"}"#),
        (
            Command::Publish(full),
            r#"{"cmd":"publish","topics":["room624","ro*"],"data":"a\n\"b\" ü\u0001","event":"tick","key":"k1","except":"me","retry":2000}"#,
        ),
        (Command::Status, r#"{"cmd":"status"}"#),
        (Command::Clients(ClientsQuery::default()), r#"{"cmd":"clients"}"#),
        (
            Command::Clients(ClientsQuery { topic: Some(topic()), limit: Some(5), after: Some(9) }),
            r#"{"cmd":"clients","topic":"room624","limit":5,"after":9}"#,
        ),
        (
            Command::Topics(TopicsQuery { prefix: Some("ro".into()), limit: Some(5), after: Some("room".into()) }),
            r#"{"cmd":"topics","limit":5,"after":"room","prefix":"ro"}"#,
        ),
        (Command::Count(None), r#"{"cmd":"count"}"#),
        (Command::Count(Some(topic())), r#"{"cmd":"count","topic":"room624"}"#),
        (Command::Disconnect(Disconnect::Client(4)), r#"{"cmd":"disconnect","client":4}"#),
        (Command::Disconnect(Disconnect::Id(SubscriberId::new("me").unwrap())), r#"{"cmd":"disconnect","id":"me"}"#),
        (Command::LogLevel(None), r#"{"cmd":"log-level"}"#),
        (Command::LogLevel(Some(LogLevel::Debug)), r#"{"cmd":"log-level","level":"debug"}"#),
        (Command::Reinit(Some(true)), r#"{"cmd":"reinit","enabled":true}"#),
        (Command::Position, r#"{"cmd":"position"}"#),
        (Command::Ping, r#"{"cmd":"ping"}"#),
    ] {
        let mut written = Vec::new();
        command.write_line(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), format!("{line}\n"));
        assert_eq!(read(line).unwrap(), command);
    }
}

#[test]
fn data_of_any_json_type_is_sent_as_its_compact_text() {
    for (data, text) in [
        (r#""a\u00fc""#, "aü"),
        ("7", "7"),
        ("1.50e3", "1.50e3"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("null", "null"),
        (r#"{ "b" : [1, 2 , " x \" y "] , "a":{} }"#, r#"{"b":[1,2," x \" y "],"a":{}}"#),
    ] {
        assert_eq!(publish(&format!(r#"{{"cmd":"publish","topic":"t","data":{data}}}"#)).data, text);
    }
}

#[test]
fn a_refusal_has_a_code_and_names_the_value() {
    for (line, code, part) in [
        ("[1]", ErrorCode::BadJson, "not a JSON object"),
        ("", ErrorCode::BadJson, "not a JSON object"),
        ("{\"cmd\":\"ping\"", ErrorCode::BadJson, "EOF"),
        ("{\"cmd\":\"ping\"} x", ErrorCode::BadJson, "trailing"),
        ("{\"cmd\":\"ping\",\"cmd\":\"ping\"}", ErrorCode::BadField, "duplicate field `cmd`"),
        (r#"{"cmd":"publish","topic":"t","data":"\ud800"}"#, ErrorCode::BadJson, "data"),
        ("{}", ErrorCode::BadField, "cmd is missing"),
        (r#"{"cmd":"send"}"#, ErrorCode::UnknownCommand, "unknown command \"send\" (known: publish, status"),
        (r#"{"cmd":"publish","tpic":"t"}"#, ErrorCode::BadField, "unknown field `tpic`"),
        (
            r#"{"cmd":"publish","topic":"t","data":"x","limit":1}"#,
            ErrorCode::BadField,
            "\"limit\" is no field of publish",
        ),
        (r#"{"cmd":"ping","data":null}"#, ErrorCode::BadField, "\"data\" is no field of ping (it has: none)"),
        (r#"{"cmd":"publish","data":"x"}"#, ErrorCode::BadField, "topic is missing"),
        (r#"{"cmd":"publish","topic":"t"}"#, ErrorCode::BadField, "data is missing"),
        (r#"{"cmd":"publish","topic":"a\rb","data":"x"}"#, ErrorCode::BadTopic, "'\\r' at byte 1"),
        (r#"{"cmd":"publish","topics":[],"data":"x"}"#, ErrorCode::BadTopic, "topics is empty"),
        (r#"{"cmd":"publish","topic":7,"data":"x"}"#, ErrorCode::BadField, "expected a string"),
        (r#"{"cmd":"publish","topic":"t","data":"x","retry":-1}"#, ErrorCode::BadField, "-1"),
        (r#"{"cmd":"publish","topic":"t","data":"x","event":"a\nb"}"#, ErrorCode::BadField, "'\\n'"),
        (r#"{"cmd":"disconnect"}"#, ErrorCode::BadField, "either client or id"),
        (r#"{"cmd":"clients","limit":10001}"#, ErrorCode::BadField, "limit is not from 1 to 10000 (10001)"),
        (r#"{"cmd":"topics","limit":0}"#, ErrorCode::BadField, "limit is not from 1 to 10000 (0)"),
        (r#"{"cmd":"clients","after":"x"}"#, ErrorCode::BadField, "after must be"),
        (r#"{"cmd":"log-level","level":"loud"}"#, ErrorCode::BadField, "\"loud\""),
    ] {
        let failure = read(line).expect_err(line);
        assert_eq!(failure.code, code, "{line}: {failure}");
        assert!(failure.error.contains(part), "{line}: {failure}");
    }
    assert_eq!(Command::read_line(b"{\"cmd\":\"\xff\"}").unwrap_err().error, "the line is not UTF-8 from byte 8 on");
}

#[test]
fn an_error_does_not_quote_a_megabyte() {
    let name = "ü".repeat(1 << 19);
    for line in [format!(r#"{{"cmd":"{name}"}}"#), format!(r#"{{"cmd":"ping","{name}":1}}"#)] {
        let failure = read(&line).unwrap_err();
        assert!(failure.error.len() < 700 && failure.error.contains('…'), "{}", failure.error.len());
    }
}
