//! HTTP/1.1 over TCP and TLS, as far as an event stream needs it.
//!
//! Made of rustls, httparse and the standard library's sockets rather than of an HTTP client, because `doctor` looks at what
//! such a client hides: every address by itself, certificates that do not hold, the moment at which each byte arrives.

mod answer;
mod body;
mod exchange;
mod request;
mod transport;
mod trust;
mod url;

pub(crate) use answer::{Ending, Head, Part};
pub(crate) use exchange::{Exchange, Fault};
pub(crate) use request::request;
pub(crate) use transport::{Transport, dial, resolve};
pub(crate) use trust::{Trust, provider, tls_builder};
pub(crate) use url::{Origin, Scheme, Url};
