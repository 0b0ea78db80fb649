//! The files of the Debian package, as `[package.metadata.deb]` lists them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{binary, finish, required};
use toml::{Table, Value};

use crate::daemon_crate;

/// Where `packaging/deb/build` has the documents made.
const DOCUMENTS: &str = "target/release/packaging/";

/// Made by `packaging/deb/build` itself.
const CHANGELOG: &str = "target/release/packaging/changelog.Debian.gz";

fn metadata() -> Table {
    let manifest = fs::read_to_string(daemon_crate().join("Cargo.toml")).expect("the manifest");
    let manifest: Table = manifest.parse().expect("TOML");
    manifest["package"]["metadata"]["deb"].as_table().expect("a table").clone()
}

/// Source, destination and mode of every file.
fn assets() -> Vec<[String; 3]> {
    let assets = metadata()["assets"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let asset = |value: &Value| {
        let [source, destination, mode] = value.as_array().expect("a list").as_slice() else { panic!("{value:?}") };
        [source, destination, mode].map(text)
    };
    assets.iter().map(asset).collect()
}

/// What `packaging/documents` makes of the programs of this build; `None` where bash was left out.
fn documents() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().expect("a folder");
    let binaries = binary("hasses").parent().expect("a folder").to_owned();
    let mut command = Command::new(required("bash")?);
    command.arg(daemon_crate().join("packaging/documents")).args([binaries.as_path(), folder.path()]);
    let ended = finish(&mut command);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    Some(folder)
}

#[test]
fn every_file_of_the_package_is_there_or_is_made() {
    let Some(documents) = documents() else { return };
    for [source, ..] in assets() {
        let path: PathBuf = if source == CHANGELOG {
            continue;
        } else if let Some(document) = source.strip_prefix(DOCUMENTS) {
            documents.path().join(document.strip_suffix(".gz").unwrap_or(document))
        } else if let Some(program) = source.strip_prefix("target/release/") {
            binary(program)
        } else {
            // All of a kind in a folder.
            daemon_crate().join(source.split_once("/*.").map_or(&*source, |(folder, _)| folder))
        };
        let size = fs::metadata(&path).unwrap_or_else(|error| panic!("{source}: {error}")).len();
        assert!(size > 0, "{source} is empty");
    }
}

#[test]
fn everything_that_is_made_is_in_the_package() {
    let Some(documents) = documents() else { return };
    let sources: Vec<_> =
        assets().into_iter().map(|[source, ..]| source.strip_suffix(".gz").unwrap_or(&source).to_owned()).collect();
    for entry in fs::read_dir(documents.path()).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        assert!(sources.contains(&format!("{DOCUMENTS}{name}")), "{name} is not in the package");
    }
}

#[test]
fn documents_lie_to_each_other_as_they_do_here() {
    let root = daemon_crate().join("..").canonicalize().expect("the root");
    let mut installed = 0;
    for [source, destination, _] in assets().iter().filter(|[_, to, _]| to.starts_with("usr/share/doc/hasses/")) {
        let path = daemon_crate().join(source);
        let folder = path.parent().expect("a folder").canonicalize().unwrap_or_default();
        let Ok(place) = folder.strip_prefix(&root).map(Path::to_owned) else { continue };
        if source.ends_with(".md") && !source.contains("CHANGELOG") || source.ends_with(".svg") {
            assert_eq!(Path::new(destination), Path::new("usr/share/doc/hasses").join(place), "{source}");
            installed += 1;
        }
    }
    assert_eq!(installed, 4, "the README, two folders of documents, one of charts");
}

#[test]
fn the_unit_starts_what_the_package_installs() {
    let unit = fs::read_to_string(daemon_crate().join("packaging/hasses.service")).expect("the unit");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command line");
    let installed: Vec<_> = assets()
        .iter()
        .map(|[source, destination, _]| {
            let name = Path::new(source).file_name().expect("a name").to_str().expect("text");
            let name = if destination.ends_with('/') { name } else { "" };
            format!("/{destination}{name}")
        })
        .collect();
    let files: Vec<_> = command.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect();
    assert_eq!(files, ["/usr/bin/hasses", "/etc/hasses.toml"]);
    assert!(files.iter().all(|file| installed.contains(file)), "{files:?} of {installed:?}");
}

#[test]
fn scripts_can_be_executed_and_read_by_their_shell() {
    let packaging = daemon_crate().join("packaging");
    for script in ["documents", "deb/build", "deb/postinst", "deb/prerm", "deb/postrm", "static/build"] {
        let path = packaging.join(script);
        let mode = fs::metadata(&path).expect("the script").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
        let text = fs::read_to_string(&path).expect("the script");
        let shell = if text.starts_with("#!/bin/sh\n") { Some("sh".into()) } else { required("bash") };
        let Some(shell) = shell else { return };
        let ended = finish(Command::new(shell).arg("-n").arg(&path));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{script}");
    }
}
