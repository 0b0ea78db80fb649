//! Texts of JSON lines: what the value of `data` stands for, and errors that quote what was sent.

use serde_json::value::RawValue;

use super::reply::{ErrorCode, Failure};

/// The text that `data` stands for: a string's content, or any other value's compact form with its numbers and its order as
/// they were sent.
pub(super) fn text_of(data: &RawValue) -> Result<String, Failure> {
    let raw = data.get();
    if let Some(quoted) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // The parser of the line has seen that it is whole: without escapes it means what it is.
        if memchr::memchr(b'\\', quoted.as_bytes()).is_none() {
            return Ok(quoted.to_owned());
        }
        return serde_json::from_str(raw).map_err(|error| Failure::new(ErrorCode::BadJson, format!("data: {error}")));
    }
    let (mut within_string, mut escaped) = (false, false);
    Ok(raw
        .chars()
        .filter(|&c| {
            let keep = within_string || !matches!(c, ' ' | '\t' | '\r' | '\n');
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => within_string = !within_string,
                _ => {}
            }
            keep
        })
        .collect())
}

/// An error text without the megabyte of a wrong name that it may quote: enough of both ends to recognise it.
pub(super) fn readable(mut text: String) -> String {
    const MOST: usize = 300;
    if text.len() > MOST {
        let start = text.floor_char_boundary(MOST / 2);
        let end = text.ceil_char_boundary(text.len() - MOST / 2);
        text.replace_range(start..end, "…");
    }
    text
}
