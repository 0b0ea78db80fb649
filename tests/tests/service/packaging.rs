//! The files that packages install: systemd takes the units, and the daemon takes the configuration.

use std::fs;
use std::path::Path;
use std::process::Command;

use hasses::config::Config;
use hasses_tests::{Finished, binary, finish, required};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hasses/packaging");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).expect("it is there")
}

fn check(config: &Path, runtime: &Path) -> Finished {
    // As under the unit: no other default socket is looked at.
    let mut command = Command::new(binary("hasses"));
    finish(command.arg("--check").arg("--config").arg(config).env("RUNTIME_DIRECTORY", runtime))
}

#[test]
fn the_configuration_that_is_installed_is_taken_and_so_is_each_of_its_suggestions() {
    let folder = tempfile::tempdir().unwrap();
    let text = read("hasses.toml");
    let config = folder.path().join("hasses.toml");
    fs::write(&config, &text).unwrap();
    let ended = check(&config, folder.path());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let socket = format!("# commands: unix://{}/control.sock\n", folder.path().display());
    assert!(ended.stdout.contains(&socket) && ended.stdout.contains("\nlog-format = \"bare\""), "{}", ended.stdout);
    // Every line that is commented out is one that could stand there: with its neighbours, where they belong together.
    let suggestions: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let suggested = |name: &str| suggestions.iter().filter(|line| line.starts_with(name)).copied().collect::<Vec<_>>();
    let tls = [suggested("listen-tls"), suggested("tls-cert"), suggested("tls-key")].concat().join("\n");
    let single = [suggested("trusted-proxy"), suggested("control"), suggested("cors-origin")].concat();
    assert!(tls.lines().count() == 3 && single.len() == 5, "{suggestions:?}");
    for lines in single.into_iter().chain([tls.as_str()]) {
        fs::write(&config, format!("{text}\n{lines}\n")).unwrap();
        let ended = check(&config, folder.path());
        // Groups, folders and certificates may be missing here, but nothing may be wrong with the text (exit code 2).
        assert!(ended.code < 2, "{lines}: {}", ended.stderr);
    }
}

/// The names of all settings, in the order of the help, with what stands behind them and whether that is the default.
fn settings(checked: &str) -> Vec<(&str, &str, bool)> {
    let lines = checked.lines().filter(|line| !line.starts_with("# hasses ") && !line.starts_with("# subscribers: "));
    let lines = lines.filter(|line| !line.starts_with("# commands: ") && !line.starts_with("# note: "));
    let setting = |line| match str::strip_prefix(line, "# ") {
        Some(unset) => unset.split_once(": ").map(|(name, value)| (name, value, true)),
        None => str::split_once(line, " = ").map(|(name, value)| (name, value, value.contains("# default"))),
    };
    lines.map(|line| setting(line).unwrap_or_else(|| panic!("{line:?} is no setting"))).collect()
}

#[test]
fn the_configuration_that_is_installed_has_every_setting_in_order_and_with_its_default() {
    /// What stands there as an example, since no text stands for the default, or the daemon has to choose it.
    const EXAMPLES: [&str; 11] = [
        "listen-tls",
        "tls-cert",
        "tls-key",
        "control",
        "cors-origin",
        "trusted-proxy",
        "log-file",
        "delimiter",
        "slow",
        "pid-file",
        "user",
    ];
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hasses.toml");
    let text = read("hasses.toml");
    // A comment is followed by a space, a setting that is commented out is not.
    let is_setting = |line: &&str| line.contains(" = ") && !line.starts_with("# ");
    let lines: Vec<&str> = text.lines().filter(is_setting).collect();
    let name = |line: &str| line.trim_start_matches('#').split(' ').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = lines.iter().map(|line| name(line)).collect();
    names.dedup();
    let switched_on = |line: &&&str| !line.starts_with('#') || !EXAMPLES.contains(&name(line).as_str());
    let all: Vec<&str> = lines.iter().filter(switched_on).map(|line| line.trim_start_matches('#')).collect();
    fs::write(&config, all.join("\n").replace("/var/lib/hasses", &folder.path().join("log").display().to_string()))
        .unwrap();
    let ended = check(&config, folder.path());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let known = settings(&ended.stdout);
    assert_eq!(names, known.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    let other: Vec<_> =
        known.iter().filter(|(.., is_default)| !is_default).map(|(name, value, _)| (*name, *value)).collect();
    let [("log-format", "\"bare\""), ("log-dir", directory), rest @ ..] = other.as_slice() else { panic!("{other:?}") };
    assert!(directory.ends_with("/log\""), "{directory}");
    // Its default is a matter of the machine.
    assert!(matches!(rest, [] | [("shards", _)]), "{rest:?}");
}

/// The units with the program's path exchanged for one that is there.
fn units(folder: &Path) -> [String; 2] {
    ["hasses.service", "hasses.socket"].map(|name| {
        let path = folder.join(name);
        fs::write(&path, read(name).replace("/usr/bin/hasses", &binary("hasses").display().to_string()))
            .expect("a file");
        path.display().to_string()
    })
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let Some(analyze) = required("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let units = units(folder.path());
    let ended = finish(Command::new(&analyze).args(["verify", "--man=no"]).args(&units));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
}

#[test]
fn the_unit_is_as_closed_as_the_readme_says() {
    let Some(analyze) = required("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [service, _] = units(folder.path());
    // In tenths: more than this is a failure. The figure differs a little between versions of systemd; that of 252 is 1.4.
    let ended =
        finish(Command::new(&analyze).args(["security", "--offline=true", "--threshold=18", "--no-pager", &service]));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("Overall exposure level for hasses.service: "), "{}", ended.stdout);
}

#[test]
fn the_unit_reloads_watches_and_finds_the_socket_where_the_tool_looks() {
    let unit = read("hasses.service");
    for line in [
        "Type=notify",
        "ExecStart=/usr/bin/hasses --config /etc/hasses.toml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "WatchdogSec=30",
        "Restart=always",
        "RuntimeDirectory=hasses",
        "StateDirectory=hasses",
        "StateDirectoryMode=0700",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing in {unit}");
    }
    assert!(read("hasses.toml").lines().any(|line| line == "log-dir = \"/var/lib/hasses\""), "the state directory");
    assert!(read("hasses.socket").contains("FileDescriptorName=sse\n"), "as its comment says");
}

#[test]
fn what_stops_the_daemon_waits_for_its_drain() {
    let unit = read("hasses.service");
    let unit = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
    let script = read("hasses.init");
    let (_, script) = script.split_once("--retry TERM/").expect("a schedule");
    let script = script.split('/').next().expect("a time");
    // And for what those take who read slowly at the end.
    let needed = Config::default().limits.drain.as_secs() + 2;
    for (what, time) in [("the unit", unit), ("the init script", script)] {
        let time: u64 = time.parse().unwrap_or_else(|error| panic!("{what}: {time:?}: {error}"));
        assert!(time > needed, "{what} waits {time} s, and {needed} s are needed");
    }
}
