//! The files that packages install: systemd takes the units, and the daemon takes the configuration.

use std::fs;
use std::path::Path;
use std::process::Command;

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
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing in {unit}");
    }
    assert!(read("hasses.socket").contains("FileDescriptorName=sse\n"), "as its comment says");
}
