//! A request as bytes.

use super::url::Url;

/// The bytes of a request without a body; `Host` is added. The values hold no line ends: they come from constants, from
/// parsed origins, and from event ids, which are parts of lines.
pub fn request(method: &str, url: &Url, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", url.target(), url.authority());
    for (name, value) in headers {
        debug_assert!(!value.contains(['\r', '\n']), "{name}: {value:?}");
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}
