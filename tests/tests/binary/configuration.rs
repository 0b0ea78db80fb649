//! Flags, the configuration file and `--check`, as far as the running daemon shows them.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::process::Command;

use hasses_tests::{Publisher, Running, Stream, Subscriber, binary, finish};
use serde_json::json;

use crate::{ANY_PORTS, addresses};

#[test]
fn flags_are_in_force_and_status_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--path=/events",
        "--log-level=debug",
        "--allow-reinit",
        "--shards=2",
        "--max-message=2k",
        "--max-subscribers=7",
        "--max-age=90",
        "--heartbeat=0.5",
        "--quiet-time=5",
        "--cors-origin=https://a.example",
        "--cors-origin=https://b.example",
    ];
    let running = Running::start(folder.path(), ANY_PORTS.iter().chain(&flags));
    let (address, control) = addresses(&running);
    assert!(running.output().contains(&format!("subscribers: http://{address}/events\n")), "{}", running.output());
    assert!(running.output().contains("room for 7 subscribers\n"), "{}", running.output());
    let mut publisher = Publisher::tcp(&control);
    let status = publisher.status();
    assert_eq!((status.log_level.unwrap().as_str(), status.reinit, status.shards), ("debug", true, 2));
    assert_eq!(status.cors_origins, ["https://a.example", "https://b.example"]);
    for (name, value) in
        [("max-message", 2048), ("max-subscribers", 7), ("max-age", 90_000), ("heartbeat", 500), ("quiet-time", 5)]
    {
        assert_eq!(status.limits[name], value, "{name}");
    }
    let long = json!({"cmd": "publish", "topic": "t", "data": "x".repeat(2048)});
    assert_eq!(publisher.ask(&long)["code"], "too_large");
    for (origin, allowed) in [("https://b.example", Some("https://b.example")), ("https://c.example", None)] {
        let mut stream = Stream::connect(&address);
        let request = format!("GET /events?subscribe=t HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n");
        stream.send(request);
        let subscriber = stream.subscribed();
        assert_eq!(
            hasses_tests::header(&subscriber.head, "Access-Control-Allow-Origin"),
            allowed,
            "{}",
            subscriber.head
        );
    }
}

#[test]
fn every_given_address_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let running =
        Running::start(folder.path(), ANY_PORTS.iter().chain(&["--listen=127.0.0.1:0", "--listen=0.0.0.0:0"]));
    let output = running.output();
    let mut subscribers: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_once("subscribers: http://"))
        .map(|(_, url)| {
            Subscriber::connect(&url.trim_end_matches("/sse").replace("0.0.0.0", "127.0.0.1"), "subscribe=t")
        })
        .collect();
    assert_eq!(subscribers.len(), 3, "{output}");
    assert_eq!(Publisher::tcp(&addresses(&running).1).publish("t", "hi"), 3);
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
}

#[test]
fn the_delimiter_flag_lets_messages_hold_newlines() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), ANY_PORTS.iter().chain(&["--delimiter=\\x1e"]));
    let (address, control) = addresses(&running);
    let mut subscriber = Subscriber::connect(&address, "subscribe=t");
    Publisher::tcp(&control).write("t=one\ntwo;three\x1et=four\x1e");
    assert_eq!([(); 2].map(|()| subscriber.data()), ["one\ntwo;three", "four"]);
}

#[test]
fn the_configuration_file_is_in_force_and_a_flag_wins_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, socket) = (folder.path().join("hasses.toml"), folder.path().join("control.sock"));
    let text = format!(
        "# settings\nlisten = \"127.0.0.1:0\"\ncontrol = [\"unix://{}?mode=0660\", \"tcp://127.0.0.1:0\"]\n\
         path = \"/from-file\"\nlog-level = \"debug\"\nmax-message = \"2m\"\nallow-reinit = true\nretry = 700\n",
        socket.display()
    );
    fs::write(&path, text).unwrap();
    let config = format!("--config={}", path.display());
    let running = Running::start(folder.path(), [config.as_str(), "--path=/from-flag", "--max-message=1k"]);
    assert!(running.output().contains("/from-flag\n"), "{}", running.output());
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    let status = Publisher::unix(&socket).status();
    assert_eq!((status.log_level.unwrap().as_str(), status.reinit, status.sources.len()), ("debug", true, 2));
    assert_eq!((status.limits["max-message"], status.limits["retry"]), (1024, 700));
}

#[test]
fn faults_of_the_configuration_file_name_file_line_and_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hasses.toml");
    for (text, part) in [
        ("path = \"/sse\"\n\nmax-mesage = \"1m\"\n", ":3: unknown key \"max-mesage\"; the nearest is \"max-message\""),
        ("path = \"sse\"\n", ":1: path: \"sse\" does not begin with /"),
        ("allow-reinit = \"yes\"\n", ":1: allow-reinit: it takes true or false, not a string"),
        ("max-age = 0.5\n", ":1: max-age: 0.5 is outside of the range 1 to 31536000, or 0 (never)"),
        ("check = true\n", ":1: \"check\" is a flag of the command line only"),
        ("path = \n", ":1: "),
        ("control = \"tcp://0.0.0.0:1\"\n", "say --allow-remote-control"),
    ] {
        fs::write(&path, text).unwrap();
        let ended = finish(Command::new(binary("hasses")).arg("--config").arg(&path));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{text}: {}", ended.stderr);
        assert!(
            part.starts_with("say") || ended.stderr.contains(&path.display().to_string()),
            "{text}: {}",
            ended.stderr
        );
    }
    let ended = finish(Command::new(binary("hasses")).args(["--config", "/nonexistent/hasses.toml"]));
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("--config /nonexistent/hasses.toml: cannot be read: No such file"),
        "{}",
        ended.stderr
    );
}

#[test]
fn check_says_what_it_would_do_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let ended = finish(Command::new(binary("hasses")).args([
        "--check",
        "--listen=127.0.0.1:0",
        &format!("--listen=unix:{}", at("sse.sock")),
        &format!("--control=unix://{}", at("control.sock")),
        &format!("--control=fifo://{}", at("fifo")),
        &format!("--log-file={}", at("hasses.log")),
        "--retry=1000",
    ]));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    let has = |line: &str| assert!(ended.stdout.contains(line), "{line} is missing in {}", ended.stdout);
    has("\n# subscribers: http://127.0.0.1:0/sse\n");
    has(&format!("\n# commands: fifo://{}\n", at("fifo")));
    has("\nretry = 1000\n");
    has("\npath = \"/sse\" ");
    // What it prints starts a daemon of its own.
    let path = folder.path().join("hasses.toml");
    fs::write(&path, &ended.stdout).unwrap();
    let config = format!("--config={}", path.display());
    let running = Running::start(folder.path(), [config.as_str(), "--log-file=-"]);
    assert!(running.output().contains(&format!("control: fifo://{}\n", at("fifo"))), "{}", running.output());
}

#[test]
fn check_tells_what_of_the_system_stands_against_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let (file, missing) = (file.display().to_string(), format!("{}/missing/x", folder.path().display()));
    let ended = finish(Command::new(binary("hasses")).args([
        "--check",
        &format!("--control=unix://{file}"),
        &format!("--control=fifo://{missing}"),
        &format!("--log-file={missing}.log"),
    ]));
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    for part in [
        format!("control unix://{file}: what is there is not a socket"),
        format!("control fifo://{missing}: folder {}/missing: No such file", folder.path().display()),
        format!("log-file {missing}.log: folder"),
    ] {
        assert!(ended.stderr.contains(&part), "{part:?} is missing in {}", ended.stderr);
    }
}
