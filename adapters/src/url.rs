//! The URL that names a control source: `tcp://127.0.0.1:8085`, `unix:///run/hasses/control.sock?mode=0660&group=www-data`,
//! `fifo:///run/hasses/fifo?form=json`.

use std::fmt;
use std::str::FromStr;

use crate::error::OpenError;
use crate::sources::SOURCES;

/// A control source as it was written: a known scheme, what follows it, and `?name=value` options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    text: String,
    scheme: &'static str,
    target: String,
    options: Vec<(String, String)>,
}

impl SourceUrl {
    /// The scheme, from the table of sources.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What stands between `://` and `?`: an address with port, or a path.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of an option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl FromStr for SourceUrl {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let bad = |why: String| OpenError::BadUrl { url: text.to_owned(), why };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad(format!("it has no scheme; write {}", forms())));
        };
        let Some(kind) = SOURCES.iter().find(|kind| kind.scheme == scheme) else {
            return Err(bad(format!("scheme {scheme:?} is not known; write {}", forms())));
        };
        let (target, query) = rest.split_once('?').unwrap_or((rest, ""));
        if target.is_empty() {
            return Err(bad(format!("nothing follows the scheme; write {}", kind.form)));
        }
        let mut options: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !kind.options.contains(&name) {
                let known = if kind.options.is_empty() { "none".to_owned() } else { kind.options.join(", ") };
                return Err(bad(format!("{name:?} is no option of {scheme} (it has: {known})")));
            }
            if options.iter().any(|(known, _)| known == name) {
                return Err(bad(format!("option {name:?} is given twice")));
            }
            options.push((name.to_owned(), value.to_owned()));
        }
        let url = Self { text: text.to_owned(), scheme: kind.scheme, target: target.to_owned(), options };
        (kind.check)(&url).map_err(bad)?;
        Ok(url)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn forms() -> String {
    SOURCES.iter().map(|kind| kind.form).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_faults_are_named() {
        let url: SourceUrl = "unix:///run/x.sock?mode=0660&group=www-data".parse().unwrap();
        assert_eq!((url.scheme(), url.target(), url.option("mode")), ("unix", "/run/x.sock", Some("0660")));
        for (text, part) in [
            ("8085", "it has no scheme; write tcp://"),
            ("redis://x", "scheme \"redis\" is not known"),
            ("tcp://", "nothing follows the scheme"),
            ("tcp://localhost", "port"),
            ("unix://run/x", "absolute"),
            ("fifo:///x?mod=1", "\"mod\" is no option of fifo (it has: form, mode, group)"),
            ("fifo:///x?form=json&form=json", "given twice"),
            ("fifo:///x?form=xml", "form \"xml\" is not known (classic, json)"),
            ("fifo:///x?mode=rw", "mode \"rw\" is no octal number up to 0777"),
            ("unix:///x?mode=1777", "mode \"1777\" is no octal number up to 0777"),
        ] {
            let error = text.parse::<SourceUrl>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
