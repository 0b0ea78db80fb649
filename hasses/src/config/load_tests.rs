use std::path::PathBuf;

use super::*;

fn environment() -> Environment {
    let runtime_dir = Some(PathBuf::from("/run/user/1000"));
    Environment { uid: 1000, service_dir: None, runtime_dir, temp_dir: "/tmp".into(), cores: 8 }
}

fn run(words: &[&str]) -> Config {
    match load(words, &environment()).unwrap_or_else(|error| panic!("{words:?}: {error}")) {
        Invocation::Run(config) => *config,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn control(config: &Config) -> Vec<String> {
    config.control.iter().map(ToString::to_string).collect()
}

/// A file that stays until the folder is dropped.
fn file(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("file");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn without_any_flag_it_is_the_modern_defaults_with_a_socket_of_the_users_own() {
    let config = run(&[]);
    assert_eq!(control(&config), ["unix:///run/user/1000/hasses/control.sock"]);
    let socket = DefaultSocket::choose(&environment());
    let expected =
        Config { control: config.control.clone(), default_socket: Some(socket), shards: 4, ..Config::default() };
    assert_eq!(config, expected);
}

#[test]
fn every_flag_and_every_key_sets_the_same() {
    type Change = fn(&mut Config);
    let settings: &[(&str, &[&str], Change)] = &[
        ("listen", &["[::1]:0", "unix:/x"], |config| {
            config.listen = vec![ListenAddress::Tcp("[::1]:0".parse().unwrap()), ListenAddress::Unix("/x".into())];
        }),
        ("path", &["/events"], |config| config.path = "/events".to_owned()),
        ("control", &["tcp://127.0.0.1:8085", "fifo:///f?form=json"], |config| {
            config.control = ["tcp://127.0.0.1:8085", "fifo:///f?form=json"].map(|url| url.parse().unwrap()).to_vec();
            config.default_socket = None;
        }),
        ("allow-remote-control", &[], |config| config.allow_remote_control = true),
        ("cors-origin", &["https://a.example", "http://b.example:81"], |config| {
            config.cors.origins = vec!["https://a.example".to_owned(), "http://b.example:81".to_owned()];
        }),
        ("log-level", &["debug"], |config| config.log.level = hasses_client::wire::LogLevel::Debug),
        ("log-file", &["/var/log/hasses.log"], |config| config.log.file = Some("/var/log/hasses.log".into())),
        ("log-format", &["json"], |config| config.log.format = super::super::LogFormat::Json),
        ("log-format", &["bare"], |config| config.log.format = super::super::LogFormat::Bare),
        ("delimiter", &["|"], |config| config.delimiter = hasses_client::wire::Delimiter::Explicit(b'|')),
        ("allow-reinit", &[], |config| config.allow_reinit = true),
        ("shards", &["2"], |config| config.shards = 2),
        ("max-message", &["64k"], |config| config.limits.max_message = 65_536),
        ("max-subscribers", &["100"], |config| config.limits.max_subscribers = Some(100)),
        ("heartbeat", &["0.5"], |config| config.limits.heartbeat = std::time::Duration::from_millis(500)),
        ("quiet-time-remote", &["9"], |config| config.limits.quiet_remote = std::time::Duration::from_millis(9)),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, values, change) in settings {
        let mut expected = run(&[]);
        change(&mut expected);
        let flag = format!("--{name}");
        let mut words: Vec<_> = values.iter().flat_map(|value| [flag.as_str(), value]).collect();
        if values.is_empty() {
            words.push(&flag);
        }
        assert_eq!(run(&words), expected, "{words:?}");
        let value = match values {
            [] => "true".to_owned(),
            [value] => format!("{value:?}"),
            values => format!("{values:?}"),
        };
        let path = file(&folder, &format!("{name} = {value}\n"));
        assert_eq!(run(&["--config", &path]), expected, "{name} = {value}");
    }
}

#[test]
fn a_flag_wins_over_the_file_and_replaces_its_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "listen = ['127.0.0.1:1', '127.0.0.1:2']\ncontrol = []\npath = '/file'\nretry = 700\n\
         log-file = '/x'\nallow-reinit = false",
    );
    let config = run(&["--path=/flag", "--config", &path, "--listen", "127.0.0.1:3", "--log-file=-", "--allow-reinit"]);
    assert_eq!(config.listen, ["127.0.0.1:3".parse().unwrap()]);
    assert_eq!((config.path.as_str(), config.log.file, config.allow_reinit), ("/flag", None, true));
    assert_eq!(config.limits.retry.as_millis(), 700);
    assert!(config.control.is_empty() && config.default_socket.is_none());
    assert!(config.notes.iter().any(|note| note.contains("nothing can be published")), "{:?}", config.notes);
}

#[test]
fn usage_errors_name_value_limit_and_place_and_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "\nmax-head = 100\n");
    let unknown = tempfile::tempdir().unwrap();
    let unknown = file(&unknown, "max-mesage = 100\n");
    for (words, part) in [
        (&["--max-head", "100"][..], "--max-head: 100 is outside of the range 1k to 1m"),
        (&["--config", &path], ":2: max-head: 100 is outside of the range 1k to 1m"),
        // A flag wins, yet the fault in the file stays one.
        (&["--config", &path, "--max-head", "2k"], ":2: max-head: 100 is outside"),
        (&["--config", &unknown], ":1: unknown key \"max-mesage\"; the nearest is \"max-message\""),
        (&["--config", "/nonexistent/x"], "--config /nonexistent/x: cannot be read: "),
        (&["--listen", "8080"], "--listen: \"8080\" is no address"),
        (&["--path", "sse"], "--path: \"sse\" does not begin with /"),
        (&["--path", "/ä"], "--path: \"/ä\" holds 'ä'"),
        (&["--path", "/a b"], "--path: \"/a b\" holds ' '"),
        (&["--control", "8085"], "--control: control source \"8085\": it has no scheme"),
        (&["--cors-origin", "a.example"], "--cors-origin: \"a.example\" is no origin"),
        (&["--log-level", "loud"], "--log-level: \"loud\" is no log level (quiet, normal, debug)"),
        (&["--log-format", "xml"], "--log-format: \"xml\" is no log format (text, bare, json)"),
        (&["--log-file", ""], "--log-file: \"\" is no file"),
        (&["--delimiter", "="], "--delimiter: \"=\" cannot end a message"),
        (&["--cors-credentials"], "cors-credentials: browsers take credentials only where origins are named"),
        (&["--in-flight=64k"], "in-flight is 64k, less than the 1m of one message (max-message)"),
        (&["--control=tcp://0.0.0.0:8085"], "\"tcp://0.0.0.0:8085\" would be open to other machines"),
        (&["--control=tcp://[::]:8085"], "--allow-remote-control"),
        (&["--listen=127.0.0.1:1", "--listen=127.0.0.1:1"], "127.0.0.1:1 is given twice"),
        (&["--listen=127.0.0.1:1", "--control=tcp://127.0.0.1:1"], "127.0.0.1:1 is given twice"),
        (&["--listen=unix:/x", "--control=unix:///x?mode=0660"], "unix:/x is given twice"),
        (&["--listen-tls=127.0.0.1:1"], "listen-tls needs a certificate: tls-cert and tls-key"),
        (
            &["--listen-tls=127.0.0.1:1", "--tls-cert=/c"],
            "each tls-cert needs its tls-key, and there are 1 and 0 of them",
        ),
        (&["--tls-cert=/c", "--tls-key=/k"], "tls-cert and tls-key have no use without listen-tls"),
        (&["--listen=systemd:a b"], "\"a b\" is no name of a passed socket"),
        (&["--trusted-proxy=proxy"], "--trusted-proxy: \"proxy\" is neither ADDR nor ADDR/BITS nor unix"),
        (&["--proxy-protocol"], "proxy-protocol: nobody is trusted to send the header"),
        (&["--background"], "background: nobody would see the log"),
        (&["--user=a b"], "--user: \"a b\" is no user; write NAME or NAME:GROUP"),
        (&["--path=/healthz"], "--path: \"/healthz\" is the health check's path"),
    ] {
        let error = load(words, &environment()).expect_err("an error");
        assert!(error.text.contains(part), "{words:?}: {error}");
        assert_eq!(error.exit_code, 2, "{words:?}");
    }
}

#[test]
fn all_faults_of_values_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "max-head = 1\nretry = 1\n");
    let error = load(["--config", &path, "--path=x"], &environment()).expect_err("an error");
    let lines: Vec<_> = error.text.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    for (line, part) in lines.iter().zip([":1: max-head: 1 is outside", ":2: retry: 1 is outside", "--path: \"x\""]) {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn tls_alone_leaves_the_plain_default_out() {
    let tls = ["--listen-tls=127.0.0.1:8443", "--tls-cert=/c", "--tls-key=/k"];
    assert_eq!(run(&tls).listen, []);
    let both = [&tls[..], &["--listen=127.0.0.1:8080"]].concat();
    assert_eq!(run(&both).listen.len(), 1);
}

#[test]
fn wider_control_is_possible_where_it_is_asked_for_and_is_noted() {
    let config = run(&["--allow-remote-control", "--control=tcp://0.0.0.0:8085", "--control=tcp://127.0.0.1:8086"]);
    assert_eq!(
        config.notes,
        ["control on tcp://0.0.0.0:8085 can be reached from other machines, and it has no authentication"]
    );
    assert!(run(&["--control=tcp://127.9.9.9:1", "--control=tcp://[::1]:1"]).notes.is_empty());
    assert!(run(&["--cors-credentials", "--cors-origin=https://a.example"]).cors.credentials);
    assert_eq!(run(&["--listen=127.0.0.1:0", "--listen=127.0.0.1:0"]).listen.len(), 2);
}

#[test]
fn classic_switches_come_from_the_command_line_and_from_the_classic_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "# hasses\n-p=8080\n-murl=/sse\n-cp=8085\n-q\n-nodaemon\n");
    let config = run(&["--classic-config", &path]);
    assert!(config.classic && config.shards == 4);
    assert_eq!((config.path.as_str(), control(&config)), ("/sse", vec!["tcp://0.0.0.0:8085".to_owned()]));
    let line = ["-p=8080", "-murl=/sse", "-cp=8085", "-q", "-nodaemon"];
    assert_eq!(run(&line), config);
    let config = run(&["-p=81", "--classic-config", &path, "-debug"]);
    assert_eq!(config.listen, ["0.0.0.0:81".parse().unwrap()]);
    assert_eq!(config.log.level, hasses_client::wire::LogLevel::Debug);
    let checked = load(line.iter().chain(&["--check"]), &environment());
    assert!(matches!(checked, Ok(Invocation::Check(config)) if config.classic));
}

#[test]
fn classic_and_modern_cannot_be_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "-p=8080\n-frob\n");
    for (words, part, exit_code) in [
        (&["-p=8080", "--listen=127.0.0.1:1"][..], "-p=8080 is classic and --listen is modern", 2),
        (&["-q", "--config=/x"], "-q is classic and --config is modern", 2),
        (&["--classic-config", &path, "--allow-reinit"], "--classic-config is classic and --allow-reinit is modern", 2),
        (&["--classic-config=/nonexistent/x"], "--classic-config /nonexistent/x: cannot be read", 1),
        (&["--classic-config", &path], ":2: unknown switch -frob", 1),
        (&["-frob"], "unknown switch -frob", 1),
        (&["-q"], "is missing", 1),
    ] {
        let error = load(words, &environment()).expect_err("an error");
        assert!(error.text.contains(part), "{words:?}: {error}");
        assert_eq!(error.exit_code, exit_code, "{words:?}");
    }
}

#[test]
fn help_and_version_are_texts() {
    assert!(matches!(load(["-h"], &environment()), Ok(Invocation::Help(text)) if text.starts_with("Usage: hasses")));
    let version = format!("hasses {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(load(["--version"], &environment()), Ok(Invocation::Version(version)));
}
