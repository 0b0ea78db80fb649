//! What classic commands write to the log, in the layout that scripts read; from the real binary with a log file.

use std::fs::OpenOptions;
use std::io::Write as _;

use hasses_tests::{Publisher, Running, Stream, Subscriber, wait_for};
use tempfile::TempDir;

/// A real daemon with a log file, TCP control and a FIFO.
struct Logging {
    running: Running,
    control: String,
    address: String,
    folder: TempDir,
}

impl Logging {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = format!("fifo://{}/fifo", folder.path().display());
        let sources = ["--listen", "127.0.0.1:0", "--control", "tcp://127.0.0.1:0", "--control", &fifo];
        let mut running = Running::start_logging(folder.path(), sources.iter().chain(flags));
        // The last line of the greeting.
        running.wait_until_it_says("and: ");
        // Up to what JSON may put behind it.
        let said = |prefix: &str| running.said(prefix).split(['"', '/']).next().unwrap_or_default().to_owned();
        let (address, control) = (said("subscribers: http://"), said("control: tcp://"));
        Self { running, control, address, folder }
    }

    fn publisher(&self) -> Publisher {
        Publisher::tcp(&self.control)
    }

    /// Sends classic text, and gives the lines that were logged from then on up to the one that is `last`.
    fn logged(&self, text: &str, last: &str) -> Vec<String> {
        let before = self.lines().len();
        self.publisher().write(text);
        wait_for(last, || {
            let mut lines = self.lines().split_off(before);
            let end = lines.iter().position(|line| line == last)?;
            lines.truncate(end + 1);
            Some(lines)
        })
    }

    /// The log without what stands before each line, which is classic's to the letter: date, time and name.
    fn lines(&self) -> Vec<String> {
        let text = |line: &str| {
            let digits: String = line.chars().take(19).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            assert_eq!(digits, "9999-99-99 99:99:99", "{line:?}");
            line[19..].strip_prefix(" hasses: ").unwrap_or_else(|| panic!("no name in {line:?}")).to_owned()
        };
        // A line that is still being written has no end yet.
        self.running.output().split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(text).collect()
    }
}

#[test]
fn status_writes_the_status_block() {
    let daemon = Logging::start(&["--cors-origin", "https://a.example", "--allow-reinit"]);
    let mut subscriber = Subscriber::connect(&daemon.address, "subscribe=a");
    let _silent = Stream::connect(&daemon.address);
    daemon.publisher().write("a=1\nb=2\n");
    assert_eq!(subscriber.data(), "1");
    let mut lines = daemon.logged("status\n", "------------- end --------------");
    assert!(lines[2].starts_with("Compiled: ") && lines[2].len() == "Compiled: Nov 23 2026".len(), "{lines:?}");
    assert!(lines[5].starts_with("Running time: 00:00:"), "{lines:?}");
    lines.remove(5);
    lines.remove(2);
    let expected = [
        "------- status of hasses -------",
        &format!("Version: {}", env!("CARGO_PKG_VERSION")),
        &format!("Pid: {}", daemon.running.pid()),
        &format!("Uid: {} (not set)", rustix::process::getuid().as_raw()),
        "Mode: unencrypted (http)",
        "Loglevel: 1",
        "Reinit allowed: yes",
        "CORS-base url: https://a.example",
        "Count of connected clients: 2",
        "Current registred SSE clients: 1",
        "Maximum number of connections: 2",
        "Total client handshaked: 1",
        "Total reinit connection: 0",
        "Total message processed: 2",
        "Total message sent: 1",
        "------------- end --------------",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn clientlist_writes_every_client() {
    let daemon = Logging::start(&["--allow-reinit"]);
    let mut first = Stream::connect(&daemon.address);
    first.send("GET /sse?subscribe=a-ro*&id=me HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n\r\n");
    let mut first = first.subscribed();
    let mut second = Subscriber::connect(&daemon.address, "subscribe=b").again("subscribe=c");
    let mut begun = Stream::connect(&daemon.address);
    begun.send("GET /sse");
    daemon.publisher().write("a=1\na=2\n*=3\n");
    assert_eq!([(); 3].map(|()| first.data()), ["1", "2", "3"]);
    assert_eq!(second.data(), "3");
    // The last one's bytes may still be on their way.
    let lines = wait_for("the begun request", || {
        let lines = daemon.logged("clientlist\n", "---------------- end ----------------");
        lines.iter().any(|line| line.contains(" S:HEA ")).then_some(lines)
    });
    let numbers: Vec<String> = lines.iter().map(|line| anonymous(line)).collect();
    let address = |stream: &Stream| stream.socket().local_addr().expect("an address").to_string();
    let times = "  Connection time: 00:00:NN  Handshaked time: 00:00:NN UniqId:";
    let expected = [
        "------- requested client list -------",
        "List of clients:",
        &format!("#1 - <FD> info: {} S:SSE Err: 0 Messages: 3 Reinit: 0 SSL:No", address(first.stream())),
        &format!("{times}me"),
        "  Agent: Mozilla/5.0 (X11; Linux)",
        "  Subscribes: a,ro*",
        &format!("#2 - <FD> info: {} S:SSE Err: 0 Messages: 1 Reinit: 1 SSL:No", address(second.stream())),
        times,
        "  Subscribes: c",
        &format!("#3 - <FD> info: {} S:HEA Err: 0 Messages: 0 Reinit: 0 SSL:No", address(&begun)),
        times,
        "  Subscribes:",
        "---------------- end ----------------",
    ];
    let trimmed: Vec<&str> = numbers.iter().map(|line| line.trim_end()).collect();
    assert_eq!(trimmed, expected);
}

/// Descriptors and seconds are replaced, since they are the machine's business.
fn anonymous(line: &str) -> String {
    let mut line = line.to_owned();
    if let (Some(start), Some(end)) = (line.find('<'), line.find('>')) {
        assert!(line[start + 1..end].bytes().all(|byte| byte.is_ascii_digit()), "{line}");
        line.replace_range(start + 1..end, "FD");
    }
    let times: Vec<usize> = line.match_indices(" time: 00:00:").map(|(at, found)| at + found.len()).collect();
    for at in times {
        line.replace_range(at..at + 2, "NN");
    }
    line
}

#[test]
fn counts_are_written_as_classic_words_them() {
    let daemon = Logging::start(&[]);
    let _subscribers = ["subscribe=a", "subscribe=a-b", "subscribe=*"].map(|q| Subscriber::connect(&daemon.address, q));
    let lines = daemon.logged(
        "numberofclients;subscribedclients:a\nsubscribedclients:nobody;subscribedclients:x\"y\n",
        "Client count subscribed for \"x\"y\": 0",
    );
    let expected = [
        "Number of connected clients: 3",
        "Client count subscribed for \"a\": 2",
        "Client count subscribed for \"nobody\": 0",
        "Client count subscribed for \"x\"y\": 0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_was_asked_for_is_logged_at_every_level_and_switches_say_so() {
    let daemon = Logging::start(&[]);
    for (text, last) in [
        ("loglevel_quiet", "Set loglevel to the minimum."),
        ("numberofclients", "Number of connected clients: 0"),
        ("status", "------------- end --------------"),
        ("clientlist", "---------------- end ----------------"),
        ("subscribedclients:a", "Client count subscribed for \"a\": 0"),
        ("reinit_enable", "Reinit enabled."),
        ("reinit_disable", "Reinit disabled."),
        ("loglevel_quiet;numberofclients", "Number of connected clients: 0"),
        ("loglevel_debug", "Set loglevel to the maximum."),
        ("loglevel_normal", "Set loglevel to normal."),
    ] {
        let lines = daemon.logged(text, last);
        assert_eq!(lines.last().map(String::as_str), Some(last), "{text}");
    }
}

#[test]
fn malformed_messages_are_logged_from_the_normal_level_on() {
    let daemon = Logging::start(&["--max-message", "1000"]);
    let lines = daemon.logged("hello\nnumberofclients\n", "Number of connected clients: 0");
    let [wrong, _] = &lines[..] else { panic!("{lines:?}") };
    assert!(wrong.starts_with("wrong message from 127.0.0.1:"), "{wrong}");
    assert!(wrong.ends_with("ignored: unknown_command: \"hello\" is neither TOPIC=MESSAGE nor a command"), "{wrong}");
    let long = format!("a={};numberofclients\n", "x".repeat(2000));
    let lines = daemon.logged(&long, "Number of connected clients: 0");
    assert!(lines[0].contains("too_large: message is longer than 1000 bytes ("), "{lines:?}");
    let lines = daemon.logged("loglevel_quiet\nhello\nnumberofclients\n", "Number of connected clients: 0");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_flood_of_malformed_messages_is_counted_and_not_all_logged() {
    let daemon = Logging::start(&[]);
    let lines = daemon.logged(&("hello\n".repeat(10_000) + "numberofclients\n"), "Number of connected clients: 0");
    let told = lines.iter().filter(|line| line.contains("\"hello\" is neither")).count();
    // Twenty a second; a busy machine may take some.
    assert!((20..2_000).contains(&told), "{told} lines");
    let silence = "has sent more than 20 such messages within a second; the next are only counted";
    assert!(lines[20].ends_with(silence), "{}", lines[20]);
    assert_eq!(daemon.publisher().status().refused_commands_total, 10_000);
}

#[test]
fn each_message_is_logged_at_the_debug_level_only() {
    let daemon = Logging::start(&[]);
    let lines = daemon.logged("a=secret\nnumberofclients\n", "Number of connected clients: 0");
    assert_eq!(lines.len(), 1, "{lines:?}");
    daemon.logged("loglevel_debug\n", "Set loglevel to the maximum.");
    let lines = daemon.logged("a=hi there\nnumberofclients\n", "Number of connected clients: 0");
    assert!(lines.iter().any(|line| line.starts_with("message from ") && line.contains("hi there")), "{lines:?}");
}

#[test]
fn commands_from_a_fifo_report_to_the_log_and_those_that_want_an_answer_say_that_there_is_none() {
    let mut daemon = Logging::start(&[]);
    let mut fifo = OpenOptions::new().write(true).open(daemon.folder.path().join("fifo")).unwrap();
    fifo.write_all(b"numberofclients\n").unwrap();
    daemon.running.wait_until_it_says("Number of connected clients: 0\n");
    fifo.write_all(b"tcpstatus").unwrap();
    daemon.running.wait_until_it_says("has no way back");
    let lines = daemon.lines();
    let complaint = lines.last().unwrap();
    assert!(complaint.contains(&daemon.folder.path().join("fifo").display().to_string()), "{complaint}");
}

#[test]
fn no_control_character_from_outside_gets_into_the_log() {
    for format in ["text", "bare", "json"] {
        let mut daemon = Logging::start(&["--delimiter", "|", "--log-level", "debug", "--log-format", format]);
        let forged = "2026-01-31 13:45:07 hasses: forged";
        let mut publisher = daemon.publisher();
        for text in [
            &format!("evil\n{forged}"),
            &format!("evil\r{forged}"),
            &format!("evil\r\n{forged}\r\n"),
            &format!("to\u{1b}[2J\n{forged}=x"),
            &format!("a=message\u{1b}[31m\n{forged}\r{forged}\u{7f}\u{85}\u{9b}31m"),
            "a\u{0}\u{8}\u{9b}b=x",
            "room-i\u{1b}d\n=x",
        ] {
            publisher.write(format!("{text}|"));
        }
        let mut json = daemon.publisher();
        for line in [
            format!(r#"{{"cmd":"x\n{forged}"}}"#),
            format!(r#"{{"cmd":"ping","x\n{forged}\u001b\u009b":1}}"#),
            format!(r#"{{"cmd":"publish","topics":["a\n{forged}","\u001b"],"data":"x"}}"#),
            format!(r#"{{"cmd":"publish","topic":"a","data":"x\n{forged}\u009b"}}"#),
            r#"{"cmd":"log-level","level":"\u001b\u009b\n"}"#.to_owned(),
        ] {
            json.send(&line);
            json.answer();
        }
        let mut agent = Stream::connect(&daemon.address);
        agent.send(b"GET /sse?subscribe=%0aa&id=%1b HTTP/1.1\r\nHost: x\r\n\r\n");
        agent.read_to_close();
        let mut agent = Stream::connect(&daemon.address);
        agent.send(b"GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nUser-Agent: \xc2\x9b31m\xc2\x85forged\r\n\r\n");
        agent.read_to("\r\n\r\n");
        publisher.write("clientlist|numberofclients|");
        daemon.running.wait_until_it_says("Number of connected clients: ");
        let log = daemon.running.output();
        for line in log.lines() {
            assert!(!line.contains(char::is_control), "{format}: {line:?}");
            assert!(!line.starts_with(forged), "{format}: {line:?}");
            let json = serde_json::from_str::<serde_json::Value>(line);
            assert!(format != "json" || json.is_ok(), "{line}");
        }
        assert!(log.contains("forged"), "{format}: nothing of this was logged at all: {log}");
        assert!(log.contains("Agent:"), "{format}: {log}");
    }
}
