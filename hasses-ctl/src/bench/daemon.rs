//! The daemon behind the control channel, where that is one of hasses: which process it is, and where it lets subscribers connect.

use serde_json::Value;

use super::outlet::Outlet;
use crate::failure::Failure;

/// Where hasses lets subscribers connect when nothing else was configured.
const DEFAULT_URL: &str = "http://127.0.0.1:8080/sse";

/// What a daemon says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Daemon {
    pid: Option<u32>,
    /// URLs, and descriptions of what is none.
    pub(super) listen: Vec<String>,
}

impl Daemon {
    /// Asks whoever takes the messages; `None` where nobody there says it.
    pub(super) fn behind(outlet: &Outlet) -> Option<Self> {
        Self::read(&outlet.status()?, outlet.host())
    }

    /// Reads a status; `host` stands for the addresses of all interfaces.
    fn read(status: &str, host: Option<&str>) -> Option<Self> {
        let status: Value = serde_json::from_str(status).ok()?;
        let listen = status["listen"].as_array()?.iter().filter_map(Value::as_str);
        let listen = listen.map(|url| reachable(url, host)).collect();
        Some(Self { pid: status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()), listen })
    }

    /// Its process, where that is on this machine.
    pub(super) fn process(&self) -> Option<u32> {
        let pid = self.pid?;
        // On another machine, or in a container, the number is somebody else's.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name.trim() == "hasses").then_some(pid)
    }

    /// Where to subscribe, where nothing was said: the first plain port, else the first with TLS.
    ///
    /// # Errors
    /// Usage, where it has neither.
    pub(super) fn url(daemon: Option<&Self>) -> Result<String, Failure> {
        let Some(Self { listen, .. }) = daemon else { return Ok(DEFAULT_URL.to_owned()) };
        let first = |scheme| listen.iter().find(|url| url.starts_with(scheme));
        first("http://").or_else(|| first("https://")).cloned().ok_or_else(|| {
            let error = format!("the daemon listens at no TCP port, but at {}", listen.join(" and "));
            Failure::usage(error)
                .advise("say where subscribers connect, as in hasses-ctl bench http://127.0.0.1:8080/sse")
        })
    }
}

/// A URL that can be connected to, where the daemon names all interfaces.
fn reachable(url: &str, host: Option<&str>) -> String {
    let v4 = host.unwrap_or("127.0.0.1");
    let v6 = host.unwrap_or("[::1]");
    url.replacen("//0.0.0.0:", &format!("//{v4}:"), 1).replacen("//[::]:", &format!("//{v6}:"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(listen: &str, host: Option<&str>) -> Option<Daemon> {
        Daemon::read(&format!("{{\"pid\":7,\"listen\":[{listen}]}}"), host)
    }

    #[test]
    fn the_first_plain_port_is_taken_and_else_one_with_tls() {
        for (listen, host, expected) in [
            (r#""https://h:1/s","http://h:2/sse","http://h:3/""#, None, "http://h:2/sse"),
            (r#""unix:/x (http, path /sse)","https://h:1/s""#, None, "https://h:1/s"),
            (r#""http://0.0.0.0:8080/sse""#, None, "http://127.0.0.1:8080/sse"),
            (r#""http://[::]:8080/sse""#, None, "http://[::1]:8080/sse"),
            (r#""http://0.0.0.0:8080/sse""#, Some("far"), "http://far:8080/sse"),
        ] {
            let daemon = daemon(listen, host);
            assert_eq!(daemon.as_ref().and_then(|daemon| daemon.pid), Some(7));
            assert_eq!(Daemon::url(daemon.as_ref()), Ok(expected.to_owned()), "{listen}");
        }
        assert_eq!(Daemon::url(None), Ok(DEFAULT_URL.to_owned()));
        let only = daemon(r#""unix:/x (http, path /sse)""#, None);
        assert!(Daemon::url(only.as_ref()).unwrap_err().error().contains("but at unix:/x (http"));
        for status in ["", "what?", "{}", "{\"ok\":false}"] {
            assert_eq!(Daemon::read(status, None), None, "{status}");
        }
    }
}
