//! Configurations in other documents.

use std::fs;
use std::path::{Path, PathBuf};

use crate::front::DOCUMENT;

/// What configurations are fenced as.
const PROXIES: [&str; 4] = ["nginx", "apache", "caddy", "haproxy"];

#[test]
fn what_other_documents_show_of_a_proxy_is_what_is_tried_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tried = read(&root.join(DOCUMENT));
    let tried: Vec<Vec<String>> = tried.lines().map(words).collect();
    let documents = fs::read_dir(root.join("hasses/docs")).expect("the folder of documents");
    let documents = documents.map(|entry| entry.expect("a document").path()).chain([root.join("README.md")]);
    let documents: Vec<PathBuf> = documents.filter(|path| path.is_file() && !path.ends_with(DOCUMENT)).collect();
    assert!(documents.len() > 3, "{documents:?}");
    for path in documents {
        let mut within = false;
        for line in read(&path).lines() {
            if let Some(language) = line.strip_prefix("```") {
                within = !within && PROXIES.iter().any(|proxy| language.split(' ').next() == Some(proxy));
            } else if within {
                assert!(tried.contains(&words(line)), "{}: {line}", path.display());
            }
        }
    }
}

/// A line without its indentation and alignment, and with a number where the document has one of several.
fn words(line: &str) -> Vec<String> {
    line.replace("$hasses_retry", "5000").split_whitespace().map(str::to_owned).collect()
}
