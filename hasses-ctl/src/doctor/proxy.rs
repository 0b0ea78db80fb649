//! Which proxy stands in front, as far as it says so, and what to change in it.
//!
//! Every list is sentences, and lines of configuration, which begin with two spaces. The configurations are those of
//! `hasses/docs/proxies.md`, which says more.

use hasses_client::web::Head;

/// A proxy, by what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// nginx, or what was made of it.
    Nginx,
    /// Apache httpd.
    Apache,
    /// Caddy.
    Caddy,
    /// Anything else, or nothing: HAProxy and many load balancers do not say who they are.
    Unknown,
}

impl Proxy {
    /// The one that wrote this head.
    pub(crate) fn of(head: &Head) -> Self {
        let says = |name: &str, word: &str| head.all(name).any(|value| value.to_ascii_lowercase().contains(word));
        if ["nginx", "openresty", "tengine"].iter().any(|word| says("server", word)) {
            Self::Nginx
        } else if says("server", "apache") {
            Self::Apache
        } else if says("server", "caddy") || says("via", "caddy") {
            Self::Caddy
        } else {
            Self::Unknown
        }
    }

    /// To pass bytes on as they come.
    pub(crate) fn against_buffering(self, path: &str) -> Vec<String> {
        let nginx = [
            format!("  location = {path} {{"),
            "      proxy_buffering off;      # and no `proxy_ignore_headers X-Accel-Buffering`".to_owned(),
            "      proxy_http_version 1.1;".to_owned(),
            "      gzip off;".to_owned(),
            "  }".to_owned(),
        ];
        match self {
            Self::Nginx => {
                let head = "let nginx pass on what comes at once; the daemon asks for it by `X-Accel-Buffering: no`, \
                            which is ignored or taken out somewhere:";
                once(head).chain(nginx).collect()
            }
            Self::Apache => {
                let lines = [
                    format!("  ProxyPass \"{path}\" \"http://127.0.0.1:8080{path}\" flushpackets=on"),
                    "  SetEnv no-gzip 1".to_owned(),
                ];
                once("let Apache pass on what comes at once, and no filter (mod_deflate, mod_security) collect it:")
                    .chain(lines)
                    .collect()
            }
            Self::Caddy => once(
                "Caddy passes event streams on at once by itself: take this path out of `encode`, and look at what \
                 is in front of it",
            )
            .collect(),
            Self::Unknown => {
                let head = "let what stands between (proxy, load balancer, CDN, virus scanner) pass on what comes at \
                            once; in nginx:";
                once(head).chain(nginx).collect()
            }
        }
    }

    /// To leave the stream as it is.
    pub(crate) fn against_compression(self, path: &str) -> Vec<String> {
        match self {
            Self::Nginx => {
                once("let nginx leave this location alone, or take text/event-stream (and *) out of gzip_types:")
                    .chain(["  gzip off;".to_owned()])
                    .collect()
            }
            Self::Apache => once("let Apache leave this location alone:")
                .chain([
                    format!("  <Location \"{path}\">"),
                    "      SetEnv no-gzip 1".to_owned(),
                    "  </Location>".to_owned(),
                ])
                .collect(),
            Self::Caddy => {
                once("`encode` belongs into the `handle` of other paths: its default covers all of text/*").collect()
            }
            Self::Unknown => once(
                "take the type text/event-stream out of what is compressed (HAProxy: `compression type`; a CDN: a \
                 rule for this path)",
            )
            .collect(),
        }
    }

    /// To speak HTTP/1.1 to the daemon.
    pub(crate) fn against_http10(self) -> Vec<String> {
        match self {
            Self::Nginx | Self::Unknown => once("let the proxy ask by HTTP/1.1; nginx has to be told:")
                .chain(["  proxy_http_version 1.1;".to_owned(), "  proxy_set_header Connection \"\";".to_owned()])
                .collect(),
            Self::Apache => once("take this out of Apache's configuration: SetEnv force-proxy-request-1.0 1").collect(),
            Self::Caddy => once("let Caddy ask by HTTP/1.1: within reverse_proxy")
                .chain(["  transport http { versions 1.1 }".to_owned()])
                .collect(),
        }
    }

    /// To wait longer than the daemon's heartbeat, which is so many seconds.
    pub(crate) fn against_timeouts(self, heartbeat: u64) -> Vec<String> {
        let longer = (heartbeat * 4).max(60);
        let nginx = format!("  proxy_read_timeout {longer}s;      # nginx");
        let apache = format!("  ProxyTimeout {longer}      # Apache; also `Timeout`, and timeout= behind ProxyPass");
        let haproxy = format!("  timeout server {longer}s      # HAProxy; also `timeout client`");
        let lines = match self {
            Self::Nginx => vec![nginx],
            Self::Apache => vec![apache],
            Self::Caddy => vec!["  servers { timeouts { write 0 } }      # Caddy, among the global options".to_owned()],
            Self::Unknown => vec![nginx, apache, haproxy],
        };
        once(&format!("let the proxy wait longer for the next byte than the daemon is ever silent ({heartbeat} s):"))
            .chain(lines)
            .chain(once("or let the daemon break the silence more often, with a shorter --heartbeat"))
            .collect()
    }

    /// To answer so that browsers come back while the daemon is down. What each line is for says `proxies.md`.
    pub(crate) fn for_coming_back(self, path: &str) -> Vec<String> {
        let (head, lines): (&str, &[&str]) = match self {
            Self::Nginx => ("let nginx tell browsers to come back (error_page stands beside proxy_pass):", NGINX_LATER),
            Self::Apache => ("let Apache tell browsers to come back, by a file of mod_asis:", APACHE_LATER),
            Self::Caddy => ("let Caddy tell browsers to come back:", CADDY_LATER),
            Self::Unknown => (
                "let the proxy answer 200, `Content-Type: text/event-stream` and the body `retry: 5000` with an \
                 empty line behind it in place of 500, 502, 503 and 504; in nginx that is, and in HAProxy below:",
                NGINX_LATER,
            ),
        };
        let more: &[&str] = if self == Self::Unknown { HAPROXY_LATER } else { &[] };
        once(head).chain(lines.iter().chain(more).map(|line| line.replace("/sse", path))).collect()
    }

    /// To tell the daemon the client's address.
    pub(crate) fn for_addresses(self, proxy: &str) -> Vec<String> {
        let trusted = format!("  --trusted-proxy {proxy}      # hasses");
        let head = "let the proxy say for whom it asks, and the daemon believe it:";
        let line = match self {
            Self::Nginx => Some("  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"),
            // They send it unasked.
            Self::Apache | Self::Caddy => None,
            Self::Unknown => Some(
                "  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;      # nginx; HAProxy: option \
                 forwardfor",
            ),
        };
        once(head).chain(line.map(str::to_owned)).chain([trusted]).collect()
    }
}

const NGINX_LATER: &[&str] = &[
    "  error_page 500 502 503 504 = @hasses_later;",
    "  location @hasses_later {",
    "      default_type text/event-stream;",
    "      add_header Cache-Control no-store;",
    "      add_header Access-Control-Allow-Origin *;      # as the daemon's --cors-origin",
    "      return 200 \"retry: 5000\\n\\n\";",
    "  }",
];
const APACHE_LATER: &[&str] = &[
    "  ErrorDocument 503 /.hasses-later      # beside ProxyPass; the same for 500, 502 and 504",
    "  Alias \"/.hasses-later\" \"/etc/apache2/hasses-later.asis\"",
    "  <Location \"/.hasses-later\">",
    "      ProxyPass \"!\"",
    "      SetHandler send-as-is",
    "      Require all granted",
    "  </Location>",
    "and that file, with an empty line before `retry` and one behind it:",
    "  Status: 200 OK",
    "  Content-Type: text/event-stream",
    "  Cache-Control: no-store",
    "  Access-Control-Allow-Origin: *",
    "  ",
    "  retry: 5000",
    "  ",
];
const CADDY_LATER: &[&str] = &[
    "  handle_errors {",
    "      @hasses_later expression path('/sse') && {http.error.status_code} in [500, 502, 503, 504]",
    "      handle @hasses_later {",
    "          header Content-Type text/event-stream",
    "          header Cache-Control no-store",
    "          header Access-Control-Allow-Origin *",
    "          respond \"retry: 5000",
    "  ",
    "  \" 200",
    "      }",
    "  }",
];
const HAPROXY_LATER: &[&str] = &[
    "  http-error status 503 content-type text/event-stream hdr Access-Control-Allow-Origin * lf-string \"retry: \
     5000\\n\\n\"",
    "  http-after-response set-status 200 if { status 500 502 503 504 }      # the line above also for 500, 502, 504",
];

fn once(sentence: &str) -> std::iter::Once<String> {
    std::iter::once(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_known_by_what_they_say() {
        for (name, value, proxy) in [
            ("Server", "nginx/1.22.1", Proxy::Nginx),
            ("Server", "openresty", Proxy::Nginx),
            ("Server", "Apache/2.4.66 (Debian)", Proxy::Apache),
            ("Server", "Caddy", Proxy::Caddy),
            ("Via", "1.1 Caddy", Proxy::Caddy),
            ("Server", "hasses/0.1.0", Proxy::Unknown),
            ("Date", "nginx", Proxy::Unknown),
        ] {
            assert_eq!(Proxy::of(&Head::new(200, &[(name, value)])), proxy, "{name}: {value}");
        }
    }

    #[test]
    fn every_proxy_has_something_to_change() {
        for proxy in [Proxy::Nginx, Proxy::Apache, Proxy::Caddy, Proxy::Unknown] {
            for lines in [
                proxy.against_buffering("/sse"),
                proxy.against_compression("/sse"),
                proxy.against_http10(),
                proxy.against_timeouts(15),
                proxy.for_coming_back("/sse"),
                proxy.for_addresses("127.0.0.1"),
            ] {
                assert!(!lines[0].starts_with(' '), "{proxy:?}: {lines:?}");
            }
        }
        assert!(Proxy::Nginx.against_timeouts(30)[1].contains("120s"));
    }
}
