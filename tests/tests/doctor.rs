//! `hasses-ctl doctor` in front of a real nginx, right and wrong, and of a real daemon.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use hasses::config::ListenAddress;
use hasses_tests::{Authority, Finished, Proxy, Running, TestDaemon, binary, finish, own_address, required};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than nginx waits at `/impatient`, shorter than the doctor does.
const HEARTBEAT: Duration = Duration::from_secs(2);
const WAIT: &str = "3";

/// An nginx with a right configuration at `/right`, and wrong ones beside it.
struct Front {
    _nginx: Proxy,
    folder: TempDir,
    /// With TLS and HTTP/2.
    secured: SocketAddrV4,
    plain: SocketAddrV4,
    backend: SocketAddrV4,
}

impl Front {
    /// `None` where nginx is left out.
    fn start() -> Option<Self> {
        let nginx = required("nginx")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let [secured, plain, backend] = [(); 3].map(|()| own_address());
        let authority = Authority::default();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        let _ = authority.issue(&[&secured.ip().to_string()]).save(folder.path(), "site");
        let configuration = folder.path().join("nginx.conf");
        let text = configured(&folder.path().display().to_string(), secured, plain, backend);
        std::fs::write(&configuration, text).expect("a file");
        let mut command = Command::new(nginx);
        command.arg("-c").arg(&configuration).args(["-e", "stderr"]);
        let nginx = Proxy::start(&mut command, folder.path(), &[secured, plain]);
        Some(Self { _nginx: nginx, folder, secured, plain, backend })
    }

    /// A daemon behind it.
    fn daemon(&self) -> TestDaemon {
        TestDaemon::with(|config| {
            config.listen = vec![ListenAddress::Tcp(self.backend.into())];
            config.proxies.trusted = vec!["127.0.0.1".parse().expect("an address")];
            config.limits.heartbeat = HEARTBEAT;
        })
    }

    fn doctor(&self, url: &str, words: &[&str]) -> Diagnosis {
        let ca = self.folder.path().join("ca.pem");
        doctor(url, &[&["--ca", ca.to_str().expect("UTF-8"), "--wait", WAIT], words].concat())
    }
}

fn configured(folder: &str, secured: SocketAddrV4, plain: SocketAddrV4, backend: SocketAddrV4) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.map(|name| format!("    {name}_temp_path {folder}/{name};\n")).concat();
    let pass = format!("proxy_pass http://{backend}/sse;");
    let well = format!(
        "{pass} proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_read_timeout 60s;"
    );
    format!(
        "master_process off;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
{temporary}
    server {{
        listen {secured} ssl http2;
        listen {plain};
        ssl_certificate {folder}/site.pem;
        ssl_certificate_key {folder}/site.key;
        location = /right {{ {well} error_page 500 502 503 504 = @hasses_later; }}
        location @hasses_later {{
            default_type text/event-stream;
            add_header Cache-Control no-store;
            add_header Access-Control-Allow-Origin *;
            return 200 \"retry: 5000\\n\\n\";
        }}
        location = /bare {{ {well} }}
        # What nginx does by itself, where the daemon's header is ignored. Chunks of HTTP/1.1 it passes on even so.
        location = /buffering {{
            {pass} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_ignore_headers X-Accel-Buffering;
        }}
        location = /compressing {{ {well} gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0; }}
        location = /both {{
            {well} proxy_ignore_headers X-Accel-Buffering;
            gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;
        }}
        location = /old {{ {pass} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}
        location = /anonymous {{ {pass} proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
        location = /impatient {{
            {pass} proxy_http_version 1.1; proxy_set_header Connection \"\";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_read_timeout 1s;
        }}
        location = /twice {{ {well} add_header Access-Control-Allow-Origin *; }}
        location = /dead {{ proxy_pass http://127.0.0.1:1/; }}
    }}
}}
"
    )
}

/// What was found: verdict, and sentences with what to change.
struct Diagnosis {
    code: i32,
    findings: BTreeMap<String, Vec<(String, String)>>,
}

impl Diagnosis {
    /// The checks with a finding of this verdict.
    fn all(&self, verdict: &str) -> Vec<&str> {
        let has = |found: &[(String, String)]| found.iter().any(|(known, _)| known == verdict);
        self.findings.iter().filter(|(_, found)| has(found)).map(|(check, _)| check.as_str()).collect()
    }

    fn says(&self, check: &str, verdict: &str, part: &str) -> bool {
        let found = self.findings.get(check).map_or(&[][..], Vec::as_slice);
        found.iter().any(|(known, text)| known == verdict && text.contains(part))
    }
}

fn doctor(url: &str, words: &[&str]) -> Diagnosis {
    let mut command = Command::new(binary("hasses-ctl"));
    command.args(["doctor", url, "--json"]).args(words).env_remove("HASSES_CONTROL");
    let Finished { code, stdout, stderr } = finish(&mut command);
    assert_eq!(stderr, "", "{url}");
    let answer: Value = serde_json::from_str(&stdout).expect("JSON");
    let mut findings: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for finding in answer["findings"].as_array().expect("a list") {
        let text = |field: &str| finding[field].as_str().expect("a text").to_owned();
        let change = finding["change"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let said = change.fold(text("seen"), |said, line| said + "\n" + line);
        findings.entry(text("check")).or_default().push((text("verdict"), said));
    }
    Diagnosis { code, findings }
}

fn control(daemon: &TestDaemon) -> String {
    format!("unix://{}/control.sock", daemon.folder().display())
}

/// Does the same with every row, at the same time: each takes some seconds of waiting.
fn each<T: Send>(rows: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| rows.into_iter().for_each(|row| drop(scope.spawn(|| check(row)))));
}

#[test]
fn a_right_nginx_has_nothing_wrong_and_no_warning() {
    let Some(front) = Front::start() else { return };
    let daemon = front.daemon();
    let control = control(&daemon);
    let url = format!("https://{}/right", front.secured);
    let found = front.doctor(&url, &["--control", &control, "--origin", "https://app.example"]);
    assert_eq!(
        (found.code, found.all("wrong"), found.all("warning"), found.all("skipped")),
        (0, vec![], vec![], vec![])
    );
    for (check, part) in [
        ("certificate", "it holds for"),
        ("http2", "HTTP/2 is offered"),
        ("proxy", "it asks the daemon by HTTP/1.1"),
        ("address", "the client's own address"),
        ("events", "5 events, 300 ms apart, arrived one by one"),
        ("idle", "the stream is still there"),
        ("cors", "pages of https://app.example may read it"),
        ("preflight", "fetch"),
    ] {
        assert!(found.says(check, "ok", part), "{check}: {:?}", found.findings);
    }
}

#[test]
fn each_wrong_nginx_is_told_from_a_right_one() {
    let Some(front) = Front::start() else { return };
    let daemon = front.daemon();
    let control = control(&daemon);
    let rows = [
        ("/right", "", "", ""),
        ("/buffering", "first-byte", "wrong", "proxy_buffering off;"),
        ("/compressing", "compression", "wrong", "gzip off;"),
        ("/both", "first-byte", "wrong", "KiB of events had been sent behind it"),
        ("/old", "proxy", "wrong", "proxy_http_version 1.1;"),
        ("/anonymous", "address", "warning", "--trusted-proxy 127.0.0.1"),
        ("/impatient", "idle", "wrong", "proxy_read_timeout 60s;"),
        ("/twice", "cors", "wrong", "proxy_hide_header Access-Control-Allow-Origin;"),
        ("/dead", "answer", "wrong", "the daemon itself is up and listens at"),
    ];
    each(rows, |(path, check, verdict, part)| {
        let url = format!("http://{}{path}", front.plain);
        let found = front.doctor(&url, &["--control", &control, "--origin", "https://app.example"]);
        let expected = match (path, verdict) {
            ("/both", _) => vec!["compression", "first-byte"],
            ("/buffering", _) => vec!["first-byte", "proxy"],
            (_, "wrong") => vec![check],
            _ => vec![],
        };
        assert_eq!((found.code, found.all("wrong")), (i32::from(!expected.is_empty()), expected), "{path}");
        assert!(check.is_empty() || found.says(check, verdict, part), "{path}: {:?}", found.findings);
    });
}

#[test]
fn what_browsers_are_told_while_the_daemon_is_stopped_is_told() {
    let Some(front) = Front::start() else { return };
    let url = |path: &str| format!("https://{}{path}", front.secured);
    let rows =
        [("/right", 0, "ok", "browsers come back in 5.0 s"), ("/bare", 1, "wrong", "502 Bad Gateway: every browser")];
    for (path, code, verdict, part) in rows {
        let found = front.doctor(&url(path), &["--backend-down", "--origin", "https://app.example"]);
        assert_eq!(found.code, code, "{path}: {:?}", found.findings);
        assert!(found.says("backend-down", verdict, part), "{path}: {:?}", found.findings);
    }
    let daemon = front.daemon();
    let found = front.doctor(&url("/right"), &["--backend-down"]);
    assert!(found.says("backend-down", "wrong", "the daemon is not stopped"), "{:?}", found.findings);
    drop(daemon);
}

#[test]
fn a_daemon_with_little_room_and_open_doors_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let path = folder.path().display();
    let script = format!(
        "ulimit -n 400; exec {} --listen 127.0.0.1:0 --control unix://{path}/control.sock --control \
         'fifo://{path}/fifo?mode=0666' \
         --control tcp://0.0.0.0:0 --allow-remote-control",
        binary("hasses").display()
    );
    let log = folder.path().join("output.log");
    let daemon = Running::from_command(Command::new("sh").args(["-c", &script]), &log, "room for ");
    let url = daemon.said("subscribers: ");
    let control = format!("unix://{path}/control.sock");
    let found = doctor(&url, &["--control", &control, "--wait", "0"]);
    assert_eq!((found.code, found.all("wrong")), (0, vec![]), "{:?}", found.findings);
    assert!(found.says("proxy", "ok", "none that speaks HTTP: the daemon itself answers"), "{:?}", found.findings);
    for (check, verdict, part) in [
        ("descriptors", "warning", " subscribers (400 descriptors), which is little"),
        ("descriptors", "warning", "LimitNOFILE=65536"),
        ("sources", "warning", "(mode 0666)"),
        ("sources", "warning", "asks nobody who they are"),
        ("sources", "ok", "its own user and group alone"),
    ] {
        assert!(found.says(check, verdict, part), "{check}: {:?}", found.findings);
    }
}

#[test]
fn a_daemon_that_is_full_is_told() {
    let daemon = TestDaemon::with(|config| config.limits.max_subscribers = Some(1));
    let _subscriber = daemon.subscribe("subscribe=a");
    let found = doctor(&format!("http://{}/sse", daemon.address()), &["--control", &control(&daemon)]);
    assert_eq!(found.code, 1);
    assert!(found.says("answer", "wrong", "the daemon has no room left (1 of 1 subscribers)"), "{:?}", found.findings);
}
