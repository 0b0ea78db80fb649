//! Origins of web pages, as browsers send them: `https://example.com`, `http://localhost:3000`.
//!
//! What is configured is compared with the header byte by byte, so what no browser would ever send is refused here.

use super::Cors;

/// Reads the origins that may use the endpoint: `*` alone, or explicit ones.
pub(super) fn read_origins(texts: &[String]) -> Result<Vec<String>, String> {
    if texts.is_empty() {
        return Err("no origin is given; write * for every origin".to_owned());
    }
    if texts.len() > 1 && texts.iter().any(|text| text == "*") {
        return Err(format!("* is every origin, so it stands alone, not among {} others", texts.len() - 1));
    }
    let mut origins = Vec::new();
    for text in texts {
        let origin = if text == "*" { text.clone() } else { read_origin(text)? };
        if origins.contains(&origin) {
            return Err(format!("{origin:?} is given twice"));
        }
        origins.push(origin);
    }
    Ok(origins)
}

impl Cors {
    /// Whether every origin may use the endpoint.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

fn read_origin(text: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("{text:?} is no origin: {why}; write SCHEME://HOST or SCHEME://HOST:PORT"));
    // Schemes and hosts are compared without case, and browsers send them in lower case.
    let origin = text.to_ascii_lowercase();
    let Some((scheme, rest)) = origin.split_once("://") else {
        return bad("it has no scheme");
    };
    let well_formed = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(well_formed) {
        return bad("its scheme is malformed");
    }
    if rest.contains(['/', '?', '#']) {
        return bad("it has a path (a slash at the end is one too)");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if !host.starts_with('[') && host.contains(':') {
        return bad("an IPv6 address is written in brackets");
    }
    let of_a_host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if host.is_empty() || !host.chars().all(of_a_host) {
        return bad("its host is missing or malformed (names beyond ASCII are written xn--…)");
    }
    match port.map(str::parse::<u16>) {
        None => {}
        Some(Ok(443)) if scheme == "https" => return bad("browsers leave out port 443 of https"),
        Some(Ok(80)) if scheme == "http" => return bad("browsers leave out port 80 of http"),
        Some(Ok(number)) if number > 0 => {}
        Some(_) => return bad("its port is no number from 1 to 65535"),
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Vec<String>, String> {
        read_origins(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        for (text, origin) in [
            ("*", "*"),
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.com", "https://example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("https://example.com:80", "https://example.com:80"),
        ] {
            assert_eq!(read(&[text]), Ok(vec![origin.to_owned()]), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for (texts, part) in [
            (&["example.com"][..], "\"example.com\" is no origin: it has no scheme; write SCHEME://HOST"),
            (&["https://example.com/"], "a slash at the end"),
            (&["https://example.com/app"], "it has a path"),
            (&["https://example.com:443"], "leave out port 443"),
            (&["http://example.com:80"], "leave out port 80"),
            (&["https://example.com:0"], "1 to 65535"),
            (&["https://example.com:"], "1 to 65535"),
            (&["https://"], "its host is missing"),
            (&["https://user@example.com"], "its host is missing or malformed"),
            (&["https://exämple.com"], "xn--"),
            (&["http://::1"], "brackets"),
            (&["://x"], "its scheme is malformed"),
            (&["null"], "it has no scheme"),
            (&["https://a.example", "*"], "* is every origin, so it stands alone, not among 1 others"),
            (&["https://a.example", "https://A.example"], "\"https://a.example\" is given twice"),
            (&[], "no origin is given"),
        ] {
            let error = read(texts).expect_err("an error");
            assert!(error.contains(part), "{texts:?}: {error}");
        }
    }
}
