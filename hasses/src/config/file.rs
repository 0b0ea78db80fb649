//! The configuration file: TOML, whose keys are the flags without their dashes.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::settings::{Setting, Value, setting, settings};
use super::words::hint;

/// One key of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The setting's name.
    pub(super) name: &'static str,
    /// Its value as a flag would take it; several for a list.
    pub(super) texts: Vec<String>,
    /// The line that it stands on.
    pub(super) line: usize,
}

/// Reads the text of the file called `name`.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let at = |offset: usize, what: String| ConfigError::usage(format!("{name}:{}: {what}", line_of(text, offset)));
    let document = DeTable::parse(text).map_err(|error| {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        at(error.span().map_or(0, |span| span.start), what)
    })?;
    let mut entries = Vec::new();
    for (key, value) in document.get_ref() {
        let offset = key.span().start;
        let setting = known(key.get_ref()).map_err(|what| at(offset, what))?;
        let texts =
            texts(&setting, value).map_err(|what| at(value.span().start, format!("{}: {what}", setting.name)))?;
        entries.push(Entry { name: setting.name, texts, line: line_of(text, offset) });
    }
    // The parser sorts keys by name; faults are to be found from the top.
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn known(key: &str) -> Result<Setting, String> {
    if let Some(setting) = setting(key) {
        return Ok(setting);
    }
    if ["config", "classic-config", "check", "man", "completions", "version", "help"].contains(&key) {
        return Err(format!("{key:?} is a flag of the command line only"));
    }
    let hint = hint(key, settings().map(|setting| setting.name), |name| format!("{name:?}"));
    Err(format!("unknown key {key:?}{hint}"))
}

fn texts(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let wrong = |found: &DeValue<'_>, wanted: &str| Err(format!("it takes {wanted}, not {}", kind(found)));
    let one = |text: String| Ok(vec![text]);
    match (setting.value, value.get_ref()) {
        (Value::Switch { .. }, DeValue::Boolean(on)) => one(on.to_string()),
        (Value::Switch { .. }, found) => wrong(found, "true or false"),
        (Value::Text { .. } | Value::Number(_) | Value::List { .. }, DeValue::String(text)) => one(text.to_string()),
        (Value::Text { .. }, found) => wrong(found, "a string"),
        (Value::List { .. }, DeValue::Array(array)) => array
            .iter()
            .map(|element| match element.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                found => Err(format!("it takes strings, not {}", kind(found))),
            })
            .collect(),
        (Value::List { .. }, found) => wrong(found, "an array of strings, or one string"),
        (Value::Number(_), DeValue::Integer(number)) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => one(number.to_string()),
            Err(_) => Err(format!("{} is too large a number", number.as_str())),
        },
        (Value::Number(_), DeValue::Float(number)) => one(number.as_str().to_owned()),
        (Value::Number(_), found) => wrong(found, "a number, or a string with one"),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Lines are counted from 1, as editors do.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_with_its_line() {
        let text = "\
# a comment
listen = [\"127.0.0.1:8080\",
  \"[::1]:8080\"]
cors-origin = \"*\"
control = []
path = '/sse'
allow-reinit = true
max-message = 1_000_000
max-head = \"64k\"
max-topics = 0x10
heartbeat = 0.5
";
        let entries: Vec<_> = read("x", text)
            .unwrap()
            .into_iter()
            .map(|entry| format!("{} {} {}", entry.line, entry.name, entry.texts.join("|")))
            .collect();
        assert_eq!(
            entries,
            [
                "2 listen 127.0.0.1:8080|[::1]:8080",
                "4 cors-origin *",
                "5 control ",
                "6 path /sse",
                "7 allow-reinit true",
                "8 max-message 1000000",
                "9 max-head 64k",
                "10 max-topics 16",
                "11 heartbeat 0.5",
            ]
        );
    }

    #[test]
    fn faults_name_file_line_key_and_what_was_wanted() {
        for (text, part) in [
            ("path = \"/\"\nmax-mesage = 1", "x.toml:2: unknown key \"max-mesage\"; the nearest is \"max-message\""),
            ("max_head = 1", "x.toml:1: unknown key \"max_head\"; the nearest is \"max-head\""),
            ("\n\n[limits]\noutbox = 1", "x.toml:3: unknown key \"limits\""),
            ("check = true", "x.toml:1: \"check\" is a flag of the command line only"),
            ("path = 5", "x.toml:1: path: it takes a string, not a number"),
            ("allow-reinit = \"true\"", "x.toml:1: allow-reinit: it takes true or false, not a string"),
            ("listen = [\n\"a\", 5]", "x.toml:1: listen: it takes strings, not a number"),
            ("listen = 5", "listen: it takes an array of strings, or one string, not a number"),
            ("retry = true", "retry: it takes a number, or a string with one, not true or false"),
            ("[retry]", "retry: it takes a number, or a string with one, not a table"),
            ("retry.x = 1", "retry: it takes a number, or a string with one, not a table"),
            ("retry = 1979-05-27", "not a date"),
            ("retry = 99999999999999999999", "99999999999999999999 is too large a number"),
            ("path = \"/\"\npath = \"/x\"", "x.toml:2: duplicate key"),
            ("path = \n", "x.toml:1: "),
            ("path", "x.toml:1: "),
        ] {
            let error = read("x.toml", text).expect_err(text);
            assert!(error.text.contains(part), "{text}: {error}");
            assert_eq!((error.exit_code, error.text.lines().count()), (2, 1), "{error:?}");
        }
    }

    #[test]
    fn quoted_text_is_read_back() {
        for text in ["", "a", "\"", "\\x1e", "a\nb\u{7f}", "ä"] {
            let entries = read("x", &format!("path = {}", quoted(text))).unwrap();
            assert_eq!(entries[0].texts, [text]);
        }
    }
}
