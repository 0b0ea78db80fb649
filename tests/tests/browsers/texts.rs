//! What is published is what a page gets.

use hasses_tests::{Browser, Seen};
use serde_json::json;

use crate::{Daemon, in_each_browser, subscribed};

in_each_browser!(texts_arrive_as_they_were_published, named_events_reach_their_listener_only);

fn texts_arrive_as_they_were_published(browser: Browser) {
    let same = [
        "hi",
        "Grüße aus Köln, ÄÖÜ ß, façade, žluťoučký kůň",
        "日本語 עברית العربية",
        "🎉 👩‍👩‍👧‍👦 🇩🇪 \u{10ffff}",
        "",
        " ",
        " a space before, and two behind  ",
        "\ta tab, \u{feff}a byte order mark, \u{2028}a line separator, \u{85}and more",
        "\u{feff}a byte order mark first",
        ": no comment",
        "data: no field",
        "id: 1",
        r#"{"a": "b", "quoted": "\"\\"}"#,
        "<script>alert(1)</script>",
    ];
    let mut texts: Vec<_> = same.iter().map(|text| (json!(text), *text)).collect();
    // What is no string arrives as its JSON.
    texts.push((json!({"list": [true, null, "ü"], "n": 1}), r#"{"list":[true,null,"ü"],"n":1}"#));
    texts.push((json!(null), "null"));
    // The ends of lines become LF: an event stream knows no other.
    let lines = [
        ("one\ntwo", "one\ntwo"),
        ("one\rtwo", "one\ntwo"),
        ("one\r\ntwo", "one\ntwo"),
        ("one\n\rtwo\r\r\nthree", "one\n\ntwo\n\nthree"),
        ("\nbefore and behind\n", "\nbefore and behind\n"),
        ("an empty one\n\nbetween", "an empty one\n\nbetween"),
        ("\n", "\n"),
        ("\n\n", "\n\n"),
        ("a\nid: 7\nevent: other\n\ndata: b", "a\nid: 7\nevent: other\n\ndata: b"),
    ];
    texts.extend(lines.map(|(published, seen)| (json!(published), seen)));
    let long: String = (0..20_000).map(|number| format!("{number}ü\n")).collect();
    assert!(long.len() > 100_000);
    texts.push((json!(long), &long));

    let daemon = Daemon::start(&[]);
    let Some(mut page) = subscribed(browser, &daemon, "subscribe=room", &[]) else { return };
    for (published, seen) in texts {
        let id = daemon.publish(&json!({"topic": "room", "data": published}));
        let expected = Seen {
            listener: "onmessage".to_owned(),
            event: "message".to_owned(),
            id,
            data: seen.to_owned(),
            origin: daemon.origin(),
        };
        assert_eq!(page.event(), expected, "{published}");
    }
}

fn named_events_reach_their_listener_only(browser: Browser) {
    let daemon = Daemon::start(&[]);
    let types = ["tick", "Ümläut 🎉"];
    let Some(mut page) = subscribed(browser, &daemon, "subscribe=room", &types) else { return };
    let published = [
        (Some("tick"), "tick"),
        (None, "onmessage"),
        // Nobody listens to this one; what is published after it is what is seen next.
        (Some("Tick"), ""),
        (Some("Ümläut 🎉"), "Ümläut 🎉"),
        (Some("message"), "onmessage"),
        (Some("tick"), "tick"),
    ];
    for (number, (event, listener)) in published.into_iter().enumerate() {
        let id = daemon.publish(&json!({"topic": "room", "data": number, "event": event}));
        if listener.is_empty() {
            continue;
        }
        let expected = Seen {
            listener: listener.to_owned(),
            event: event.unwrap_or("message").to_owned(),
            id,
            data: number.to_string(),
            origin: daemon.origin(),
        };
        assert_eq!(page.event(), expected);
    }
}
