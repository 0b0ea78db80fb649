//! Response heads, and the answers that are no stream.
//!
//! After any status other than 200 an `EventSource` makes no further request, ever. So a status says "never like this";
//! "come back later" is a 200 stream that only sets a reconnection time ([`Endpoint::come_back_later`]).

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Cors;
use crate::http::Outlook;
use crate::http::request::{Method, Request};
use crate::sse::{Framing, LAST_CHUNK, Rendered};

/// Where a load balancer asks whether the daemon serves.
pub const HEALTH_PATH: &str = "/healthz";
const SERVER: &str = concat!("hasses/", env!("CARGO_PKG_VERSION"));
/// What pages may send beside the headers that are always allowed; classic's list.
const ALLOWED_HEADERS: &str = "cache-control, last-event-id, X-Requested-With";
/// Seconds for which a browser may remember a preflight: two hours is the most that Chromium honours.
const PREFLIGHT_SECONDS: u32 = 7200;

/// A status that says "never like this".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 400
    BadRequest,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    HeadTimeout,
    /// 414
    TargetTooLong,
    /// 431
    HeadTooLarge,
    /// 501
    NotImplemented,
    /// 505
    VersionNotSupported,
}

/// A request that cannot be served, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// For the person who reads the answer; one line.
    pub text: String,
}

/// What the responses of one daemon have in common.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The one path that subscribes.
    pub path: String,
    /// What other origins may do.
    pub cors: Cors,
}

/// What becomes of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Its body goes on.
    Open,
    /// It is closed.
    Close,
}

/// The `Date` header, made once a second.
#[derive(Debug, Default)]
pub struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// The text for the time now.
    pub fn now(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.text.is_empty() || self.second != second {
            self.text = httpdate::fmt_http_date(now);
            self.second = second;
        }
        &self.text
    }
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(status: Status, text: String) -> Self {
        Self { status, text }
    }
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::HeadTimeout => "408 Request Timeout",
            Self::TargetTooLong => "414 URI Too Long",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::NotImplemented => "501 Not Implemented",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

impl Endpoint {
    /// The head of an accepted subscription; also the whole answer to HEAD.
    #[must_use]
    pub fn stream_head(&self, request: &Request<'_>, date: &str, after: After) -> Vec<u8> {
        let mut head = String::with_capacity(512);
        self.begin(&mut head, "200 OK", Some(request), date);
        head.push_str(concat!(
            "Cache-Control: no-cache, no-transform\r\n",
            // nginx and those who copied it pass every byte on at once.
            "X-Accel-Buffering: no\r\n",
        ));
        if request.framing() == Framing::Plain || request.close || after == After::Close {
            head.push_str("Connection: close\r\n");
        } else {
            head.push_str("Keep-Alive: timeout=300\r\nConnection: Keep-Alive\r\n");
        }
        if request.framing() == Framing::Chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        if request.method == Method::Head {
            head.push_str("Allow: GET, HEAD, OPTIONS\r\n");
        }
        // Some clients take Latin-1 where no charset is named.
        head.push_str("Content-Type: text/event-stream; charset=utf-8\r\n\r\n");
        head.into_bytes()
    }

    /// The answer to OPTIONS, preflights included (Fetch standard, "CORS-preflight fetch").
    #[must_use]
    pub fn options(&self, request: &Request<'_>, date: &str) -> Vec<u8> {
        let mut head = String::with_capacity(512);
        self.begin(&mut head, "200 OK", Some(request), date);
        if request.preflight {
            let _ = write!(head, "Access-Control-Max-Age: {PREFLIGHT_SECONDS}\r\n");
        }
        head.push_str("Allow: GET, HEAD, OPTIONS\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        head.into_bytes()
    }

    /// The answer to a health check: 200, or 503 once the daemon is ending its streams.
    #[must_use]
    pub fn health(&self, request: &Request<'_>, outlook: Outlook, date: &str) -> Vec<u8> {
        let (status, body) = match outlook {
            Outlook::Serving => ("200 OK", "ok\n"),
            Outlook::Draining => ("503 Service Unavailable", "draining\n"),
        };
        let mut head = String::with_capacity(256);
        self.begin(&mut head, status, Some(request), date);
        let _ = write!(
            head,
            "Cache-Control: no-store\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        if request.method != Method::Head {
            head.push_str(body);
        }
        head.into_bytes()
    }

    /// A status with a small body that says why.
    #[must_use]
    pub fn refusal(&self, refusal: &Refusal, request: Option<&Request<'_>>, date: &str) -> Vec<u8> {
        let body = format!("{}: {}\n", refusal.status.line(), refusal.text);
        let mut head = String::with_capacity(512);
        self.begin(&mut head, refusal.status.line(), request, date);
        if matches!(refusal.status, Status::MethodNotAllowed | Status::NotImplemented) {
            head.push_str("Allow: GET, HEAD, OPTIONS\r\n");
        }
        let _ = write!(
            head,
            "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // RFC 9110, 9.3.2: the answer to HEAD has no body.
        if request.is_none_or(|request| request.method != Method::Head) {
            head.push_str(&body);
        }
        head.into_bytes()
    }

    /// "Come back later": a stream that sets the reconnection time and ends. Browsers honour it, where they would never come
    /// back from a 503.
    #[must_use]
    pub fn come_back_later(&self, request: &Request<'_>, retry_millis: u128, date: &str) -> Vec<u8> {
        let mut answer = self.stream_head(request, date, After::Close);
        let (bytes, range) = Rendered::retry(retry_millis).framed(request.framing());
        answer.extend_from_slice(&bytes[range]);
        if request.framing() == Framing::Chunked {
            answer.extend_from_slice(LAST_CHUNK);
        }
        answer
    }

    fn begin(&self, head: &mut String, status: &str, request: Option<&Request<'_>>, date: &str) {
        // Writing to a String cannot fail.
        let _ = write!(head, "HTTP/1.1 {status}\r\nDate: {date}\r\nServer: {SERVER}\r\n");
        let origins = &self.cors.origins;
        let allowed = match origins.as_slice() {
            [only] => Some(only.as_str()),
            several => {
                head.push_str("Vary: Origin\r\n");
                request.and_then(|request| request.origin).filter(|origin| several.iter().any(|known| known == origin))
            }
        };
        let Some(origin) = allowed else { return };
        let _ = write!(
            head,
            "Access-Control-Allow-Origin: {origin}\r\n\
             Access-Control-Allow-Methods: GET\r\n\
             Access-Control-Allow-Headers: {ALLOWED_HEADERS}\r\n"
        );
        if self.cors.credentials && origin != "*" {
            head.push_str("Access-Control-Allow-Credentials: true\r\n");
        }
    }
}
