//! The byte that ends a message of classic text, as it is written: `;`, `|`, `\n`, `\x1e`.

use hasses_client::wire::Delimiter;

/// Reads one ASCII character, or a name of one that begins with a backslash.
pub(super) fn read(text: &str) -> Result<Delimiter, String> {
    let byte = byte(text).ok_or_else(|| {
        format!("{text:?} is not one ASCII character; write one, or \\n, \\t, \\0 or \\xNN (hexadecimal, up to 7f)")
    })?;
    match why_not(byte) {
        Some(why) => Err(format!("{text:?} cannot end a message: {why}")),
        None => Ok(Delimiter::Explicit(byte)),
    }
}

/// As [`read`] takes it; `None` is the default, which no single character is.
pub(super) fn write(delimiter: Delimiter) -> Option<String> {
    match delimiter {
        Delimiter::Default => None,
        Delimiter::Explicit(byte) if byte.is_ascii_graphic() => Some(char::from(byte).to_string()),
        Delimiter::Explicit(byte) => Some(format!("\\x{byte:02x}")),
    }
}

fn byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        &[byte] => Some(byte).filter(u8::is_ascii),
        b"\\0" => Some(0),
        b"\\t" => Some(b'\t'),
        b"\\n" => Some(b'\n'),
        b"\\r" => Some(b'\r'),
        b"\\\\" => Some(b'\\'),
        &[b'\\', b'x', high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok().filter(u8::is_ascii)
        }
        _ => None,
    }
}

fn why_not(byte: u8) -> Option<&'static str> {
    match byte {
        b'=' => Some("it stands between topic and message"),
        b'*' => Some("it ends a prefix of topics (PREFIX*=MESSAGE)"),
        b'-' => Some("it stands before the id of a subscriber that is left out (TOPIC-ID=MESSAGE)"),
        b'\r' => Some("it is dropped around a message, as part of a line's end"),
        b'{' => Some("a stream that begins with it is read as JSON lines"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_their_names_are_read_and_written_alike() {
        for (text, byte, written) in [
            (";", b';', ";"),
            ("|", b'|', "|"),
            ("\\", b'\\', "\\"),
            ("\\\\", b'\\', "\\"),
            ("\\n", b'\n', "\\x0a"),
            ("\n", b'\n', "\\x0a"),
            ("\\t", b'\t', "\\x09"),
            ("\\0", 0, "\\x00"),
            ("\\x1e", 0x1e, "\\x1e"),
            ("\\x7F", 0x7f, "\\x7f"),
            (" ", b' ', "\\x20"),
        ] {
            assert_eq!(read(text), Ok(Delimiter::Explicit(byte)), "{text:?}");
            assert_eq!(write(Delimiter::Explicit(byte)).as_deref(), Some(written), "{text:?}");
            assert_eq!(read(written), Ok(Delimiter::Explicit(byte)), "{written:?}");
        }
        assert_eq!(write(Delimiter::Default), None);
    }

    #[test]
    fn what_cannot_end_a_message_says_why() {
        for (text, part) in [
            ("=", "\"=\" cannot end a message: it stands between topic and message"),
            ("\\x3d", "between topic and message"),
            ("*", "prefix"),
            ("-", "left out"),
            ("\\r", "line's end"),
            ("\r", "line's end"),
            ("{", "JSON"),
            ("", "\"\" is not one ASCII character"),
            (";;", "\";;\" is not one ASCII character"),
            ("§", "is not one ASCII character"),
            ("\\x80", "up to 7f"),
            ("\\x1", "up to 7f"),
            ("\\x+1", "up to 7f"),
            ("\\q", "is not one ASCII character"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
