//! Where subscribers connect, and how they ask.

use std::net::SocketAddr;
use std::time::Duration;

use hasses_client::web::{Scheme, Trust, Url, dial, request, resolve};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;

use super::crowd::Bookmark;
use super::message::Shape;
use super::socket::Tls;
use super::template::{TOPIC, Template};
use crate::failure::Failure;

/// What subscribers connect to.
#[derive(Debug)]
pub(super) struct Target {
    /// As it was given.
    pub(super) url: String,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Tls>,
    request: Template,
}

/// How long a connection may take to be made.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const LINE_END: &str = "\r\n";
/// Stands for the topic where a URL is read, which would not let braces through.
const PLACE: &str = "place-of-the-topic";

impl Target {
    /// Finds the server of a URL.
    ///
    /// # Errors
    /// Usage; unreachable where its name has no address.
    pub(super) fn find(text: &str, trust: Option<&Trust>) -> Result<Self, Failure> {
        let advice = "as in hasses-ctl bench http://127.0.0.1:8080/sse";
        let url = parse(text).map_err(|error| Failure::usage(error).advise(advice))?;
        let url = if text.contains(TOPIC) { url } else { url.with_fields([("subscribe", PLACE)]) };
        let agent = concat!("hasses-ctl/", env!("CARGO_PKG_VERSION"));
        let request = request("GET", &url, &[("Accept", "text/event-stream"), ("User-Agent", agent)]);
        Ok(Self {
            url: text.to_owned(),
            address: address(&url)?,
            tls: tls(&url, trust)?,
            request: template(&String::from_utf8_lossy(&request)),
        })
    }

    /// The request of a subscriber of this topic, which goes on behind an event where it has one.
    pub(super) fn request(&self, topic: u32, shape: &Shape, bookmark: Option<&Bookmark>) -> Vec<u8> {
        let mut out = Vec::new();
        self.request.write(shape, topic, 0, &mut out, &mut Vec::new());
        if let Some(Bookmark { id, .. }) = bookmark {
            // Before the empty line.
            out.truncate(out.len() - LINE_END.len());
            out.extend_from_slice(format!("Last-Event-ID: {id}{LINE_END}{LINE_END}").as_bytes());
        }
        out
    }
}

/// Reads a URL that may have a place for a topic.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    Url::parse(&text.replace(TOPIC, PLACE))
}

/// A template of what was made of a URL that [`parse`] read.
pub(super) fn template(text: &str) -> Template {
    Template::new(&text.replace(PLACE, TOPIC))
}

/// The address of a server: the first of its host's that can be connected to.
pub(super) fn address(url: &Url) -> Result<SocketAddr, Failure> {
    let unreachable = |error| Failure::unreachable(format!("nobody answers at {}: {error}", url.origin()));
    let addresses = resolve(url.host(), url.port()).map_err(unreachable)?;
    if let [only] = addresses.as_slice() {
        return Ok(*only);
    }
    let mut failure = std::io::ErrorKind::NotFound.into();
    for address in addresses {
        match dial(address, None, CONNECT_PATIENCE) {
            Ok(_) => return Ok(address),
            Err(error) => failure = error,
        }
    }
    Err(unreachable(failure))
}

/// How TLS is spoken with the server of this URL. Every handshake is a whole one, as those of many different browsers are.
fn tls(url: &Url, trust: Option<&Trust>) -> Result<Option<Tls>, Failure> {
    if url.scheme() == Scheme::Http {
        return Ok(None);
    }
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| Failure::usage(format!("{:?} is no name for TLS", url.host())))?;
    let mut config = trust.map_or_else(|| Trust::of_system().config(), Trust::config).as_ref().clone();
    config.resumption = Resumption::disabled();
    Ok(Some(Tls { config: config.into(), name }))
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    #[test]
    fn the_topic_is_put_where_the_url_wants_it() {
        let shape = Shape::new(16, Names::default());
        for (url, expected) in [
            ("http://127.0.0.1:1/sse", "GET /sse?subscribe=bench_7 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"),
            ("http://127.0.0.1:1/sse?a=b", "GET /sse?a=b&subscribe=bench_7 HTTP/1.1\r\n"),
            ("http://127.0.0.1:1/{topic}/x?t={topic}", "GET /bench_7/x?t=bench_7 HTTP/1.1\r\n"),
        ] {
            let target = Target::find(url, None).unwrap();
            let request = String::from_utf8(target.request(7, &shape, None)).unwrap();
            assert!(request.starts_with(expected) && request.ends_with("\r\n\r\n"), "{request}");
            assert!(request.contains("\r\nAccept: text/event-stream\r\n"), "{request}");
            assert_eq!((target.url.as_str(), target.tls.is_none()), (url, true));
            let bookmark = Bookmark { id: "1-2".to_owned(), number: 3 };
            let again = String::from_utf8(target.request(7, &shape, Some(&bookmark))).unwrap();
            assert_eq!(again, request.trim_end().to_owned() + "\r\nLast-Event-ID: 1-2\r\n\r\n");
        }
    }
}
