//! What a machine can check about the tree itself: file lengths, the direction of dependencies, that tables and the
//! README leave nothing out, and that tests neither sleep nor hide.
//!
//! Each test collects every offender and names them all, so that one run shows all that is to be done.

#![expect(
    clippy::expect_used,
    reason = "a file of the tree that cannot be read is a failure of the test that reads it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders whose crates are shipped; what is checked for the code of users is checked in these.
const SHIPPED: [&str; 4] = ["hasses-client", "adapters", "hasses", "hasses-ctl"];

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
        (
            "hasses-tests",
            ["hasses", "hasses-adapters", "hasses-client"].as_slice(),
        ),
    ])
}

#[test]
fn no_file_of_a_shipped_crate_is_longer_than_400_lines_without_its_tests() {
    let long = shipped_sources()
        .iter()
        .map(|path| (path, code(&read(path)).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    none("files to be split", long);
}

#[test]
fn every_file_of_a_shipped_crate_is_named_by_a_noun() {
    let empty = sources_of(&SHIPPED)
        .into_iter()
        .filter(|path| EMPTY_NAMES.contains(&module_name(path)))
        .collect();
    none("files whose name says nothing", empty);
}

#[test]
fn dependencies_between_the_crates_point_one_way() {
    let allowed = allowed_dependencies();
    let mut wrong = Vec::new();
    for (path, manifest) in member_manifests() {
        let name = manifest["package"]["name"]
            .as_str()
            .expect("a package has a name");
        let Some(may) = allowed.get(name) else {
            wrong.push(format!(
                "{path}: {name} has no line in allowed_dependencies()"
            ));
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
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
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
            if uses
                .any(|rest| !rest.starts_with("::wire") || continues_word(&rest["::wire".len()..]))
            {
                other.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none(
        "uses of hasses_client outside of hasses_client::wire",
        other,
    );
}

#[test]
fn every_control_source_stands_in_the_table_of_sources() {
    let table = read("adapters/src/sources.rs");
    let table: Vec<&str> = numbered_code(&table)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let sources: Vec<String> = shipped_sources()
        .into_iter()
        .filter(|path| {
            let text = read(path);
            numbered_code(code(&text))
                .iter()
                .any(|(_, line)| line.contains(" ControlSource for "))
        })
        .collect();
    assert!(
        !sources.is_empty(),
        "no file implements ControlSource: this check looks for the wrong words"
    );
    let forgotten = sources
        .into_iter()
        .filter(|path| {
            let used = format!("{}::", module_name(path));
            !path.starts_with("adapters/src/") || !table.iter().any(|line| has_word(line, &used))
        })
        .collect();
    none(
        "control sources that adapters/src/sources.rs does not name",
        forgotten,
    );
}

#[test]
fn the_map_of_files_in_the_readme_leaves_nothing_out() {
    let map = map_of_files();
    let unnamed = shipped_sources()
        .into_iter()
        .filter(|path| {
            // A folder's mod.rs speaks for the files of its folder.
            let mut folders = Path::new(path).ancestors().skip(1);
            !map.contains(path)
                && !folders.any(|folder| map.contains(&format!("{}/mod.rs", folder.display())))
        })
        .collect();
    none(
        "files that README.md does not name, in backticks by their path, under `## How it is built`",
        unnamed,
    );
}

#[test]
fn the_map_of_files_in_the_readme_names_only_files_that_exist() {
    let map = map_of_files();
    assert!(
        !map.is_empty(),
        "README.md has no map of files under `## How it is built`"
    );
    let gone = map
        .into_iter()
        .filter(|path| !root().join(path).is_file())
        .collect();
    none("files that README.md names and that are not there", gone);
}

#[test]
fn every_flag_that_the_daemon_prints_in_its_help_is_in_the_readme() {
    let help = help_of("hasses");
    let readme = read("README.md");
    let documented = flags_in(&readme);
    let flags = flags_in(&help);
    assert!(!flags.is_empty(), "`hasses --help` prints no flag:\n{help}");
    let missing = flags.difference(&documented).cloned().collect();
    none(
        "flags of `hasses --help` that README.md does not name",
        missing,
    );
}

#[test]
fn no_test_is_ignored() {
    // In two halves, so that this file does not contain what it looks for.
    let attribute = concat!("#[ig", "nore");
    none(
        "tests that are switched off",
        lines_with(&["rs"], "", &[attribute]),
    );
}

#[test]
fn no_behaviour_test_sleeps_to_wait_for_something() {
    let sleeps = [concat!("thread::", "sleep"), concat!("Timer::", "after")];
    none(
        "tests that sleep instead of waiting for the thing itself",
        lines_with(&["rs"], "tests/tests/", &sleeps),
    );
}

#[test]
fn no_file_holds_a_trace_of_the_machine_on_which_it_was_written() {
    none("traces of a machine", lines_with(&[], "", &FOREIGN_WORDS));
}

/// Fails with the offenders, one a line, if there are any.
#[track_caller]
fn none(what: &str, offenders: Vec<String>) {
    assert!(
        offenders.is_empty(),
        "{what}:\n  {}",
        offenders.join("\n  ")
    );
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in a folder of the repository")
        .into()
}

/// The text of a file, by its path from the root.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Every file of the repository by its path from the root, in order; without what builds and fuzzing leave behind.
fn files() -> Vec<String> {
    const LEFT_BEHIND: [&str; 4] = [".git", "target", "corpus", "artifacts"];
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let entry = entry.expect("a folder of the repository can be read");
            let kind = entry
                .file_type()
                .expect("a file of the repository has a type");
            if LEFT_BEHIND.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let path = path
                    .strip_prefix(&root)
                    .expect("the walk began at the root");
                found.push(
                    path.to_str()
                        .expect("paths of the repository are UTF-8")
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    assert!(
        found.iter().any(|path| path == "Cargo.toml"),
        "{} is not the root of the repository",
        root.display()
    );
    found
}

/// Every source file of these members, with their tests.
fn sources_of(members: &[&str]) -> Vec<String> {
    let folders: Vec<String> = members
        .iter()
        .map(|member| format!("{member}/src/"))
        .collect();
    files()
        .into_iter()
        .filter(|path| {
            path.ends_with(".rs") && folders.iter().any(|folder| path.starts_with(folder))
        })
        .collect()
}

/// Every source file of the shipped crates, without files that hold only tests.
fn shipped_sources() -> Vec<String> {
    let only_tests = |path: &str| matches!(module_name(path).rsplit('_').next(), Some("tests"));
    sources_of(&SHIPPED)
        .into_iter()
        .filter(|path| !only_tests(path))
        .collect()
}

/// The last part of a file's module path: `fifo` for `src/fifo.rs` and for `src/fifo/mod.rs`.
fn module_name(path: &str) -> &str {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.rsplit('/').next().unwrap_or(path)
}

/// A source file up to its module of tests.
fn code(text: &str) -> &str {
    let begins_tests = |at: &usize| {
        let mut lines = text[*at..]
            .lines()
            .skip_while(|line| line.is_empty() || line.starts_with("#["));
        lines
            .next()
            .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let marked = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    &text[..marked.into_iter().find(begins_tests).unwrap_or(text.len())]
}

/// The lines of a source file that are not comments, with their numbers.
fn numbered_code(text: &str) -> Vec<(usize, &str)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

/// Whether a word that ends where `rest` begins goes on.
fn continues_word(rest: &str) -> bool {
    rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
}

/// Whether `word` occurs in `line` with no letter right before it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_'))
}

/// `path:line: text` of every line with one of `words`, in files below `folder` with one of `endings` (none: all).
fn lines_with(endings: &[&str], folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let wanted = |path: &String| {
        path.starts_with(folder)
            && (endings.is_empty()
                || endings
                    .iter()
                    .any(|ending| path.ends_with(&format!(".{ending}"))))
    };
    for path in files().into_iter().filter(wanted) {
        let bytes = fs::read(root().join(&path)).expect("a file of the repository can be read");
        for (number, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

/// The manifest of every member of the workspace, by its path.
fn member_manifests() -> Vec<(String, toml::Table)> {
    let parsed = |path: &str| {
        read(path)
            .parse::<toml::Table>()
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let workspace = parsed("Cargo.toml");
    let members = workspace["workspace"]["members"]
        .as_array()
        .expect("the workspace lists its members");
    members
        .iter()
        .map(|member| {
            format!(
                "{}/Cargo.toml",
                member.as_str().expect("a member is named by its folder")
            )
        })
        .map(|path| (path.clone(), parsed(&path)))
        .collect()
}

/// Every dependency of a manifest by the name of its package: for the code, its tests, its build, and single targets.
fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for table in targets.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table
                .get(kind)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
            {
                let package = value
                    .get("package")
                    .and_then(toml::Value::as_str)
                    .unwrap_or(name);
                found.push((package.to_owned(), value.clone()));
            }
        }
    }
    found
}

/// The source files that README.md names, in backticks, in its section on how the code is built.
fn map_of_files() -> BTreeSet<String> {
    let readme = read("README.md");
    let Some((_, section)) = readme.split_once("\n## How it is built\n") else {
        return BTreeSet::new();
    };
    let section = section.split("\n## ").next().unwrap_or(section);
    let in_backticks = section.split('`').skip(1).step_by(2);
    in_backticks
        .filter(|word| word.contains('/') && word.ends_with(".rs"))
        .map(str::to_owned)
        .collect()
}

/// Every word of the form `--flag` in a text.
fn flags_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|next: char| !(next.is_ascii_alphanumeric() || next == '-'));
    let flag = |word: &&str| {
        word.strip_prefix("--")
            .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    words
        .filter(flag)
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect()
}

/// What `PROGRAM --help` prints, of the binary that was built beside this test.
fn help_of(program: &str) -> String {
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests lie in target/<profile>/deps");
    let binary = folder.join(program);
    assert!(
        binary.is_file(),
        "{} is missing: `cargo build --workspace --bins` makes it",
        binary.display()
    );
    let output = Command::new(&binary)
        .arg("--help")
        .output()
        .expect("the binary runs");
    assert!(
        output.status.success(),
        "`{program} --help` exits with {}",
        output.status
    );
    String::from_utf8(output.stdout).expect("the help is UTF-8")
}
