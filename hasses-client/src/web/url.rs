//! Addresses of event streams.

use std::fmt;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a query: the unreserved characters of RFC 3986, and `*`, which ends a prefix.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// An address with `http://` or `https://`, a host, and a path with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

/// How the host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The port that need not be said.
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As it stands in front of `://`.
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
    pub fn parse(text: &str) -> Result<Self, String> {
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
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name or an address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in the `Host` header.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    /// The origin: scheme, host and port, written as browsers write it.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    /// The address with further query fields.
    pub fn with_fields<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
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
    pub fn without_fields<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let added = Self { target: "?".to_owned(), ..self.clone() }.with_fields(fields).target.split_off(2);
        let mut url = self.clone();
        if let Some(rest) = url.target.strip_suffix(added.as_str()).and_then(|rest| rest.strip_suffix(['?', '&'])) {
            url.target.truncate(rest.len());
        }
        url
    }

    /// Where a redirect leads (RFC 3986, 5.2).
    ///
    /// # Errors
    /// Why that is no address.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or(location);
        let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if location.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(in_scheme)) {
            return Self::parse(location);
        }
        let base = self.origin();
        let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut url = Self::parse(&match location {
            _ if location.starts_with("//") => format!("{}:{location}", self.scheme.name()),
            _ if location.starts_with('/') => format!("{base}{location}"),
            _ if location.starts_with('?') || location.is_empty() => format!("{base}{}{location}", self.path()),
            _ => format!("{base}{folder}/{location}"),
        })?;
        url.target = without_dots(&url.target);
        Ok(url)
    }
}

/// Path and query without the parts `.` and `..` of the path (RFC 3986, 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                // What stands for a folder ends with a slash.
                kept.extend(last.then_some(""));
            }
            _ => kept.push(part),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target)
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
            ("../x?../y", "https://h:8443/x?../y"),
            ("../../../x/./y/..", "https://h:8443/x/"),
            ("", "https://h:8443/a/b"),
            ("#x", "https://h:8443/a/b"),
            ("x?y=http://z", "https://h:8443/a/x?y=http://z"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), expected, "{location}");
        }
    }
}
