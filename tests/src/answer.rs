//! An HTTP answer that is no stream.

use std::fmt;

/// A whole answer, read up to the end of its connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and header lines, with the empty line.
    pub head: String,
    /// What follows the head.
    pub body: String,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Panics
    /// It is none, or it names a length that is not that of its body.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
        Self { status, head: format!("{head}\r\n\r\n"), body: body.to_owned() }
    }

    /// The value of a header; `None` where it is missing.
    ///
    /// # Panics
    /// It stands there twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header in a response head.
///
/// # Panics
/// It stands there twice.
#[must_use]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice in {head}");
    value
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.head, self.body)
    }
}
