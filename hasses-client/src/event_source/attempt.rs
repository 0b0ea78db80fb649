//! One attempt to subscribe: from the URL, over redirects, to a stream or a reason why there is none.

use std::time::Duration;

use async_io::Timer;
use futures_lite::future;

use super::connection::Connection;
use super::error::Error;
use super::plan::Plan;
use super::stream::Stream;
use crate::web::{Head, Part};

/// "If request's redirect count is 20, then return a network error" (Fetch, 4.4, HTTP-redirect fetch).
const REDIRECTS: usize = 20;

/// Bytes of a refusal that are read for what it says, and the time for them.
const SAYS: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Subscribes. Every attempt begins at the URL that the program gave, wherever earlier ones were sent.
///
/// # Errors
/// Final ones where the server said no, or is none; others where the next attempt may succeed.
pub(super) async fn subscribe(plan: &Plan, last_event_id: &str) -> Result<Stream, Error> {
    let mut url = plan.url.clone();
    for _ in 0..=REDIRECTS {
        let mut connection = Connection::open(&url, plan, last_event_id).await?;
        let beginning = connection.head(plan.limits.answer_timeout).await?;
        let head = &beginning.head;
        if let Some(location) = head.location() {
            let nowhere = |error: String| Error::Protocol(format!("{url} leads to a place that is none: {error}"));
            url = url.join(location).map_err(nowhere)?;
            continue;
        }
        if head.status != 200 {
            let (status, reason) = (head.status, head.reason().to_owned());
            let says = first_line(connection, beginning.parts).await;
            return Err(Error::Status { url: url.to_string(), status, reason, says });
        }
        return match foreign_content(head) {
            Some(content) => Err(Error::NotAStream { url: url.to_string(), content }),
            None => Ok(Stream::new(connection, beginning, last_event_id, plan.limits)),
        };
    }
    Err(Error::Protocol(format!("{} leads from one place to the next without end", plan.url)))
}

/// What the content is, where it is none that can be read as an event stream.
fn foreign_content(head: &Head) -> Option<String> {
    let kind = head.first("content-type").unwrap_or_default();
    let encoding = head.first("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    match encoding {
        Some(encoding) => Some(format!("{kind} encoded as {encoding}")),
        None => (!head.is_stream()).then(|| kind.to_owned()),
    }
}

/// The first line that says something. A body that breaks off or does not end still says something.
async fn first_line(mut connection: Connection, mut parts: Vec<Part>) -> String {
    let mut body = Vec::new();
    let read = async {
        loop {
            let over = parts.iter().any(|part| matches!(part, Part::End(_)));
            body.extend(
                parts
                    .drain(..)
                    .filter_map(|part| if let Part::Body(bytes) = part { Some(bytes) } else { None })
                    .flatten(),
            );
            if over || body.len() >= SAYS || connection.receive(&mut parts, PATIENCE).await.is_err() {
                break;
            }
        }
    };
    let late = async {
        Timer::after(PATIENCE).await;
    };
    future::or(read, late).await;
    body.truncate(SAYS);
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.replace(char::is_control, "\u{fffd}")
}
