//! The files of the repository and their lines.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose crates are shipped; what is checked for the code of users is checked in these.
pub(crate) const SHIPPED: [&str; 4] = ["hasses-client", "adapters", "hasses", "hasses-ctl"];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the repository").into()
}

/// The text of a file, by its path from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Every file of the repository by its path from the root, in order; without what builds and fuzzing leave behind.
pub(crate) fn files() -> Vec<String> {
    const LEFT_BEHIND: [&str; 4] = [".git", "target", "corpus", "artifacts"];
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let entry = entry.expect("a folder of the repository can be read");
            let kind = entry.file_type().expect("a file of the repository has a type");
            if LEFT_BEHIND.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(&root).expect("the walk began at the root");
                found.push(path.to_str().expect("paths of the repository are UTF-8").to_owned());
            }
        }
    }
    found.sort();
    assert!(found.iter().any(|path| path == "Cargo.toml"), "{} is not the root of the repository", root.display());
    found
}

/// Every source file of these members, with their tests.
pub(crate) fn sources_of(members: &[&str]) -> Vec<String> {
    let folders: Vec<String> = members.iter().map(|member| format!("{member}/src/")).collect();
    files()
        .into_iter()
        .filter(|path| path.ends_with(".rs") && folders.iter().any(|folder| path.starts_with(folder)))
        .collect()
}

/// Every source file of the shipped crates, without files that hold only tests.
pub(crate) fn shipped_sources() -> Vec<String> {
    let only_tests = |path: &str| matches!(module_name(path).rsplit('_').next(), Some("tests"));
    sources_of(&SHIPPED).into_iter().filter(|path| !only_tests(path)).collect()
}

/// The last part of a file's module path: `fifo` for `src/fifo.rs` and for `src/fifo/mod.rs`.
pub(crate) fn module_name(path: &str) -> &str {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.rsplit('/').next().unwrap_or(path)
}

/// A source file up to its module of tests.
pub(crate) fn code(text: &str) -> &str {
    let begins_tests = |at: &usize| {
        let mut lines = text[*at..].lines().skip_while(|line| line.is_empty() || line.starts_with("#["));
        lines.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let marked = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    &text[..marked.into_iter().find(begins_tests).unwrap_or(text.len())]
}

/// The lines of a source file that are not comments, with their numbers.
pub(crate) fn numbered_code(text: &str) -> Vec<(usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

/// `path:line: text` of every line with one of `words`, in files below `folder` with one of `endings` (none: all).
pub(crate) fn lines_with(endings: &[&str], folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let wanted = |path: &String| {
        path.starts_with(folder)
            && (endings.is_empty() || endings.iter().any(|ending| path.ends_with(&format!(".{ending}"))))
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
