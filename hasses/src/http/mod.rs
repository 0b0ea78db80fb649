//! The subscriber's side of HTTP/1.1 and 1.0, without I/O: bytes of a request head in, what to do about it out.

mod query;
mod request;
mod response;

pub use query::{LastEventId, Query, QueryLimits, parse_query};
pub use request::{Method, Parsed, Request, parse_head};
pub use response::{After, Date, Endpoint, HEALTH_PATH, Refusal, Status};

use hasses_client::wire::{SubscriberId, TopicPattern};

use crate::sse::Framing;

/// What a request asks for, after everything about it has been checked.
#[derive(Debug)]
pub enum Decision {
    /// A subscription, with the response head that begins its stream.
    Subscribe(Box<Subscription>),
    /// A subscription that there is no room for: answered with a stream that says when to come back, and then closed.
    ComeBackLater(Vec<u8>),
    /// Something that is answered with these bytes and then closed.
    Answer(Vec<u8>),
    /// Something that is refused, likewise.
    Refuse(Vec<u8>),
}

/// Whether one more subscriber can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Free,
    /// It cannot; browsers are told to come back in so many milliseconds.
    Full(u128),
}

/// Whether the daemon goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It does.
    Serving,
    /// It is ending its streams; load balancers are to send nobody here.
    Draining,
}

/// A subscription that can be entered.
#[derive(Debug)]
pub struct Subscription {
    /// What to; at least one.
    pub patterns: Vec<TopicPattern>,
    /// The id that the subscriber gave itself.
    pub id: Option<SubscriberId>,
    /// What it has; the header wins over the query, since a browser sends it when it comes back.
    pub last_event_id: Option<LastEventId>,
    /// How many of the newest events of each topic it wants first, where it is new.
    pub replay: Option<usize>,
    /// It wants to be told of `hasses.*` events.
    pub notices: bool,
    /// Its `User-Agent`.
    pub agent: Option<Box<str>>,
    /// How the stream is framed.
    pub framing: Framing,
    /// The response head.
    pub head: Vec<u8>,
}

/// Longest `User-Agent` that is kept for the client list, in bytes. Browsers' have 80 to 130.
const MAX_AGENT_BYTES: usize = 255;

/// Decides about a complete request head. `room` is asked only for a subscription that nothing else stands against.
#[must_use]
pub fn decide(
    request: &Request<'_>,
    endpoint: &Endpoint,
    room: impl FnOnce() -> Room,
    outlook: Outlook,
    limits: QueryLimits,
    date: &str,
) -> Decision {
    let refuse = |refusal: Refusal| Decision::Refuse(endpoint.refusal(&refusal, Some(request), date));
    let is_health = request.path == HEALTH_PATH;
    let is_known = request.path == endpoint.path || is_health;
    let everything = request.path == "*" && request.method == Method::Options;
    if !is_known && !everything {
        let text = format!("there is nothing at {:?}; events are at {}", request.path, endpoint.path);
        return refuse(Refusal::new(Status::NotFound, text));
    }
    match request.method {
        Method::Get | Method::Head if is_health => Decision::Answer(endpoint.health(request, outlook, date)),
        Method::Get => match parse_query(request.query, limits) {
            Ok(query) => match room() {
                Room::Full(retry) => Decision::ComeBackLater(endpoint.come_back_later(request, retry, date)),
                Room::Free => Decision::Subscribe(Box::new(Subscription {
                    patterns: query.patterns,
                    id: query.id,
                    last_event_id: request.last_event_id.and_then(LastEventId::read).or(query.last_event_id),
                    replay: query.replay,
                    notices: query.notices,
                    agent: request.agent.map(kept_agent),
                    framing: request.framing(),
                    head: endpoint.stream_head(request, date, After::Open),
                })),
            },
            Err(refusal) => refuse(refusal),
        },
        Method::Head => Decision::Answer(endpoint.stream_head(request, date, After::Close)),
        Method::Options => Decision::Answer(endpoint.options(request, date)),
        Method::Other => {
            let text = "only GET, HEAD and OPTIONS are allowed here".to_owned();
            refuse(Refusal::new(Status::MethodNotAllowed, text))
        }
        Method::Unknown => refuse(Refusal::new(Status::NotImplemented, "this method is not known".to_owned())),
    }
}

/// Cut where it is too long: it is information for people, and nothing depends on it.
fn kept_agent(agent: &str) -> Box<str> {
    let mut end = agent.len().min(MAX_AGENT_BYTES);
    while !agent.is_char_boundary(end) {
        end -= 1;
    }
    agent[..end].into()
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
