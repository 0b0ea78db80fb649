//! The real binary under the switches of the classic daemon, as init scripts and containers start it.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Command;

use hasses_tests::{Finished, Publisher, Running, Stream, Subscriber, binary, finish, free_port, required};
use rustix::process::Signal;
use tempfile::TempDir;

/// A daemon with the switches that nearly every installation has.
struct Classic {
    running: Running,
    address: String,
    control: String,
    folder: TempDir,
}

impl Classic {
    /// `-p=` and `-cp=` take no port 0 for "any", so ports are looked for, and others where somebody was quicker.
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for _ in 0..20 {
            let (port, control_port) = (free_port(), free_port());
            let mut command = Command::new(binary("hasses"));
            command.args([format!("-p={port}"), format!("-cp={control_port}"), "-murl=/sseevents".to_owned()]);
            command.arg(format!("-fifo={}/fifo", folder.path().display())).arg("-nodaemon").args(more);
            // A line that is logged at every level, once all ports are bound.
            let greeting = "it has no authentication";
            match Running::try_from_command(&mut command, &folder.path().join("output.log"), greeting) {
                Ok(running) => {
                    let [address, control] = [port, control_port].map(|port| format!("127.0.0.1:{port}"));
                    return Self { running, address, control, folder };
                }
                Err(output) => assert!(output.contains("Address already in use"), "{output}"),
            }
        }
        panic!("there was no pair of free ports in 20 attempts");
    }

    fn request(&self, head: &str) -> Stream {
        let mut stream = Stream::connect(&self.address);
        stream.send(format!("{head}\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n", self.address));
        stream
    }

    fn subscribe(&self, query: &str) -> Subscriber {
        self.request(&format!("GET /sseevents?{query} HTTP/1.1")).subscribed()
    }

    fn fifo(&self) -> std::path::PathBuf {
        self.folder.path().join("fifo")
    }
}

fn refused(arguments: &[&str]) -> String {
    let Finished { code, stdout, stderr } = finish(Command::new(binary("hasses")).args(arguments));
    assert_eq!((code, stdout.as_str()), (1, ""), "{arguments:?}: {stderr}");
    stderr
}

#[test]
fn unmodified_publishers_reach_unmodified_pages_under_an_unmodified_command_line() {
    let daemon = Classic::start(&["-q"]);
    let mut subscriber = daemon.subscribe("subscribe=room624-other&id=u1");
    let (host, port) = daemon.control.split_once(':').unwrap();
    let run = |program: &str, flag: &str, script: &str| {
        let Some(program) = required(program) else { return false };
        let mut command = Command::new(program);
        command.args([flag, script]).env("HOST", host).env("PORT", port).env("FIFO", daemon.fifo());
        let ended = finish(&mut command);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{script}");
        true
    };
    let php = r#"$s = fsockopen(getenv("HOST"), getenv("PORT")); fwrite($s, "room624=from PHP"); fclose($s);"#;
    if run("php", "-r", php) {
        assert_eq!(subscriber.data(), "from PHP");
    }
    if run("php", "-r", r#"file_put_contents(getenv("FIFO"), "other=by file_put_contents");"#) {
        assert_eq!(subscriber.data(), "by file_put_contents");
    }
    if run("bash", "-c", r#"echo "room624=by echo" > "$FIFO""#) {
        assert_eq!(subscriber.data(), "by echo");
    }
    if required("nc").is_some() && run("bash", "-c", r#"printf 'room624-u2=1;ro*=2;*=3' | nc -N "$HOST" "$PORT""#) {
        assert_eq!([(); 3].map(|()| subscriber.data()), ["1", "2", "3"]);
    }
    Publisher::tcp(&daemon.control).write("room624-u1=not to me;room624=to all");
    assert_eq!(subscriber.data(), "to all");
}

#[test]
fn it_serves_every_interface_its_one_path_and_the_fifo() {
    let daemon = Classic::start(&[]);
    let output = daemon.running.output();
    for port in [&daemon.address, &daemon.control].map(|address| address.rsplit_once(':').unwrap().1) {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let wildcard = format!(" 00000000:{:04X} 00000000:0000 0A ", port.parse::<u16>().unwrap());
        assert!(table.contains(&wildcard), "port {port} is not open on every interface: {output}");
    }
    assert_eq!(daemon.request("GET /sse?subscribe=a HTTP/1.1").answer().status, 404);
    assert_eq!(daemon.request("GET /sseevents HTTP/1.1").answer().status, 400);
    assert!(fs::metadata(daemon.fifo()).unwrap().file_type().is_fifo());
    let mut publisher = Publisher::tcp(&daemon.control);
    publisher.write("tcpstatus");
    assert_eq!(publisher.answer()["loglevel"], 1);
}

#[test]
fn it_logs_the_bare_lines_to_standard_output_and_says_what_the_modern_defaults_would_be() {
    let daemon = Classic::start(&["-q", "-l=/nonexistent/hasses.log"]);
    let control_port = daemon.control.rsplit_once(':').unwrap().1;
    let mut publisher = Publisher::tcp(&daemon.control);
    publisher.write("numberofclients\n");
    let mut running = daemon.running;
    running.wait_until_it_says("\nNumber of connected clients: 0\n");
    let output = running.output();
    for part in [
        format!(
            "control on port {control_port} is open to every interface, and it has no authentication; safer, with modern flags: --control"
        ),
        format!("{}/fifo is missing it is made with mode 0666 less the umask", daemon.folder.path().display()),
        "subscribers may connect on every interface".to_owned(),
        "-l=/nonexistent/hasses.log: without effect, since -nodaemon logs to standard output".to_owned(),
    ] {
        assert!(output.contains(&part), "{part:?} is missing in {output}");
    }
    assert!(output.lines().all(|line| line.starts_with("warning: ") || line.starts_with("Number ")), "{output}");
}

#[test]
fn the_log_level_is_that_of_the_last_switch() {
    for (switches, level) in
        [(&[][..], 1), (&["-q"], 0), (&["-debug"], 2), (&["-q", "-debug"], 2), (&["-debug", "-q"], 0)]
    {
        let daemon = Classic::start(switches);
        let mut publisher = Publisher::tcp(&daemon.control);
        publisher.write("tcpstatus\n");
        assert_eq!(publisher.answer()["loglevel"], level, "{switches:?}");
    }
}

#[test]
fn the_first_character_of_sep_ends_messages() {
    for separator in ["-sep=|", "-sep=|;"] {
        let daemon = Classic::start(&["-q", separator]);
        let mut subscriber = daemon.subscribe("subscribe=a");
        Publisher::tcp(&daemon.control).write("a=one;two\nthree|a=four|");
        assert_eq!([(); 2].map(|()| subscriber.data()), ["one;two\nthree", "four"]);
        fs::write(daemon.fifo(), "a=five|\n").unwrap();
        assert_eq!(subscriber.data(), "five");
    }
}

#[test]
fn cors_base_is_sent_as_it_is() {
    for (switches, origin) in
        [(&["-q"][..], "*"), (&["-q", "-cors-base=https://www.example.com"], "https://www.example.com")]
    {
        let daemon = Classic::start(switches);
        let subscriber = daemon.subscribe("subscribe=a");
        let header = format!("\r\nAccess-Control-Allow-Origin: {origin}\r\n");
        assert!(subscriber.head.contains(&header), "{}", subscriber.head);
        let answer = daemon.request("OPTIONS /sseevents HTTP/1.1").answer();
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (200, Some(origin)));
    }
}

#[test]
fn ra_allows_re_init_and_without_it_a_new_request_is_ignored() {
    let daemon = Classic::start(&["-q", "-ra"]);
    let mut subscriber = daemon.subscribe("subscribe=old");
    subscriber.stream().send("GET /sseevents?subscribe=new HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = subscriber.stream().read_to("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    Publisher::tcp(&daemon.control).write("old=1;new=2");
    assert_eq!(subscriber.data(), "2");

    let daemon = Classic::start(&["-q"]);
    let mut subscriber = daemon.subscribe("subscribe=old");
    subscriber.stream().send("GET /sseevents?subscribe=new HTTP/1.1\r\nHost: x\r\n\r\n");
    Publisher::tcp(&daemon.control).write("new=1;old=2");
    assert_eq!(subscriber.data(), "2");
}

#[test]
fn signals_end_it_with_exit_code_0() {
    // The classic init script stops it with SIGINT.
    for signal in [Signal::INT, Signal::TERM] {
        let mut daemon = Classic::start(&["-q"]);
        let mut subscriber = daemon.subscribe("subscribe=a");
        daemon.running.signal(signal);
        subscriber.ends();
        assert_eq!(daemon.running.exit_code(), 0);
        assert!(daemon.fifo().exists(), "writers may have it open");
    }
}

#[test]
fn help_and_version_exit_with_0() {
    for switch in ["-h", "-help"] {
        let ended = finish(Command::new(binary("hasses")).args(["-p=8080", switch]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        for part in ["-murl=/PATH", "-cp=PORT", "-fifo=/PATH", "-sep=CHAR", "-nodaemon", "-cors-base=URL"] {
            assert!(ended.stdout.contains(part), "{part} is missing in {}", ended.stdout);
        }
    }
    for switch in ["-v", "-V", "-version"] {
        let ended = finish(Command::new(binary("hasses")).arg(switch));
        let version = format!("hasses {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((ended.code, ended.stdout, ended.stderr.as_str()), (0, version, ""), "{switch}");
    }
}

#[test]
fn what_the_switches_of_a_service_ask_for_in_vain_is_an_error_with_exit_code_1_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("{}/{name}", folder.path().display());
    let (port, fifo, log) = (free_port(), format!("-fifo={}", at("fifo")), format!("-l={}", at("hasses.log")));
    let usual = [&format!("-p={port}"), "-murl=/sse", &fifo, &log];
    let files = ["-ssl".to_owned(), format!("-cert-file={}", at("c.pem")), format!("-privatekey-file={}", at("k.pem"))];
    let pid_file = format!("-pidfile={}", at("missing/hasses.pid"));
    for (switches, part) in [
        (&[&files[0]][..], "-cert-file=PEM is missing: the certificate of -ssl\n-privatekey-file=PEM is missing: "),
        (&[&files[0], &files[1], &files[2]], "c.pem cannot be read: No such file or directory"),
        (&[&"-user=no-such-user".to_owned()], "user no-such-user: there is no user \"no-such-user\" on this system"),
        (&[&pid_file], "missing/hasses.pid: No such file or directory"),
        (&[&"-pidfile=hasses.pid".to_owned()], "\"hasses.pid\" is not an absolute path"),
    ] {
        // To the background and not.
        for more in [&[][..], &["-nodaemon"]] {
            let switches: Vec<&str> = switches.iter().map(|switch| switch.as_str()).collect();
            let error = refused(&[&usual[..], &switches, more].concat());
            assert!(error.contains(part), "{switches:?}: {error}");
        }
    }
    assert!(!folder.path().join("fifo").exists(), "nothing was made");
}

#[test]
fn wrong_switches_are_all_told_at_once_with_exit_code_1() {
    let error = refused(&["-nodaemon"]);
    for missing in ["-p=PORT is missing", "-murl=/PATH is missing", "-cp=PORT or -fifo=/PATH is missing"] {
        assert!(error.contains(missing), "{error}");
    }
    for (switch, part) in [
        ("-port=8080", "unknown switch -port=8080; the nearest is -p=PORT"),
        ("-x", "unknown switch -x"),
        ("-listen=127.0.0.1:1", "modern flags have two dashes: --listen"),
        ("-p=http", "-p=http: \"http\" is no port number"),
        ("-p=70000", "is no port number"),
        ("-cp=0", "is no port number from 1"),
        ("-cp=1", "-p=1 and -cp=1 are one port"),
        ("-murl=sse", "does not begin with /"),
        ("-fifo=relative", "\"relative\" is not an absolute path"),
        ("-l=relative.log", "\"relative.log\" is not an absolute path"),
        ("-sep==", "cannot end a message"),
        ("-murl", "-murl needs a value: -murl=/PATH"),
        ("-q=1", "-q takes no value"),
    ] {
        let error = refused(&["-p=1", "-cp=2", "-murl=/sse", "-nodaemon", switch]);
        assert!(error.contains(part), "{switch}: {error}");
    }
}

#[test]
fn a_port_in_use_is_an_error_with_exit_code_1() {
    let daemon = Classic::start(&["-q"]);
    let taken = daemon.address.rsplit_once(':').unwrap().1;
    let error = refused(&[&format!("-p={taken}"), &format!("-cp={}", free_port()), "-murl=/sse", "-nodaemon"]);
    assert!(error.contains(&format!("cannot listen on 0.0.0.0:{taken}: Address already in use")), "{error}");
}

#[test]
fn classic_switches_and_modern_flags_cannot_be_mixed() {
    let ended = finish(Command::new(binary("hasses")).args(["-p=1", "-cp=2", "-murl=/sse", "-nodaemon", "--path=/x"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("-p=1 is classic and --path is modern, and the two cannot be mixed"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_classic_configuration_file_is_read_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hasses.conf");
    let fifo = folder.path().join("from-file");
    let text = format!(
        "# hasses configuration\n\n-murl=/old\n-fifo={}\n  -cors-base=https://a.example # comment\n-q\n",
        fifo.display()
    );
    fs::write(&path, text).unwrap();
    // The FIFO of the command line wins over that of the file, and so does the path.
    let daemon = Classic::start(&["--classic-config", path.to_str().unwrap()]);
    let subscriber = daemon.subscribe("subscribe=a");
    assert!(subscriber.head.contains("\r\nAccess-Control-Allow-Origin: https://a.example\r\n"), "{}", subscriber.head);
    assert!(daemon.fifo().exists() && !fifo.exists());

    fs::write(&path, "-p=1\n-murl=/sse\n\n-pot=2\n").unwrap();
    let error = refused(&["--classic-config", path.to_str().unwrap()]);
    assert!(error.contains(&format!("{}:4: unknown switch -pot=2", path.display())), "{error}");
    let missing = refused(&["--classic-config", "/nonexistent/hasses.conf"]);
    assert!(missing.contains("--classic-config /nonexistent/hasses.conf: cannot be read: No such file"), "{missing}");
}

#[test]
fn check_prints_a_classic_command_line_as_a_modern_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = format!("-fifo={}/fifo", folder.path().display());
    let arguments = ["-p=8080", "-cp=8085", "-murl=/sse", &fifo, "-nodaemon", "-q", "-ra", "-sep=|", "--check"];
    let ended = finish(Command::new(binary("hasses")).args(arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(!Path::new(&fifo["-fifo=".len()..]).exists(), "nothing is made");
    let lines =
        ["listen = [\"0.0.0.0:8080\"]", "allow-remote-control = true", "log-level = \"quiet\"", "delimiter = \"|\""];
    for line in lines {
        assert!(ended.stdout.lines().any(|printed| printed.starts_with(line)), "{line} is missing in {}", ended.stdout);
    }
    let path = folder.path().join("hasses.toml");
    fs::write(&path, &ended.stdout).unwrap();
    let again = finish(Command::new(binary("hasses")).args(["--check", "--config", path.to_str().unwrap()]));
    let settings =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((again.code, settings(&again.stdout)), (0, settings(&ended.stdout)), "{}", again.stderr);
}
