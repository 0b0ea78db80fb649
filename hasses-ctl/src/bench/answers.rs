//! What a server says to publishes. No I/O.

use std::str::from_utf8;

use super::framing::{Framing, status_code};

/// Longest answer to a publish; more is none.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Reads the answers on a publisher's connection.
#[derive(Debug)]
pub(super) enum Answers {
    /// There are none.
    None,
    /// A line of JSON for each; what of it has come.
    Lines(Vec<u8>),
    /// An HTTP response for each.
    Responses(Response),
}

/// A response as it comes in.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// What of its head has come, or of the body of one that refuses.
    kept: Vec<u8>,
    /// Behind the head.
    body: Option<(Framing, Verdict)>,
}

#[derive(Clone, Debug)]
enum Verdict {
    Taken,
    Refused(String),
}

impl Answers {
    /// Takes what was read; gives the number of answers that it completed.
    ///
    /// # Errors
    /// What an answer says that refuses, or why it is none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<u64, String> {
        match self {
            Self::None => Ok(0),
            Self::Lines(kept) => take_lines(kept, bytes),
            Self::Responses(response) => {
                let (mut rest, mut count) = (bytes, 0);
                while !rest.is_empty() {
                    count += response.take(&mut rest)?;
                }
                Ok(count)
            }
        }
    }
}

fn take_lines(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<u64, String> {
    let (mut rest, mut count) = (bytes, 0);
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, later) = (&rest[..at], &rest[at + 1..]);
        if kept.is_empty() {
            check_line(line)?;
        } else {
            kept.extend_from_slice(line);
            check_line(kept)?;
            kept.clear();
        }
        (rest, count) = (later, count + 1);
    }
    kept.extend_from_slice(rest);
    if kept.len() > MAX_ANSWER_BYTES {
        return Err(format!("an answer is longer than {MAX_ANSWER_BYTES} bytes"));
    }
    Ok(count)
}

fn check_line(line: &[u8]) -> Result<(), String> {
    // As the daemon writes it; what it does not write is read with more care.
    if line.starts_with(br#"{"ok":true"#) {
        return Ok(());
    }
    let text = from_utf8(line).unwrap_or("an answer that is not UTF-8").trim();
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(answer) if answer["ok"] == true => Ok(()),
        _ => Err(text.to_owned()),
    }
}

impl Response {
    fn take(&mut self, bytes: &mut &[u8]) -> Result<u64, String> {
        if self.body.is_none() && !self.take_head(bytes)? {
            return Ok(0);
        }
        let Some((mut framing, verdict)) = self.body.take() else { return Ok(0) };
        while let Some(run) = framing.next(bytes).map_err(|malformed| malformed.0.to_owned())? {
            if matches!(verdict, Verdict::Refused(_)) && self.kept.len() < 200 {
                self.kept.extend_from_slice(run);
            }
        }
        match (framing, verdict) {
            (Framing::Over, Verdict::Taken) => Ok(1),
            // What it says ends with the connection, which need not be waited for.
            (Framing::Over | Framing::UntilClose, Verdict::Refused(status)) => {
                let says = String::from_utf8_lossy(&self.kept);
                let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(if says.is_empty() { status } else { format!("{status}: {says}") })
            }
            (Framing::UntilClose, _) => Err("its answer has no length".to_owned()),
            unfinished => {
                self.body = Some(unfinished);
                Ok(0)
            }
        }
    }

    /// Takes the rest of a head, if it is all there.
    fn take_head(&mut self, bytes: &mut &[u8]) -> Result<bool, String> {
        let before = self.kept.len();
        self.kept.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.kept, b"\r\n\r\n").map(|at| at + 4) else {
            *bytes = &[];
            let too_long = self.kept.len() > MAX_ANSWER_BYTES;
            return if too_long {
                Err(format!("an answer is longer than {MAX_ANSWER_BYTES} bytes"))
            } else {
                Ok(false)
            };
        };
        *bytes = &bytes[end - before..];
        let head = String::from_utf8_lossy(&self.kept[..end]).into_owned();
        self.kept.clear();
        let status = head.lines().next().unwrap_or_default();
        let code = status_code(&head);
        let verdict = match code {
            // Any number of interim answers may come before the one that counts.
            Some(100..200) => return Ok(false),
            Some(200..300) => Verdict::Taken,
            Some(_) => Verdict::Refused(status.to_owned()),
            None => return Err("the answer does not begin as one of HTTP/1.1".to_owned()),
        };
        let framing = if code == Some(204) { Framing::Over } else { Framing::of(&head) };
        self.body = Some((framing, verdict));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut answers: Answers, text: &str, piece: usize) -> Result<u64, String> {
        text.as_bytes().chunks(piece).map(|piece| answers.take(piece)).sum()
    }

    #[test]
    fn lines_are_counted_and_refusals_told() {
        for piece in [1, 5, 1_000] {
            let good = "{\"ok\":true,\"id\":\"1-0\",\"matched\":3}\n{ \"ok\": true }\n{\"ok\":tr";
            assert_eq!(read(Answers::Lines(Vec::new()), good, piece), Ok(2));
            let bad = "{\"ok\":true}\n{\"ok\":false,\"code\":\"not_stored\",\"error\":\"full\"}\n";
            let refusal = read(Answers::Lines(Vec::new()), bad, piece).unwrap_err();
            assert_eq!(refusal, "{\"ok\":false,\"code\":\"not_stored\",\"error\":\"full\"}");
            assert_eq!(read(Answers::Lines(Vec::new()), "what?\n", piece), Err("what?".to_owned()));
        }
        assert_eq!(read(Answers::None, "hello\n", 3), Ok(0));
    }

    #[test]
    fn responses_are_counted_and_refusals_told() {
        let responses = || Answers::Responses(Response::default());
        for piece in [1, 7, 1_000] {
            let good = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n\
                        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                        3\r\nurn\r\n0\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200";
            assert_eq!(read(responses(), good, piece), Ok(4), "{piece}");
            let bad = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\nUnauthorized\n";
            assert_eq!(read(responses(), bad, piece).unwrap_err(), "HTTP/1.1 401 Unauthorized: Unauthorized");
            let endless = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n";
            assert_eq!(read(responses(), endless, piece), Err("HTTP/1.1 403 Forbidden".to_owned()));
            assert!(read(responses(), "HTTP/1.1 200 OK\r\n\r\nx", piece).unwrap_err().contains("no length"));
            assert!(read(responses(), "220 smtp\r\n\r\n", piece).is_err());
        }
    }
}
