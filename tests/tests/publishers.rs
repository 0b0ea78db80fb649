//! Publishers as they are out there: PHP, Python, shell and netcat, none of which knows anything about this daemon.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::process::Command;

use hasses_tests::{Finished, Running, Subscriber, TestDaemon, finish, required, wait_for};
use serde_json::{Value, json};

/// Runs a program with what it needs to find the daemon, and gives what it printed; `None` where the program was left out.
fn run(daemon: &TestDaemon, program: &str, arguments: &[&str]) -> Option<String> {
    let address = daemon.control_address();
    let (host, port) = address.rsplit_once(':').expect("an address");
    let mut command = Command::new(required(program)?);
    command.args(arguments).env("HOST", host).env("PORT", port).env("FOLDER", daemon.folder());
    let Finished { code, stdout, stderr } = finish(&mut command);
    assert_eq!((code, stderr.as_str()), (0, ""), "{program} {arguments:?}: {stdout}");
    Some(stdout)
}

/// Runs each script in turn, and expects its messages.
fn publish(program: &str, flag: &str, scripts: &[(&str, &[&str])]) {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    for (script, messages) in scripts {
        if run(&daemon, program, &[flag, script]).is_none() {
            return;
        }
        expect(&mut subscriber, messages, script);
    }
    assert_eq!(daemon.status().refused_commands_total, 0);
}

fn expect(subscriber: &mut Subscriber, messages: &[&str], what: &str) {
    messages.iter().for_each(|message| assert_eq!(subscriber.data(), *message, "{what}"));
}

#[test]
fn php_publishes_with_fsockopen_with_sockets_and_through_the_fifo() {
    publish(
        "php",
        "-r",
        &[
            (r#"$s = fsockopen(getenv("HOST"), (int)getenv("PORT")); fwrite($s, "room624=hi"); fclose($s);"#, &["hi"]),
            (
                r#"$s = fsockopen(getenv("HOST"), getenv("PORT"), $no, $text, 5);
                   fputs($s, "room624=" . json_encode(["user" => "me", "text" => "a=b"]) . "\n"); fclose($s);"#,
                &[r#"{"user":"me","text":"a=b"}"#],
            ),
            (
                r#"$s = fsockopen(getenv("HOST"), getenv("PORT"));
                   for ($i = 0; $i < 3; $i++) fwrite($s, "room624=$i;"); fclose($s);"#,
                &["0", "1", "2"],
            ),
            (
                // As the classic daemon's own example does it.
                r#"$s = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
                   if (socket_connect($s, getenv("HOST"), (int)getenv("PORT"))) {
                       $d = "room624=with sockets";
                       socket_send($s, $d, strlen($d), MSG_EOR); socket_shutdown($s, 1); socket_close($s);
                   }"#,
                &["with sockets"],
            ),
            (r#"file_put_contents(getenv("FOLDER") . "/fifo", "room624=through the FIFO");"#, &["through the FIFO"]),
            (
                r#"$f = fopen(getenv("FOLDER") . "/fifo", "w"); fwrite($f, "room624=one\n"); fwrite($f, "room624=two\n");
                   fclose($f);"#,
                &["one", "two"],
            ),
            (
                r#"$s = stream_socket_client("unix://" . getenv("FOLDER") . "/control.sock");
                   fwrite($s, "room624=over the Unix socket"); fclose($s);"#,
                &["over the Unix socket"],
            ),
        ],
    );
}

#[test]
fn php_of_the_readme_sends_what_users_typed_as_one_message() {
    const README: &str = include_str!("../../README.md");
    let (_, sample) = README.split_once("```php\n<?php\n").expect("a sample");
    let (sample, _) = sample.split_once("```").expect("its end");
    let daemon = TestDaemon::start();
    let (mut room, mut all) = (daemon.subscribe("subscribe=room624"), daemon.subscribe("subscribe=*"));
    let script = sample.replace("127.0.0.1:8085", &daemon.control_address());
    let typed = "it's; *=\"pwned\"\nroom624=again";
    if run(&daemon, "php", &["-r", &format!("$text = {typed:?}; {script}")]).is_some() {
        assert_eq!((room.data(), all.data()), (typed.to_owned(), typed.to_owned()));
    }
}

#[test]
fn php_sends_a_long_message_in_many_writes_and_it_arrives_whole() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    // PHP writes to sockets in pieces of 8 KiB.
    let script = r#"$s = fsockopen(getenv("HOST"), getenv("PORT"));
                    fwrite($s, "room624=" . str_repeat("0123456789", 50000) . "\n"); fclose($s);"#;
    if run(&daemon, "php", &["-r", script]).is_some() {
        assert!(subscriber.data() == "0123456789".repeat(50_000));
    }
}

#[test]
fn php_reads_the_answers_of_commands_and_of_json_publishes() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    let status = r#"$s = fsockopen(getenv("HOST"), getenv("PORT")); fwrite($s, "tcpstatus");
                    echo json_decode(fgets($s))->sseconncli; fclose($s);"#;
    let Some(printed) = run(&daemon, "php", &["-r", status]) else { return };
    assert_eq!(printed, "1");
    let publish = r#"$s = stream_socket_client("unix://" . getenv("FOLDER") . "/control.sock");
                     fwrite($s, json_encode(["cmd" => "publish", "topic" => "room624", "data" => ["a" => 1]]) . "\n");
                     echo fgets($s); fclose($s);"#;
    let answer: Value = serde_json::from_str(&run(&daemon, "php", &["-r", publish]).unwrap()).unwrap();
    let event = subscriber.event();
    assert_eq!(answer, json!({"ok": true, "id": event.id, "matched": 1}));
    assert_eq!(event.data, r#"{"a":1}"#);
}

#[test]
fn python_publishes_over_sockets_and_through_the_fifo() {
    publish(
        "python3",
        "-c",
        &[
            (
                "import os, socket\n\
                 s = socket.create_connection((os.environ['HOST'], os.environ['PORT']))\n\
                 s.sendall(b'room624=hi')\n\
                 s.close()",
                &["hi"],
            ),
            (
                "import os, socket\n\
                 with socket.create_connection((os.environ['HOST'], os.environ['PORT'])) as s:\n    \
                     for n in range(1000): s.sendall(f'room624={n}\\n'.encode())",
                &(0..1000)
                    .map(|nth| nth.to_string())
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            ),
            (
                "import os; open(os.environ['FOLDER'] + '/fifo', 'w').write('room624=through the FIFO')",
                &["through the FIFO"],
            ),
            (
                "import os\n\
                 with open(os.environ['FOLDER'] + '/fifo', 'w') as fifo:\n    \
                     print('room624=one', file=fifo)\n    \
                     print('room624=two', file=fifo)",
                &["one", "two"],
            ),
        ],
    );
}

#[test]
fn python_publishes_json_and_reads_the_answers() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    let script = "import json, os, socket\n\
                  s = socket.socket(socket.AF_UNIX)\n\
                  s.connect(os.environ['FOLDER'] + '/control.sock')\n\
                  f = s.makefile('rw')\n\
                  for n in range(100): f.write(json.dumps({'cmd': 'publish', 'topic': 'room624', 'data': {'n': n}}) + '\\n')\n\
                  f.flush()\n\
                  print(sum(json.loads(f.readline())['matched'] for n in range(100)))";
    let Some(printed) = run(&daemon, "python3", &["-c", script]) else { return };
    assert_eq!(printed, "100\n");
    (0..100).for_each(|nth| assert_eq!(subscriber.data(), format!("{{\"n\":{nth}}}")));
}

#[test]
fn the_shell_publishes_with_echo_and_printf() {
    publish(
        "bash",
        "-c",
        &[
            (r#"echo "room624=hi" > "$FOLDER/fifo""#, &["hi"]),
            (r#"echo "room624=one;room624=two;" > "$FOLDER/fifo""#, &["one", "two"]),
            (r#"printf 'room624=unterminated' > "$FOLDER/fifo""#, &["unterminated"]),
            (r#"printf '%s\r\n' 'room624=from Windows' > "$FOLDER/fifo""#, &["from Windows"]),
            (r#"for n in 1 2 3; do echo "room624=$n"; done > "$FOLDER/fifo""#, &["1", "2", "3"]),
            (r#"for n in 1 2 3; do echo "room624=$n" > "$FOLDER/fifo"; done"#, &["1", "2", "3"]),
            (r#"cat > "$FOLDER/fifo" <<< "room624=from cat""#, &["from cat"]),
            (r#"echo "room624=dev tcp" > "/dev/tcp/$HOST/$PORT""#, &["dev tcp"]),
            (r#"printf 'room624=dev tcp' > "/dev/tcp/$HOST/$PORT""#, &["dev tcp"]),
            (r#"echo '{"cmd":"publish","topic":"room624","data":"json"}' > "$FOLDER/json-fifo""#, &["json"]),
        ],
    );
}

#[test]
fn many_shells_write_into_the_fifo_at_one_time_and_each_message_comes_whole() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    let script = r#"for n in {1..40}; do echo "room624=$n $(printf 'x%.0s' {1..1000})" > "$FOLDER/fifo" & done; wait"#;
    if run(&daemon, "bash", &["-c", script]).is_none() {
        return;
    }
    let mut numbers: Vec<u32> = (0..40)
        .map(|_| {
            let data = subscriber.data();
            let (number, padding) = data.split_once(' ').unwrap();
            assert_eq!(padding, "x".repeat(1000));
            number.parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=40));
}

#[test]
fn netcat_publishes_over_tcp_and_unix_socket_and_prints_answers() {
    if required("nc").is_none() {
        return;
    }
    publish(
        "bash",
        "-c",
        &[
            (r#"echo "room624=hi" | nc -N "$HOST" "$PORT""#, &["hi"]),
            (r#"printf 'room624=hi' | nc -N "$HOST" "$PORT""#, &["hi"]),
            (r#"printf 'room624=hi' | nc -q 0 "$HOST" "$PORT""#, &["hi"]),
            (r#"printf 'room624=1;room624=2' | nc -N "$HOST" "$PORT""#, &["1", "2"]),
            (r#"printf 'room624=hi' | nc -N -U "$FOLDER/control.sock""#, &["hi"]),
        ],
    );
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=room624", "subscribe=x"].map(|query| daemon.subscribe(query));
    let answer = |script: &str| run(&daemon, "bash", &["-c", script]).unwrap_or_default();
    let status: Value = serde_json::from_str(&answer(r#"echo tcpstatus | nc -N "$HOST" "$PORT""#)).unwrap();
    assert_eq!(status["sseconncli"], 2);
    assert_eq!(answer(r#"echo tcpnumberofclients | nc -N "$HOST" "$PORT""#), "{\"numberofclients\": 2}\n");
    let subscribed = answer(r#"printf 'tcpsubscribedclients:room624' | nc -N "$HOST" "$PORT""#);
    assert_eq!(subscribed, "{\"subscribedclients\": 1, \"subscribedfor\": \"room624\"}\n");
    let pong: Value =
        serde_json::from_str(&answer(r#"echo '{"cmd":"ping"}' | nc -N -U "$FOLDER/control.sock""#)).unwrap();
    assert_eq!(pong["protocol"], 1);
}

#[test]
fn curl_receives_what_php_sends() {
    let daemon = TestDaemon::start();
    let Some(curl) = required("curl") else { return };
    let url = format!("http://{}/sse?subscribe=room624", daemon.address());
    let mut command = Command::new(curl);
    command.args(["-sN", "--max-time", "60", &url]);
    let running = Running::from_command(&mut command, &daemon.folder().join("curl.log"), ":\n");
    let script = r#"$s = fsockopen(getenv("HOST"), getenv("PORT")); fwrite($s, "room624=hi"); fclose($s);"#;
    if run(&daemon, "php", &["-r", script]).is_some() {
        wait_for("the event in curl's output", || running.output().ends_with("\ndata: hi\n\n").then_some(()));
        let output = running.output();
        assert!(output.starts_with(":\nevent: hasses.cursor\nid: "), "{output}");
        assert_eq!(output.matches("\ndata: ").count(), 2, "{output}");
    }
}
