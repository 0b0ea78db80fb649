//! Sockets that a service manager opened: for subscribers, with and without TLS, and for control.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use hasses_tests::{
    Authority, Certificate, Publisher, Running, Stream, Subscriber, TlsClient, binary, finish, required,
};
use rustix::process::Signal;

/// Opens sockets as systemd does and becomes the daemon: `name=tcp` or `name=/path` each, then the daemon and its arguments behind
/// `--`. The port of each goes to the file `ports`.
const SCRIPT: &str = r#"
import os, socket, sys
folder, rest = sys.argv[1], sys.argv[2:]
at = rest.index("--")
sockets, names, ports = [], [], []
for wanted in rest[:at]:
    name, where = wanted.split("=", 1)
    names.append(name)
    if where == "tcp":
        opened = socket.create_server(("127.0.0.1", 0), backlog=128)
        ports.append("%s=%s" % (name, opened.getsockname()[1]))
    elif where == "udp":
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("127.0.0.1", 0))
    else:
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(where)
        opened.listen(128)
    sockets.append(opened)
with open(folder + "/ports", "w") as file:
    file.write("\n".join(ports))
# Above those that they are to have, so that none is overwritten by another.
high = [os.dup2(opened.fileno(), 100 + n, False) for n, opened in enumerate(sockets)]
for n, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + n)
os.environ.update(LISTEN_FDS=str(len(names)), LISTEN_PID=os.environ.get("FOR", str(os.getpid())), LISTEN_FDNAMES=":".join(names))
os.execv(rest[at + 1], rest[at + 1:])
"#;

fn command(folder: &Path, sockets: &[&str], arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new(required("python3")?);
    command.args(["-c", SCRIPT]).arg(folder).args(sockets).arg("--").arg(binary("hasses")).args(arguments);
    Some(command)
}

fn port(folder: &Path, name: &str) -> String {
    let ports = std::fs::read_to_string(folder.join("ports")).expect("the ports");
    let port = ports.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect("its port");
    format!("127.0.0.1:{port}")
}

#[test]
fn subscribers_and_commands_come_over_passed_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::default();
    let Certificate { certificate, key } = authority.issue(&["127.0.0.1"]).save(folder.path(), "tls");
    let (control, sse) = (folder.path().join("control.sock"), folder.path().join("sse.sock"));
    let named = |name: &str, path: &Path| format!("{name}={}", path.display());
    let sockets =
        ["sse=tcp", "tls=tcp", "web=tcp", &named("control", &control), &named("local", &sse), "spare=tcp", "odd=udp"];
    let arguments = [
        "--listen=systemd:sse",
        "--listen=systemd:local",
        "--listen-tls=systemd:tls",
        &format!("--tls-cert={}", certificate.display()),
        &format!("--tls-key={}", key.display()),
        "--control=systemd://control",
        "--control=systemd://web",
    ];
    let Some(mut command) = command(folder.path(), &sockets, &arguments) else { return };
    let mut running = Running::from_command(&mut command, &folder.path().join("output.log"), "and: ");
    let output = running.output();
    for part in [
        format!("subscribers: http://{}/sse\n", port(folder.path(), "sse")),
        format!("subscribers: https://{}/sse\n", port(folder.path(), "tls")),
        format!("subscribers: unix:{} (http, path /sse)\n", sse.display()),
        format!("control: unix://{}\n", control.display()),
        format!("control: tcp://{}\n", port(folder.path(), "web")),
        "warning: the service manager passed a socket named \"spare\", and no --listen".to_owned(),
        "warning: the service manager passed a socket named \"odd\"".to_owned(),
    ] {
        assert!(output.contains(&part), "{part:?} is missing in {output}");
    }
    let mut plain = Subscriber::connect(&port(folder.path(), "sse"), "subscribe=t");
    let mut secured = TlsClient::trusting(&authority.pem()).subscribe(&port(folder.path(), "tls"), "subscribe=t");
    assert_eq!(Publisher::unix(&control).publish("t", "one"), 2);
    assert_eq!(Publisher::tcp(&port(folder.path(), "web")).publish("t", "two"), 2);
    for subscriber in [&mut plain, &mut secured] {
        assert_eq!([(); 2].map(|()| subscriber.data()), ["one", "two"]);
    }
    running.signal(Signal::TERM);
    plain.ends();
    assert_eq!(running.exit_code(), 0);
    assert!(control.exists() && sse.exists(), "the files are the service manager's");
}

#[test]
fn a_socket_that_is_missing_or_of_the_wrong_kind_is_an_error_that_lists_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let control = "--control=tcp://127.0.0.1:0";
    for (listen, part) in [
        (
            "--listen=systemd:other",
            "cannot listen on systemd:other: the service manager passed no socket named \"other\" (FileDescriptorName=; \
             passed and left: sse, odd)",
        ),
        ("--listen=systemd:odd", "the socket named \"odd\" is neither one of TCP nor a Unix stream socket"),
    ] {
        let Some(mut command) = command(folder.path(), &["sse=tcp", "odd=udp"], &[listen, control]) else { return };
        let ended = finish(&mut command);
        assert!(ended.code == 1 && ended.stderr.contains(part), "{}", ended.stderr);
    }
    let Some(mut command) = command(folder.path(), &["sse=tcp"], &["--listen=127.0.0.1:0", "--control=systemd://sse2"])
    else {
        return;
    };
    let ended = finish(&mut command);
    let part =
        "control source \"systemd://sse2\": taking the socket: the service manager passed no socket named \"sse2\"";
    assert!(ended.code == 1 && ended.stderr.contains(part), "{}", ended.stderr);
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--listen=systemd:sse", "--control=tcp://127.0.0.1:0"];
    let Some(mut command) = command(folder.path(), &["sse=tcp"], &arguments) else { return };
    let ended = finish(command.env("FOR", "1"));
    assert!(ended.code == 1 && ended.stderr.contains("passed and left: none"), "{}", ended.stderr);
}

#[test]
fn a_passed_socket_and_the_background_are_a_contradiction() {
    let folder = tempfile::tempdir().unwrap();
    let log = format!("--log-file={}", folder.path().join("log").display());
    for more in [&[][..], &["--check"]] {
        let mut command = Command::new(binary("hasses"));
        command.args(["--background", "--listen=systemd:sse", "--control=tcp://127.0.0.1:0", &log]).args(more);
        let ended = finish(&mut command);
        let why = "background: a socket that the service manager passes is for the process that it starts";
        assert!(ended.code == 1 && ended.stderr.contains(why), "{ended:?}");
    }
}

#[test]
fn connections_that_waited_while_nobody_served_are_served() {
    let Some(python) = required("python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control.sock");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // As between two runs of a service: the socket is there, and the daemon is not.
    let mut early = Stream::connect(&listener.local_addr().unwrap().to_string());
    early.send("GET /sse?subscribe=t HTTP/1.1\r\nHost: x\r\n\r\n");
    let script = "import os, sys\nos.dup2(0, 3)\n\
                  os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='sse')\n\
                  os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new(python);
    command.args(["-c", script]).arg(binary("hasses"));
    command.args(["--listen=systemd:sse", &format!("--control=unix://{}", control.display())]);
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut subscriber = early.subscribed();
    assert_eq!(Publisher::unix(&control).publish("t", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
    child.kill().unwrap();
    child.wait().unwrap();
}
