//! A request head: RFC 9112, with everything that two parties could read differently refused.

use std::net::{IpAddr, SocketAddr};

use crate::http::response::{Refusal, Status};
use crate::sse::Framing;

/// Header lines a head may have. Browsers send 10 to 20, nginx and Apache allow 100.
const MAX_HEADERS: usize = 100;

/// A method, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// Another method of RFC 9110 or RFC 5789.
    Other,
    /// None that is known.
    Unknown,
}

/// A complete head. Texts are as they were sent, not decoded.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Path of the target, or `*`.
    pub path: &'a str,
    /// What follows `?`; empty without.
    pub query: &'a str,
    /// HTTP/1.`minor`.
    pub minor: u8,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `User-Agent`, where it is text.
    pub agent: Option<&'a str>,
    /// `Last-Event-ID`; as bytes, since a server before this one may have given any.
    pub last_event_id: Option<&'a [u8]>,
    /// The lines of `X-Forwarded-For`; as bytes, since what a client wrote there stands beside what its proxy added.
    forwarded_for: Vec<&'a [u8]>,
    /// `Access-Control-Request-Method` was there: a CORS preflight (Fetch standard, "CORS-preflight request").
    pub preflight: bool,
    /// The client asked for the connection to be closed after the answer.
    pub close: bool,
}

/// What the bytes so far are.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// More must come.
    Incomplete,
    /// A head, and how many bytes it took.
    Complete(Request<'a>, usize),
    /// Nothing that can be served.
    Refused(Refusal),
}

impl Request<'_> {
    /// How the body of the response is framed: HTTP/1.0 does not know chunks.
    #[must_use]
    pub fn framing(&self) -> Framing {
        if self.minor == 0 { Framing::Plain } else { Framing::Chunked }
    }

    /// The addresses of `X-Forwarded-For` from the last, which the nearest proxy wrote, to the first; `None` for what is no
    /// address (`unknown`). Some proxies write ports.
    pub fn forwarded_for(&self) -> impl Iterator<Item = Option<IpAddr>> {
        let written = self.forwarded_for.iter().rev().flat_map(|line| line.rsplit(|&byte| byte == b','));
        written.map(|bytes| {
            let text = str::from_utf8(bytes).ok()?.trim();
            let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            let address: Option<IpAddr> = bracketed.unwrap_or(text).parse().ok();
            let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
            address.map(|address| address.to_canonical())
        })
    }
}

/// Reads a request head from the bytes that came so far, at most `max_head` bytes of it.
#[must_use]
pub fn parse_head(bytes: &[u8], max_head: usize) -> Parsed<'_> {
    // The content type of a handshake record (RFC 8446, 5.1), which no method begins with.
    if bytes.first() == Some(&0x16) {
        return refused(Status::BadRequest, "this looks like TLS, and this port speaks plain HTTP".to_owned());
    }
    // The verdict on a head that is too long must not depend on how much of it came at one time.
    let bytes = &bytes[..bytes.len().min(max_head + 1)];
    // RFC 9112, 2.2: empty lines before a request line are ignored.
    let skipped = bytes.chunks(2).take_while(|pair| *pair == b"\r\n").count() * 2;
    let head = &bytes[skipped..];
    let end = memchr::memmem::find(head, b"\r\n\r\n").map(|at| at + 4);
    let seen = &head[..end.unwrap_or(head.len())];
    if let Some(at) = bare_line_end(seen) {
        return refused(Status::BadRequest, format!("a bare CR or LF at byte {}", skipped + at));
    }
    if skipped + seen.len() > max_head {
        return if memchr::memchr(b'\n', seen).is_some() {
            refused(Status::HeadTooLarge, format!("the request head is longer than {max_head} bytes"))
        } else {
            refused(Status::TargetTooLong, format!("the request line is longer than {max_head} bytes"))
        };
    }
    let Some(end) = end else {
        return Parsed::Incomplete;
    };
    match parse_whole(&head[..end]) {
        Ok(request) => Parsed::Complete(request, skipped + end),
        Err(refusal) => Parsed::Refused(refusal),
    }
}

/// RFC 9112, 2.2: a bare CR is invalid; a bare LF may be taken for a line end, which is where parsers differ, so not here.
fn bare_line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b'\r', b'\n', bytes).find(|&at| match bytes[at] {
        // What follows the last CR is not known yet.
        b'\r' => bytes.get(at + 1).is_some_and(|&next| next != b'\n'),
        _ => at == 0 || bytes[at - 1] != b'\r',
    })
}

fn parse_whole(head: &[u8]) -> Result<Request<'_>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let outcome = parsed.parse(head);
    match outcome {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("the request head is malformed")),
        Err(httparse::Error::TooManyHeaders) => {
            let text = format!("the request has more than {MAX_HEADERS} header lines");
            return Err(Refusal::new(Status::HeadTooLarge, text));
        }
        Err(httparse::Error::Version) if names_http(head) => {
            let text = "only HTTP/1.1 and HTTP/1.0 are spoken here".to_owned();
            return Err(Refusal::new(Status::VersionNotSupported, text));
        }
        Err(error) => return Err(bad(format!("the request head is malformed: {error}"))),
    }
    let (path, query) = split_target(parsed.path.unwrap_or_default())?;
    let mut request = Request {
        method: method(parsed.method.unwrap_or_default()),
        path,
        query,
        minor: parsed.version.unwrap_or_default(),
        origin: None,
        agent: None,
        last_event_id: None,
        forwarded_for: Vec::new(),
        preflight: false,
        close: false,
    };
    read_headers(parsed.headers, &mut request)?;
    Ok(request)
}

/// Whether the version is what is wrong, and not the shape of the line: `METHOD TARGET HTTP/x.y`.
fn names_http(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [_, _, version] = words[..] else { return false };
    match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        "POST" | "PUT" | "DELETE" | "CONNECT" | "TRACE" | "PATCH" => Method::Other,
        _ => Method::Unknown,
    }
}

/// Path and query of a request target (RFC 9112, 3.2): origin form, absolute form, or `*`.
fn split_target(target: &str) -> Result<(&str, &str), Refusal> {
    let origin_form = if target == "*" || target.starts_with('/') {
        target
    } else if let Some((_, rest)) = target.split_once("://") {
        match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('/') => &rest[at..],
            _ => "/",
        }
    } else {
        // The authority form of CONNECT names no path.
        ""
    };
    let (path, query) = origin_form.split_once('?').unwrap_or((origin_form, ""));
    if query.contains('#') || path.contains('#') {
        return Err(bad("the request target holds a '#'"));
    }
    Ok((path, query))
}

fn read_headers<'a>(headers: &[httparse::Header<'a>], request: &mut Request<'a>) -> Result<(), Refusal> {
    let (mut hosts, mut lengths) = (0, 0);
    for header in headers {
        let text = std::str::from_utf8(header.value).ok();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
        } else if is("content-length") {
            lengths += 1;
            let digits = text.unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad("Content-Length is no number"));
            }
            if request.method != Method::Other && digits.bytes().any(|byte| byte != b'0') {
                return Err(bad("the request has a body, which means nothing here"));
            }
        } else if is("transfer-encoding") {
            // RFC 9112, 6.1 and 6.3: with a length, or from HTTP/1.0, this is how requests are smuggled.
            if request.method != Method::Other || request.minor == 0 {
                return Err(bad("the request has a Transfer-Encoding, which means nothing here"));
            }
            lengths += 1;
        } else if is("origin") {
            request.origin = text;
        } else if is("user-agent") {
            request.agent = text;
        } else if is("last-event-id") {
            request.last_event_id = Some(header.value);
        } else if is("x-forwarded-for") {
            request.forwarded_for.push(header.value);
        } else if is("access-control-request-method") {
            request.preflight = true;
        } else if is("connection") {
            let mut options = text.unwrap_or_default().split(',');
            request.close |= options.any(|option| option.trim().eq_ignore_ascii_case("close"));
        }
    }
    if lengths > 1 {
        return Err(bad("the request has two lengths"));
    }
    // RFC 9112, 3.2: a request of HTTP/1.1 without Host, or any with two, is answered 400.
    match hosts {
        0 if request.minor == 1 => Err(bad("the Host header is missing")),
        0 | 1 => Ok(()),
        _ => Err(bad("the request has two Host headers")),
    }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Status::BadRequest, text.into())
}

fn refused(status: Status, text: String) -> Parsed<'static> {
    Parsed::Refused(Refusal::new(status, text))
}
