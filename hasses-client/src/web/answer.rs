//! An answer as its bytes come in: a head, pieces of a body, an end. No I/O.

use std::fmt;

use super::body::Body;

/// Longest head: four times what the daemon itself takes, and what curl does not exceed by far.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most lines of a head.
const MAX_HEADERS: usize = 128;

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What of the head has come.
    held: Vec<u8>,
    body: Option<Body>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its head.
    Head(Head),
    /// Bytes of its body, without their framing.
    Body(Vec<u8>),
    /// Its end.
    End(Ending),
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should: with its last chunk, or at the length that its head said.
    Proper,
    /// With the connection, where that is how this answer ends and nobody can tell whether it is whole.
    Closed,
    /// With the connection, where more was to come.
    Cut,
}

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The minor version: 1 in HTTP/1.1.
    pub minor: u8,
    /// The status.
    pub status: u16,
    /// The words behind the status.
    reason: String,
    headers: Vec<(String, String)>,
}

/// What came is not HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Head {
    /// A head with this status and these headers.
    pub fn new(status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { minor: 1, status, reason: String::new(), headers }
    }

    /// The values of a header, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a header that is a list of words holds this one.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    /// The content type without its parameters; empty where there is none.
    pub fn content_type(&self) -> &str {
        self.first("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// Whether a browser would take this for the beginning of an event stream.
    pub fn is_stream(&self) -> bool {
        self.status == 200 && self.content_type().eq_ignore_ascii_case("text/event-stream")
    }

    /// Where it sends the client, where it does.
    pub fn location(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.first("location")).flatten()
    }

    /// The status in words, as the server puts it or else as the standard does; may be empty.
    pub fn reason(&self) -> &str {
        let known = http::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        if self.reason.is_empty() { known.unwrap_or_default() } else { &self.reason }
    }

    /// `404 Not Found`.
    pub fn status_text(&self) -> String {
        format!("{} {}", self.status, self.reason()).trim_end().to_owned()
    }
}

impl Answer {
    /// Takes bytes as they came.
    ///
    /// # Errors
    /// What came is not HTTP; what came before it is in `parts`.
    pub(super) fn push(&mut self, bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), Malformed> {
        if let Some(body) = &mut self.body {
            return body.push(bytes, parts);
        }
        self.held.extend_from_slice(bytes);
        while let Some((length, head)) = read_head(&self.held)? {
            self.held.drain(..length);
            // RFC 9110, 15.2: any number of interim answers may come before the one that counts.
            if (100..200).contains(&head.status) {
                continue;
            }
            let mut body = Body::of(&head);
            parts.push(Part::Head(head));
            let rest = std::mem::take(&mut self.held);
            let pushed = body.push(&rest, parts);
            self.body = Some(body);
            return pushed;
        }
        Ok(())
    }

    /// What it means that the connection ended here.
    pub(super) fn close(&self) -> Ending {
        self.body.as_ref().map_or(Ending::Cut, Body::close)
    }
}

/// The head at the beginning of `bytes` and its length; `None` where it is not complete.
fn read_head(bytes: &[u8]) -> Result<Option<(usize, Head)>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let head = Head {
                minor: response.version.unwrap_or(1),
                status: response.code.unwrap_or(0),
                reason: response.reason.unwrap_or_default().to_owned(),
                headers: response.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect(),
            };
            Ok(Some((length, head)))
        }
        Ok(httparse::Status::Partial) if bytes.len() > MAX_HEAD_BYTES => {
            Err(Malformed(format!("the head of the answer is longer than {MAX_HEAD_BYTES} bytes")))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => {
            let begins: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
            Err(Malformed(format!("the answer begins with {begins:?}: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n";

    /// What an answer consists of, whose bytes come in pieces of `size`; body pieces are joined.
    fn parts(answer: &str, size: usize) -> (u16, String, Option<Ending>, Ending) {
        let mut reader = Answer::default();
        let mut parts = Vec::new();
        answer.as_bytes().chunks(size).for_each(|piece| reader.push(piece, &mut parts).unwrap());
        let (mut status, mut body, mut end) = (0, Vec::new(), None);
        for part in parts {
            match part {
                Part::Head(head) => status = head.status,
                Part::Body(bytes) => body.extend(bytes),
                Part::End(ending) => end = Some(ending),
            }
        }
        (status, String::from_utf8(body).unwrap(), end, reader.close())
    }

    #[test]
    fn answers_are_read_whole_and_byte_by_byte() {
        use Ending::{Closed, Cut, Proper};
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        for (answer, status, body, end, closed) in [
            (
                format!("{chunked}2\r\n:\n\r\n1e;x=y\r\nid: 1795471359018-0\ndata: hi\n\n\r\n"),
                200,
                ":\nid: 1795471359018-0\ndata: hi\n\n",
                None,
                Cut,
            ),
            (format!("{chunked}2\r\n:\n\r\n0\r\n\r\n"), 200, ":\n", Some(Proper), Proper),
            (format!("{chunked}2\r\n:\n\r\n0\r\nX: y\r\n\r\n"), 200, ":\n", Some(Proper), Proper),
            (format!("{chunked}2\r\n:"), 200, ":", None, Cut),
            (format!("{HEAD}\r\n:\ndata: x\n\n"), 200, ":\ndata: x\n\n", None, Closed),
            (format!("{HEAD}Content-Length: 3\r\n\r\nabcd"), 200, "abc", Some(Proper), Proper),
            (format!("{HEAD}Content-Length: 3\r\n\r\nab"), 200, "ab", None, Cut),
            (
                format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{HEAD}Content-Length: 0\r\n\r\n"),
                200,
                "",
                Some(Proper),
                Proper,
            ),
            ("HTTP/1.0 204 No Content\r\n\r\n".to_owned(), 204, "", Some(Proper), Proper),
            ("HTTP/1.1 200 O".to_owned(), 0, "", None, Cut),
        ] {
            for size in [1, 7, 10_000] {
                assert_eq!(parts(&answer, size), (status, body.to_owned(), end, closed), "{answer}");
            }
        }
    }

    #[test]
    fn what_is_not_http_is_said() {
        for answer in ["SSH-2.0-OpenSSH_9.2\r\n", &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n")] {
            assert!(Answer::default().push(answer.as_bytes(), &mut Vec::new()).is_err(), "{answer}");
        }
        let long = format!("{HEAD}X: {}", "x".repeat(MAX_HEAD_BYTES));
        let error = Answer::default().push(long.as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("longer than 65536 bytes"));
    }

    #[test]
    fn headers_are_found_by_any_case() {
        let head = Head::new(302, &[("VARY", "Accept-Encoding, origin"), ("location", "/x"), ("Vary", "x")]);
        assert_eq!((head.first("vary"), head.all("Vary").count()), (Some("Accept-Encoding, origin"), 2));
        assert!(head.lists("vary", "Origin") && head.lists("vary", "X") && !head.lists("vary", "Cookie"));
        assert_eq!((head.location(), head.status_text().as_str()), (Some("/x"), "302 Found"));
    }

    /// Everything that an answer gives, body bytes joined, and whether it ended as malformed.
    fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Part>, bool) {
        let mut reader = Answer::default();
        let mut joined: Vec<Part> = Vec::new();
        for piece in pieces {
            let mut parts = Vec::new();
            let pushed = reader.push(piece, &mut parts);
            for part in parts {
                match (joined.last_mut(), part) {
                    (Some(Part::Body(body)), Part::Body(more)) => body.extend(more),
                    (_, part) => joined.push(part),
                }
            }
            if pushed.is_err() {
                return (joined, true);
            }
        }
        joined.push(Part::End(reader.close()));
        (joined, false)
    }

    proptest! {
        #[test]
        fn any_answer_in_any_pieces_is_read_alike(
            head in prop_oneof![
                Just(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n")),
                Just(format!("{HEAD}Content-Length: 20\r\n\r\n")),
                Just(format!("HTTP/1.1 100 Continue\r\n\r\n{HEAD}\r\n")),
                "[HTP/1. 0-9\r\n]{0,30}",
            ],
            body in proptest::collection::vec(
                prop_oneof![
                    Just("5\r\nabcde\r\n".to_owned()), Just("0\r\n".to_owned()), Just("\r\n".to_owned()),
                    Just("1e;x=y\r\n".to_owned()), Just("ffffffffffffffff\r\n".to_owned()), "[0-9a-f;\r\n ]{0,12}",
                ],
                0..8,
            ),
            sizes in proptest::collection::vec(1_usize..40, 1..8),
        ) {
            let answer = head + &body.concat();
            let mut rest = answer.as_bytes();
            let pieces = sizes.iter().cycle().map_while(|size| {
                let (now, later) = rest.split_at(rest.len().min(*size));
                rest = later;
                (!now.is_empty()).then_some(now)
            });
            prop_assert_eq!(read(pieces), read(std::iter::once(answer.as_bytes())));
        }
    }
}
