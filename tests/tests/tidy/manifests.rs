//! The manifests of the workspace's members.

use crate::tree::read;

/// The manifest of every member of the workspace, by its path.
pub(crate) fn member_manifests() -> Vec<(String, toml::Table)> {
    let parsed = |path: &str| read(path).parse::<toml::Table>().unwrap_or_else(|error| panic!("{path}: {error}"));
    let workspace = parsed("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("the workspace lists its members");
    members
        .iter()
        .map(|member| format!("{}/Cargo.toml", member.as_str().expect("a member is named by its folder")))
        .map(|path| (path.clone(), parsed(&path)))
        .collect()
}

/// Every dependency of a manifest by the name of its package: for the code, its tests, its build, and single targets.
pub(crate) fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for table in targets.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
                found.push((package.to_owned(), value.clone()));
            }
        }
    }
    found
}
