use super::*;

fn switches(line: &str) -> Vec<Switch> {
    line.split_whitespace().map(|text| Switch { text: text.to_owned(), place: String::new() }).collect()
}

fn config(line: &str) -> Config {
    read(&switches(line), 3).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// With what must be given, so that the case is about the rest.
fn with(line: &str) -> Config {
    config(&format!("-p=8080 -murl=/sse -cp=8085 -nodaemon {line}"))
}

#[test]
fn a_classic_command_line_means_what_it_meant() {
    let config = config("-p=8080 -cp=8085 -murl=/sse -fifo=/run/hasses/fifo -nodaemon -q");
    assert_eq!(config.listen, [ListenAddress::Tcp("0.0.0.0:8080".parse().unwrap())]);
    assert_eq!(config.path, "/sse");
    let control: Vec<_> = config.control.iter().map(ToString::to_string).collect();
    assert_eq!(control, ["tcp://0.0.0.0:8085", "fifo:///run/hasses/fifo"]);
    assert!(config.allow_remote_control && config.classic && !config.allow_reinit);
    assert_eq!(config.log.level, LogLevel::Quiet);
    assert_eq!((config.log.format, config.log.file), (LogFormat::Bare, None));
    assert_eq!(config.delimiter, Delimiter::Default);
    assert_eq!(config.cors.origins, ["*"]);
    assert_eq!((config.shards, config.default_socket), (3, None));
}

#[test]
fn every_other_switch_has_its_effect_and_the_last_of_a_kind_counts() {
    type Change = fn(&mut Config);
    let changed: &[(&str, Change)] = &[
        ("-sep=|", |config| config.delimiter = Delimiter::Explicit(b'|')),
        ("-sep=;;", |config| config.delimiter = Delimiter::Explicit(b';')),
        ("-sep=-", |config| config.delimiter = Delimiter::Explicit(b'-')),
        ("-q", |config| config.log.level = LogLevel::Quiet),
        ("-debug", |config| config.log.level = LogLevel::Debug),
        ("-debug -q", |config| config.log.level = LogLevel::Quiet),
        ("-q -debug", |config| config.log.level = LogLevel::Debug),
        ("-ra", |config| config.allow_reinit = true),
        ("-cors-base=https://a.example", |config| config.cors.origins = vec!["https://a.example".to_owned()]),
        ("-cors-base=*", |_| ()),
        ("-murl=/a=b", |config| config.path = "/a=b".to_owned()),
        ("-p=1 -p=80", |config| config.listen = vec![ListenAddress::Tcp("0.0.0.0:80".parse().unwrap())]),
        ("-nodaemon", |_| ()),
        ("-pidfile=/run/hasses.pid", |config| config.service.pid_file = Some("/run/hasses.pid".into())),
        ("-user=www-data", |config| config.service.user = Some("www-data".to_owned())),
        ("-ssl -cert-file=/c -privatekey-file=/k", |config| {
            config.listen_tls = std::mem::take(&mut config.listen);
            config.certificates = Certificates { chains: vec!["/c".into()], keys: vec!["/k".into()] };
        }),
    ];
    for (line, change) in changed {
        let mut expected = with("");
        change(&mut expected);
        let mut config = with(line);
        (config.notes, expected.notes) = Default::default();
        assert_eq!(config, expected, "{line}");
    }
}

#[test]
fn without_nodaemon_it_goes_to_the_background_and_logs_to_a_file() {
    for (line, file) in [("", "/var/log/hasses.log"), ("-l=/tmp/l", "/tmp/l")] {
        let config = config(&format!("-p=8080 -murl=/sse -cp=8085 {line}"));
        assert!(config.service.background);
        assert_eq!((config.log.file, config.log.format), (Some(file.into()), LogFormat::Text));
    }
    assert!(!with("").service.background);
}

#[test]
fn notes_say_where_the_modern_default_would_be_safer() {
    let notes = |line: &str| with(line).notes.join("\n");
    let always = notes("");
    assert!(always.contains("control on port 8085 is open to every interface"), "{always}");
    assert!(always.contains("--listen 127.0.0.1:8080"), "{always}");
    assert_eq!(with("").notes.len(), 2);
    for (line, part) in [
        ("-fifo=/f", "mode 0666 less the umask"),
        ("-l=/var/log/hasses.log", "-l=/var/log/hasses.log: without effect"),
        ("-cert-file=/c.pem", "-cert-file: without effect, since -ssl is not given"),
        ("-privatekey-file=/k.pem", "-privatekey-file: without effect"),
        (
            "-sep=*",
            "-sep: \"*\" cannot end a message: it ends a prefix of topics (PREFIX*=MESSAGE); it is used as it is",
        ),
        ("-cors-base=https://a.example/", "-cors-base: \"https://a.example/\" is no origin"),
    ] {
        assert!(notes(line).contains(part), "{line}: {}", notes(line));
        assert_eq!(with(line).notes.len(), 3, "{line}");
    }
}

#[test]
fn what_is_wrong_is_said_and_ends_with_exit_code_1() {
    for (line, part) in [
        ("-frob", "unknown switch -frob (-h lists all)"),
        ("-port=80", "unknown switch -port=80; the nearest is -p=PORT"),
        ("-listen=127.0.0.1:1", "unknown switch -listen=127.0.0.1:1; modern flags have two dashes: --listen"),
        ("-p", "-p needs a value: -p=PORT"),
        ("-sep=", "-sep= has no value"),
        ("-q=1", "-q takes no value, but got \"1\""),
        ("-p=http", "-p=http: \"http\" is no port number from 0 to 65535"),
        ("-p=65536", "-p=65536: \"65536\" is no port number"),
        ("-p=+80", "\"+80\" is no port number"),
        ("-cp=0", "-cp=0: \"0\" is no port number from 1 to 65535"),
        ("-p=8085", "-p=8085 and -cp=8085 are one port"),
        ("-murl=sse", "-murl=sse: \"sse\" does not begin with /"),
        ("-murl=/a?b", "-murl=/a?b: \"/a?b\" holds '?'"),
        ("-fifo=/run/\u{7f}", "-fifo=/run/\u{7f}: \"/run/\\u{7f}\" holds a control character"),
        ("-fifo=run/fifo", "-fifo=run/fifo: \"run/fifo\" is not an absolute path"),
        ("-l=hasses.log", "-l=hasses.log: \"hasses.log\" is not an absolute path"),
        ("-pidfile=pid", "-pidfile=pid: \"pid\" is not an absolute path"),
        ("-sep==", "-sep==: \"=\" cannot end a message"),
        ("-sep=§", "-sep=§: \"§\" does not begin with an ASCII character"),
        ("-cors-base=https://ä", "-cors-base=https://ä: \"https://ä\" holds 'ä'"),
        ("-ssl -cert-file=/c", "-privatekey-file=PEM is missing: the private key of -ssl"),
        ("-ssl -privatekey-file=/k", "-cert-file=PEM is missing: the certificate of -ssl"),
        ("-user=a:b:c", "-user=a:b:c: \"a:b:c\" is no user"),
    ] {
        let line = format!("-p=8080 -murl=/sse -cp=8085 -nodaemon {line}");
        let error = read(&switches(&line), 1).expect_err(&line);
        assert!(error.text.contains(part), "{line}: {error}");
        assert_eq!(error.exit_code, 1);
    }
}

#[test]
fn every_switch_that_must_be_given_is_named_at_once() {
    let error = read(&switches("-q"), 1).unwrap_err();
    let faults: Vec<_> = error.text.lines().collect();
    assert_eq!(faults.len(), 3, "{error}");
    for (fault, part) in
        faults.iter().zip(["-p=PORT is missing", "-murl=/PATH is missing", "-cp=PORT or -fifo=/PATH is missing"])
    {
        assert!(fault.starts_with(part), "{fault}");
    }
    assert_eq!(error.exit_code, 1);
    assert_eq!(config("-p=0 -murl=/ -fifo=/f -nodaemon").control.len(), 1);
}

#[test]
fn a_fault_is_told_once_and_with_its_place() {
    let switch = |text: &str, place: &str| Switch { text: text.to_owned(), place: place.to_owned() };
    let given = [
        switch("-p=x", "/etc/hasses.conf:3: "),
        switch("-frob", "/etc/hasses.conf:4: "),
        switch("-murl=/sse", ""),
        switch("-cp=x", ""),
        switch("-nodaemon", ""),
    ];
    let error = read(&given, 1).unwrap_err();
    let faults: Vec<_> =
        error.text.lines().map(|fault| fault.split_inclusive(": ").take(2).collect::<String>()).collect();
    assert_eq!(faults.len(), 3, "{error}");
    assert!(
        error.text.contains("/etc/hasses.conf:3: -p=x: ")
            && error.text.contains("/etc/hasses.conf:4: unknown switch -frob")
    );
}
