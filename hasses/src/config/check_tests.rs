use std::os::unix::net::UnixListener;

use super::*;
use crate::config::{Environment, Invocation, load};

fn environment() -> Environment {
    let runtime_dir = Some("/nonexistent".into());
    Environment { uid: 1000, service_dir: None, runtime_dir, temp_dir: "/tmp".into(), cores: 2 }
}

fn run(words: &[&str]) -> Config {
    match load(words, &environment()).unwrap_or_else(|error| panic!("{words:?}: {error}")) {
        Invocation::Run(config) => *config,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn a_description_is_a_configuration_file_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hasses.toml");
    for words in [
        &[][..],
        &[
            "--control=tcp://0.0.0.0:1",
            "--allow-remote-control",
            "--delimiter=\\x1e",
            "--log-file=/a\"b\\c",
            "--retry=200",
        ],
        &[
            "--max-subscribers=10",
            "--max-age=60",
            "--heartbeat=0.5",
            "--outbox=5000",
            "--listen=[::1]:1",
            "--listen=unix:/x",
        ],
        &[
            "--cors-origin=https://a.example",
            "--cors-credentials",
            "--allow-reinit",
            "--log-format=json",
            "--log-level=quiet",
        ],
        &["-p=8080", "-cp=8085", "-murl=/sse", "-fifo=/run/f", "-sep=|", "-nodaemon", "-ra"],
    ] {
        let mut config = run(words);
        fs::write(&path, describe(&config).join("\n")).unwrap();
        let mut again = run(&["--config", path.to_str().unwrap()]);
        // These say where values came from, which a file cannot.
        (config.classic, config.default_socket) = (false, None);
        (config.notes, again.notes) = Default::default();
        (config.shards, again.shards) = (1, 1);
        assert_eq!(again, config, "{words:?}");
    }
}

#[test]
fn every_setting_is_described_with_whether_it_is_the_default() {
    let lines = describe(&run(&["--max-age=60", "--control=unix:///x"]));
    for expected in [
        "# subscribers: http://127.0.0.1:8080/sse",
        "# commands: unix:///x",
        "listen = [\"127.0.0.1:8080\"]              # default",
        "control = [\"unix:///x\"]",
        "# log-file: standard output (default)",
        "# delimiter: ; or a newline (default)",
        "max-subscribers = 0                      # default: what the descriptor limit allows",
        "max-head = \"16k\"                         # default",
        "max-age = 60",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in\n{}", lines.join("\n"));
    }
    let described = |name: &str| {
        let keys = [format!("{name} = "), format!("# {name}: ")];
        lines.iter().filter(|line| keys.iter().any(|key| line.starts_with(key.as_str()))).count()
    };
    for setting in settings() {
        assert_eq!(described(setting.name), 1, "{}", setting.name);
    }
    let lines = describe(&run(&[]));
    assert!(lines.iter().any(|line| line.starts_with("control = ") && line.ends_with("# default")), "{lines:?}");
}

#[test]
fn a_check_finds_what_stands_in_the_way_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let (file, socket, new) = (at("file"), at("socket"), at("new"));
    let tls = |chain: &str, key: &str| {
        vec!["--listen-tls=127.0.0.1:1".to_owned(), format!("--tls-cert={chain}"), format!("--tls-key={key}")]
    };
    for name in ["one", "other"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(at(&format!("{name}.pem")), made.cert.pem()).unwrap();
        fs::write(at(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    for (words, parts) in [
        (tls(&at("one.pem"), &at("one.key")), &[][..]),
        (tls(&at("one.pem"), &at("other.key")), &["TLS: the key in ", "other.key is not the one of the certificate"]),
        (tls(&new, &at("one.key")), &["TLS: ", "cannot be read: No such file"]),
        (vec!["--user=no-such-user".to_owned()], &["there is no user \"no-such-user\" on this system"]),
        (vec![format!("--pid-file={new}/x")], &["pid-file /", "No such file"]),
        (
            vec!["--background".to_owned(), "--listen=systemd:sse".to_owned(), format!("--log-file={file}")],
            &["background: a socket that the service manager passes"],
        ),
        (vec![format!("--listen=unix:{file}")], &["listen unix:/", "what is there is not a socket"][..]),
        (vec![format!("--control=unix://{file}")], &["control unix:///", "what is there is not a socket"]),
        (vec![format!("--control=fifo://{socket}")], &["control fifo:///", "what is there is not a FIFO"]),
        (vec![format!("--control=fifo://{file}/x")], &["control fifo:///", "is no folder"]),
        (vec![format!("--log-file={new}/x")], &["log-file /", "No such file"]),
        (vec![format!("--log-file={}", at("folder"))], &["what is there is not a file that can be written to"]),
        (vec![], &[]),
        (vec![format!("--control=fifo://{new}"), format!("--control=unix://{socket}")], &[]),
        (vec![format!("--log-file={file}"), format!("--listen=unix:{new}")], &[]),
    ] {
        let environment = Environment { runtime_dir: Some(folder.path().to_owned()), ..environment() };
        match load(words.iter().map(String::as_str).chain(["--check"]), &environment) {
            Ok(Invocation::Check(_)) if parts.is_empty() => {}
            Err(error) if !parts.is_empty() && parts.iter().all(|part| error.text.contains(part)) => {
                assert_eq!((error.text.lines().count(), error.exit_code), (1, 1), "{error:?}");
            }
            other => panic!("{words:?}: {other:?}"),
        }
    }
    let words = [format!("--listen=unix:{file}"), format!("--log-file={new}/x"), "--check".to_owned()];
    let error = load(words, &environment()).unwrap_err();
    assert_eq!(error.text.lines().count(), 3, "every fault is told, also that of the default socket: {error}");
    assert!(!folder.path().join("new").exists() && !folder.path().join("hasses").exists());
}
