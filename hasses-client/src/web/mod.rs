//! HTTP/1.1 over TCP and TLS, as far as an event stream needs it.
//!
//! Made of rustls, httparse and sockets rather than of an HTTP client: an [`EventSource`](crate::EventSource) needs one request
//! whose answer never ends, and `hasses-ctl doctor`, which uses this too, looks at what such a client hides: every address by
//! itself, certificates that do not hold, the moment at which each byte arrives.
//!
//! No promise is made about anything in here: it changes as those two need it.

mod answer;
mod body;
mod exchange;
mod request;
mod transport;
mod trust;
mod url;

pub use answer::{Ending, Head, Part};
pub use exchange::{Exchange, Fault};
pub use request::request;
pub use transport::{Transport, dial, resolve};
pub use trust::{Trust, provider, tls_builder};
pub use url::{Scheme, Url};
