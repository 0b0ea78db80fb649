//! Addresses of event streams, and the origins of pages.

use std::fmt;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a query: the unreserved characters of RFC 3986, and `*`, which ends a prefix.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// An address with `http://` or `https://`, a host, and a path with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

/// How the host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// Where a page comes from, written as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Scheme {
    /// The port that need not be said.
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Url {
    /// Reads an address; a fragment is dropped, since it is never sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.split('#').next().unwrap_or(text);
        let begins = |scheme: Scheme| {
            let scheme = format!("{}://", scheme.name());
            text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&scheme))
        };
        let scheme = match [Scheme::Http, Scheme::Https].into_iter().find(|scheme| begins(*scheme)) {
            Some(scheme) => scheme,
            None => return Err(format!("{text:?} begins with neither http:// nor https://")),
        };
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            return Err(format!("{text:?} holds a user's name or password, which EventSource does not send"));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() {
            return Err(format!("{text:?} names no host"));
        }
        // `http` lets a port pass that is none (`h:`, `h:99999`).
        let port = match authority.get(host.len()..).unwrap_or_default() {
            "" => scheme.default_port(),
            rest => rest[1..].parse().map_err(|_| format!("{text:?} has no valid port"))?,
        };
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        let target = if target.starts_with('/') { target } else { format!("/{target}") };
        Ok(Self { scheme, host, port, target })
    }

    /// How the host is spoken to.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name or an address, an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in the `Host` header.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    /// The origin of pages that come from there.
    pub(crate) fn origin(&self) -> Origin {
        Origin(format!("{}://{}", self.scheme.name(), self.authority()))
    }

    /// The address with further query fields.
    pub(crate) fn with_fields<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut url = self.clone();
        for (name, value) in fields {
            url.target.push(if url.target.contains('?') { '&' } else { '?' });
            url.target.push_str(name);
            url.target.push('=');
            url.target.extend(utf8_percent_encode(value, QUERY));
        }
        url
    }

    /// The address without these query fields at its end, as [`Url::with_fields`] put them there.
    pub(crate) fn without_fields<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let added = Self { target: "?".to_owned(), ..self.clone() }.with_fields(fields).target.split_off(2);
        let mut url = self.clone();
        if let Some(rest) = url.target.strip_suffix(added.as_str()).and_then(|rest| rest.strip_suffix(['?', '&'])) {
            url.target.truncate(rest.len());
        }
        url
    }

    /// Where a redirect leads (RFC 3986, 5.2, without the removal of `..`, which servers do).
    ///
    /// # Errors
    /// Why that is no address.
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Self::parse(location);
        }
        let base = format!("{}://{}", self.scheme.name(), self.authority());
        let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        Self::parse(&match location {
            _ if location.starts_with("//") => format!("{}:{location}", self.scheme.name()),
            _ if location.starts_with('/') => format!("{base}{location}"),
            _ if location.starts_with('?') => format!("{base}{}{location}", self.path()),
            _ => format!("{base}{folder}/{location}"),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target)
    }
}

impl Origin {
    /// Reads an origin.
    ///
    /// # Errors
    /// Why browsers would not send it so.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // A page that was opened from a file, or sits in a sandboxed frame.
        if text == "null" {
            return Ok(Self(text.to_owned()));
        }
        let url = Url::parse(text)?;
        let origin = url.origin();
        if origin.0 != text {
            return Err(format!("browsers send no origin {text:?}; they would send {:?}", origin.0));
        }
        Ok(origin)
    }

    /// One that no page has.
    pub(crate) fn stranger() -> Self {
        Self("https://stranger.invalid".to_owned())
    }

    /// As it stands in the `Origin` header.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, written, host, port, authority, target) in [
            ("http://h/sse", "http://h/sse", "h", 80, "h", "/sse"),
            ("http://h", "http://h/", "h", 80, "h", "/"),
            (
                "https://H.example:8443/a?b=c#d",
                "https://h.example:8443/a?b=c",
                "h.example",
                8443,
                "h.example:8443",
                "/a?b=c",
            ),
            ("https://h:443/x", "https://h/x", "h", 443, "h", "/x"),
            ("http://[::1]:8080/sse", "http://[::1]:8080/sse", "::1", 8080, "[::1]:8080", "/sse"),
            ("http://h?x=1", "http://h/?x=1", "h", 80, "h", "/?x=1"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.host(), url.port(), url.authority().as_str(), url.target()),
                (written, host, port, authority, target)
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, part) in [
            ("", "neither http:// nor https://"),
            ("h:8080/sse", "neither http:// nor https://"),
            ("unix:///x", "neither"),
            ("ftp://h/", "neither http:// nor https://"),
            ("https://u:p@h/", "password"),
            ("http://h:99999/", "no valid port"),
            ("http://h:/", "no valid port"),
            ("http://h/ü b", "no URL"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn fields_are_percent_encoded() {
        let fields = [("topic", "a b+c&d=e%"), ("topic", "ü*"), ("id", "x-y_z.~/1")];
        let url = Url::parse("http://h/sse?a=b").unwrap().with_fields(fields);
        assert_eq!(url.target(), "/sse?a=b&topic=a%20b%2Bc%26d%3De%25&topic=%C3%BC*&id=x-y_z.~%2F1");
        assert_eq!(url.without_fields(fields).target(), "/sse?a=b");
        assert_eq!(Url::parse("http://h/sse?topic=x").unwrap().without_fields([("topic", "x")]).target(), "/sse");
        assert_eq!(url.without_fields([("topic", "x")]), url);
    }

    #[test]
    fn redirects_lead_somewhere() {
        let url = Url::parse("https://h:8443/a/b?c=d").unwrap();
        for (location, expected) in [
            ("http://other/x", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y=://z", "https://h:8443/x?y=://z"),
            ("?x", "https://h:8443/a/b?x"),
            ("x", "https://h:8443/a/x"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), expected, "{location}");
        }
    }

    #[test]
    fn origins_are_those_that_browsers_send() {
        for text in ["https://app.example.com", "http://127.0.0.1:8080", "http://[::1]", "null"] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), text);
        }
        for text in ["https://app.example.com/", "https://app.example.com:443", "https://App.example.com", "app"] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
