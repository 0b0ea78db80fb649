//! What a machine can check about the tree itself: file lengths, the direction of dependencies, that tables and the
//! README leave nothing out, and that tests neither sleep nor hide.
//!
//! Each test collects every offender and names them all, so that one run shows all that is to be done.

#![expect(
    clippy::expect_used,
    reason = "a file of the tree that cannot be read is a failure of the test that reads it"
)]

mod manifests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::process::Command;

use hasses_adapters::SOURCES;
use manifests::{dependencies, member_manifests};
use tree::{SHIPPED, code, lines_with, module_name, numbered_code, read, root, shipped_sources, sources_of};

/// Above this a file is to be split: 100 to 250 lines are comfortable.
const LONGEST_FILE: usize = 400;

/// Names that say nothing: a file is named for its one noun.
const EMPTY_NAMES: [&str; 6] = ["utils", "common", "helpers", "types", "manager", "handler"];

/// Traces of the machine on which a file was written, and of a package registry's own address.
///
/// Written in two halves, so that this file does not contain what it looks for.
const FOREIGN_WORDS: [&str; 6] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "target-"),
    concat!("//index.", "crates.io"),
    concat!("//static.", "crates.io"),
    concat!("deb.", "debian.org"),
];

/// Which members of the workspace a member may depend on.
fn allowed_dependencies() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("hasses-client", [].as_slice()),
        ("hasses-adapters", ["hasses-client"].as_slice()),
        ("hasses", ["hasses-adapters", "hasses-client"].as_slice()),
        ("hasses-ctl", ["hasses-client"].as_slice()),
        ("hasses-tests", ["hasses", "hasses-adapters", "hasses-client"].as_slice()),
    ])
}

#[test]
fn no_file_of_a_shipped_crate_is_longer_than_400_lines_without_its_tests() {
    let long = shipped_sources()
        .iter()
        .map(|path| (path, code(&read(path)).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect::<Vec<_>>();
    none("files to be split", long);
}

#[test]
fn every_file_of_a_shipped_crate_is_named_by_a_noun() {
    let empty = sources_of(&SHIPPED).into_iter().filter(|path| EMPTY_NAMES.contains(&module_name(path)));
    none("files whose name says nothing", empty);
}

#[test]
fn dependencies_between_the_crates_point_one_way() {
    let allowed = allowed_dependencies();
    let mut wrong = Vec::new();
    for (path, manifest) in member_manifests() {
        let name = manifest["package"]["name"].as_str().expect("a package has a name");
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{path}: {name} has no line in allowed_dependencies()"));
            continue;
        };
        for (dependency, _) in dependencies(&manifest) {
            if allowed.contains_key(dependency.as_str()) && !may.contains(&dependency.as_str()) {
                wrong.push(format!("{path}: {name} depends on {dependency}"));
            }
        }
    }
    none("dependencies that point the wrong way", wrong);
}

#[test]
fn every_member_takes_its_lints_and_versions_from_the_tables_of_the_workspace() {
    let mut own = Vec::new();
    for (path, manifest) in member_manifests() {
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            own.push(format!("{path}: no `[lints] workspace = true`"));
        }
        for (dependency, value) in dependencies(&manifest) {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                own.push(format!("{path}: {dependency} has a version of its own"));
            }
        }
    }
    none("members that step out of the workspace's tables", own);
}

#[test]
fn the_daemon_and_the_adapters_use_nothing_of_the_client_but_its_wire() {
    let mut other = Vec::new();
    for path in sources_of(&["hasses", "adapters"]) {
        for (number, line) in numbered_code(&read(&path)) {
            let mut uses = line.split("hasses_client").skip(1);
            if uses.any(|rest| !rest.starts_with("::wire") || continues_word(&rest["::wire".len()..])) {
                other.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none("uses of hasses_client outside of hasses_client::wire", other);
}

#[test]
fn the_wire_does_no_io_and_reads_no_clock() {
    let outside = ["std::net", "std::fs", "std::process", "std::thread", "async_io", "Instant::now", "SystemTime::now"];
    none("lines of hasses_client::wire that reach outside", lines_with(&["rs"], "hasses-client/src/wire/", &outside));
}

#[test]
fn every_control_source_stands_in_the_table_of_sources() {
    let file = read("adapters/src/sources.rs");
    let (_, table) = file.split_once("pub const SOURCES:").expect("adapters/src/sources.rs holds the table");
    let (table, _) = table.split_once("\n];").expect("the table has an end");
    let table: Vec<&str> = numbered_code(table).into_iter().map(|(_, line)| line).collect();
    let sources: Vec<String> = shipped_sources()
        .into_iter()
        .filter(|path| {
            let text = read(path);
            numbered_code(code(&text)).iter().any(|(_, line)| line.contains(" ControlSource for "))
        })
        .collect();
    assert!(!sources.is_empty(), "no file implements ControlSource: this check looks for the wrong words");
    let forgotten = sources.into_iter().filter(|path| {
        let used = format!("{}::", module_name(path));
        !path.starts_with("adapters/src/") || !table.iter().any(|line| has_word(line, &used))
    });
    none("control sources that the table in adapters/src/sources.rs does not name", forgotten);
}

#[test]
fn every_control_source_is_in_the_help_and_in_the_readme() {
    let texts = [("hasses --help", help_of("hasses")), ("README.md", read("README.md"))];
    let missing = SOURCES.iter().map(|source| format!("{}://", source.scheme)).flat_map(|scheme| {
        let without = texts.iter().filter(|(_, text)| !text.contains(&scheme)).map(|(name, _)| *name);
        without.map(|name| format!("{scheme} in {name}")).collect::<Vec<_>>()
    });
    none("control sources that are not documented", missing);
}

#[test]
fn the_map_of_files_in_the_readme_leaves_nothing_out() {
    let map = map_of_files();
    let unnamed = shipped_sources().into_iter().filter(|path| {
        // A folder's mod.rs speaks for the files of its folder.
        let mut folders = Path::new(path).ancestors().skip(1);
        !map.contains(path) && !folders.any(|folder| map.contains(&format!("{}/mod.rs", folder.display())))
    });
    none("files that README.md does not name, in backticks by their path, under `## How it is built`", unnamed);
}

#[test]
fn the_map_of_files_in_the_readme_names_only_files_that_exist() {
    let map = map_of_files();
    assert!(!map.is_empty(), "README.md has no map of files under `## How it is built`");
    let gone = map.into_iter().filter(|path| !root().join(path).is_file());
    none("files that README.md names and that are not there", gone);
}

#[test]
fn every_flag_that_the_daemon_prints_in_its_help_is_in_the_readme() {
    let help = help_of("hasses");
    let readme = read("README.md");
    let documented = flags_in(&readme);
    let flags = flags_in(&help);
    assert!(!flags.is_empty(), "`hasses --help` prints no flag:\n{help}");
    let missing = flags.difference(&documented).cloned();
    none("flags of `hasses --help` that README.md does not name", missing);
}

#[test]
fn no_test_is_ignored() {
    // In two halves, so that this file does not contain what it looks for.
    let switches = [concat!("#[ig", "nore"), concat!("```ig", "nore")];
    none("tests that are switched off", lines_with(&["rs"], "", &switches));
}

#[test]
fn no_behaviour_test_sleeps_to_wait_for_something() {
    let sleeps = [concat!("thread::", "sleep"), concat!("Timer::", "after")];
    let folders = SHIPPED.iter().chain(&["tests"]).map(|member| format!("{member}/tests/"));
    let found = folders.flat_map(|folder| lines_with(&["rs"], &folder, &sleeps));
    none("tests that sleep instead of waiting for the thing itself", found);
}

#[test]
fn no_file_holds_a_trace_of_the_machine_on_which_it_was_written() {
    none("traces of a machine", lines_with(&[], "", &FOREIGN_WORDS));
}

/// Fails with the offenders, one a line, if there are any.
#[track_caller]
fn none(what: &str, offenders: impl IntoIterator<Item = String>) {
    let offenders: Vec<String> = offenders.into_iter().collect();
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

/// Whether a word that ends where `rest` begins goes on.
fn continues_word(rest: &str) -> bool {
    rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
}

/// Whether `word` occurs in `line` with no letter right before it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_'))
}

/// The source files that README.md names, in backticks, in its section on how the code is built.
fn map_of_files() -> BTreeSet<String> {
    let readme = read("README.md");
    let Some((_, section)) = readme.split_once("\n## How it is built\n") else {
        return BTreeSet::new();
    };
    let section = section.split("\n## ").next().unwrap_or(section);
    let in_backticks = section.split('`').skip(1).step_by(2);
    in_backticks.filter(|word| word.contains('/') && word.ends_with(".rs")).map(str::to_owned).collect()
}

/// Every word of the form `--flag` in a text.
fn flags_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|next: char| !(next.is_ascii_alphanumeric() || next == '-'));
    let flag =
        |word: &&str| word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    words.filter(flag).map(|word| word.trim_end_matches('-').to_owned()).collect()
}

/// What `PROGRAM --help` prints, of the binary that was built beside this test.
fn help_of(program: &str) -> String {
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let binary = folder.join(program);
    assert!(binary.is_file(), "{} is missing: `cargo build --workspace --bins` makes it", binary.display());
    let output = Command::new(&binary).arg("--help").output().expect("the binary runs");
    assert!(output.status.success(), "`{program} --help` exits with {}", output.status);
    String::from_utf8(output.stdout).expect("the help is UTF-8")
}
