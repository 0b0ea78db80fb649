//! What the commands that ask print, for people and for scripts.

use hasses_client::wire::{
    ClientInfo, ClientList, ClientState, Command, Count, Disconnect, Disconnected, ErrorCode, EventId, Failure, Level,
    LogLevel, Position, Reinit, Reply, StatusReport, TopicInfo, TopicList,
};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::program::{finish, program, run};

const CLIENTS: u64 = 2_345;

/// Answers everything; has so many clients and topics that they take several pages.
fn daemon() -> Daemon {
    Daemon::with(|command| match command {
        Command::Status => Reply::Status(Box::new(StatusReport {
            version: "9.9.9".into(),
            uptime_seconds: 11_579,
            subscribers: 1_200,
            ..StatusReport::default()
        })),
        Command::Clients(query) => {
            let after = query.after.unwrap_or(0);
            let rows = query.limit.unwrap() as u64;
            let last = CLIENTS.min(after + rows);
            Reply::Clients(ClientList { clients: (after + 1..=last).map(client).collect(), more: last < CLIENTS })
        }
        Command::Topics(query) => {
            let prefix = query.prefix.clone().unwrap_or_default();
            let topics = vec![TopicInfo { topic: format!("{prefix}om624"), subscribers: 1_234 }];
            Reply::Topics(TopicList { topics, more: false })
        }
        Command::Count(topic) => Reply::Count(Count { count: if topic.is_some() { 7 } else { 1_234 } }),
        Command::Disconnect(Disconnect::Client(99)) => {
            Reply::Failed(Failure::new(ErrorCode::Forbidden, "this connection may not disconnect"))
        }
        Command::Disconnect(Disconnect::Client(98)) => Reply::Disconnected(Disconnected { disconnected: 0 }),
        Command::Disconnect(_) => Reply::Disconnected(Disconnected { disconnected: 2 }),
        Command::LogLevel(level) => Reply::LogLevel(Level { level: level.unwrap_or(LogLevel::Normal) }),
        Command::Reinit(enabled) => Reply::Reinit(Reinit { enabled: enabled.unwrap_or(false) }),
        Command::Position => Reply::Position(Position { id: EventId { millis: 17, sequence: 4 } }),
        command => panic!("{command:?}"),
    })
}

fn client(number: u64) -> ClientInfo {
    ClientInfo {
        client: number,
        descriptor: 7,
        address: "127.0.0.1:50190".into(),
        id: None,
        agent: Some("curl/8".into()),
        topics: vec!["room624".into()],
        state: ClientState::Subscribed,
        connected_seconds: 303,
        subscribed_seconds: 303,
        delivered: 3,
        queued_bytes: 0,
        reinits: 0,
        tls: None,
        http: None,
    }
}

#[test]
fn people_get_a_line_or_a_table() {
    let daemon = daemon();
    for (words, expected) in [
        (&["count"][..], "1,234\n"),
        (&["count", "room*"], "7\n"),
        (&["disconnect", "--client", "5"], "2 connections disconnected\n"),
        (&["disconnect", "--id=anna"], "2 connections disconnected\n"),
        (&["log-level"], "normal\n"),
        (&["log-level", "debug"], "debug\n"),
        (&["reinit"], "off\n"),
        (&["reinit", "on"], "on\n"),
        (&["position"], "17-4\n"),
        (&["ping"], "hasses 9.9.9 is there, protocol 1\n"),
        (&["topics", "--prefix", "ro"], "SUBSCRIBERS  TOPIC\n      1,234  room624\n"),
    ] {
        let run = run(&[words, &["--control", &daemon.url]].concat());
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, expected, ""), "{words:?}");
    }
    let run = run(&["status", "--control", &daemon.url]);
    assert!(run.out.contains("3h 12m") && run.out.contains("1,200 of no topic") && !run.out.contains('\x1b'));
}

#[test]
fn scripts_get_the_line_of_the_daemon() {
    let daemon = daemon();
    for (words, field, expected) in [
        (&["status"][..], "uptime_seconds", json!(11_579)),
        (&["count"], "count", json!(1_234)),
        (&["disconnect", "--client", "5"], "disconnected", json!(2)),
        (&["log-level"], "level", json!("normal")),
        (&["reinit", "on"], "enabled", json!(true)),
        (&["position"], "id", json!("17-4")),
        (&["ping"], "version", json!("9.9.9")),
        (&["topics"], "topics", json!([{"topic": "om624", "subscribers": 1_234}])),
        (&["send", "room", "hi"], "matched", json!(3)),
    ] {
        let run = run(&[words, &["--json", "--control", &daemon.url]].concat());
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
        assert_eq!(run.out.matches('\n').count(), 1, "{words:?}");
        let line: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!((&line["ok"], &line[field]), (&json!(true), &expected), "{words:?}");
    }
}

#[test]
fn lists_are_fetched_page_after_page_up_to_a_limit() {
    let daemon = daemon();
    let all = run(&["clients", "--topic", "room*", "--control", &daemon.url]);
    let lines: Vec<_> = all.out.lines().collect();
    assert_eq!(lines.len() as u64, CLIENTS + 1);
    assert!(lines[0].starts_with("CLIENT  ADDRESS "), "{}", lines[0]);
    assert!(lines[1].starts_with("     1  127.0.0.1:50190 "), "{}", lines[1]);
    let asked: Vec<_> = std::iter::from_fn(|| daemon.received.try_recv().ok())
        .map(|command| match command {
            Command::Clients(query) => (query.after, query.topic.unwrap().to_string()),
            command => panic!("{command:?}"),
        })
        .collect();
    assert_eq!(asked, [None, Some(1_000), Some(2_000)].map(|after| (after, "room*".to_owned())));

    let some = run(&["clients", "--limit=1500", "--json", "--control", &daemon.url]);
    let list: Value = serde_json::from_str(&some.out).unwrap();
    assert_eq!((list["clients"].as_array().unwrap().len(), &list["more"]), (1_500, &json!(true)));
    let some = run(&["clients", "--limit", "2", "--control", &daemon.url]);
    assert!(some.out.ends_with("\n(there are more)\n") && some.out.lines().count() == 4, "{}", some.out);
}

#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    let daemon = daemon();
    let mut child = program(&["clients", "--control", &daemon.url]).spawn().unwrap();
    // As `| head -1` after its line: the pipe is closed before everything is written.
    drop(child.stdout.take());
    let run = finish(child);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

#[test]
fn a_refusal_is_exit_code_1() {
    let daemon = daemon();
    let text = run(&["disconnect", "--client", "99", "--control", &daemon.url]);
    assert_eq!((text.code, text.out.as_str()), (1, ""));
    assert_eq!(text.err, "error: this connection may not disconnect\n");
    let json = run(&["disconnect", "--client", "99", "--json", "--control", &daemon.url]);
    assert_eq!((json.code, json.out.as_str()), (1, ""));
    assert_eq!(
        serde_json::from_str::<Value>(&json.err).unwrap(),
        json!({"ok": false, "code": "forbidden", "error": "this connection may not disconnect"})
    );
    let nobody = run(&["disconnect", "--client", "98", "--control", &daemon.url]);
    assert_eq!((nobody.code, nobody.out.as_str()), (1, ""));
    assert!(nobody.err.starts_with("error: no connection has the number 98\n"), "{}", nobody.err);
    for words in [["send", "a*b", "hi"], ["count", "a*b", "--json"], ["disconnect", "--id", "a\nb"]] {
        let run = run(&[&words[..], &["--control", &daemon.url]].concat());
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{words:?}");
        assert!(run.err.contains("control character") || run.err.contains("'*' is allowed only"), "{}", run.err);
    }
}
