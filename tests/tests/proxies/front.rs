//! A place for a proxy, and a proxy in it.

use std::fs;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hasses::config::{Config, ListenAddress};
use hasses_tests::{Configuration, Proxy, TestDaemon, own_address, required};
use tempfile::TempDir;

use crate::curl::{Curl, Requests};

/// The document with the configurations.
pub(crate) const DOCUMENT: &str = "hasses/docs/proxies.md";
/// The site of all configurations.
pub(crate) const SITE: &str = "www.example.org";
/// Where clients come from: another address of this machine than proxies connect from.
pub(crate) const CLIENT: &str = "127.9.9.9";
/// Where proxies connect from.
const PROXY: &str = "127.0.0.1";

/// A block of the document.
pub(crate) fn documented(name: &str) -> Configuration {
    Configuration::of(DOCUMENT, name)
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/2 over TLS, as browsers do.
    Two,
    /// HTTP/1.1 over TLS.
    OneSecured,
    /// HTTP/1.1.
    OnePlain,
}

impl Speech {
    pub(crate) const ALL: [Self; 3] = [Self::Two, Self::OneSecured, Self::OnePlain];
}

/// Addresses and files for a proxy and the daemon behind it.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    curl: PathBuf,
    /// Where the proxy listens with TLS.
    pub(crate) secured: SocketAddrV4,
    /// Where it listens without.
    pub(crate) plain: SocketAddrV4,
    /// Where the daemon listens.
    pub(crate) backend: SocketAddrV4,
}

impl Place {
    /// A new one; `None` where curl is left out.
    pub(crate) fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Servers that begin as root read some files as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let site = rcgen::generate_simple_self_signed([SITE.to_owned()]).expect("a certificate");
        let (certificate, key) = (site.cert.pem(), site.signing_key.serialize_pem());
        let [secured, plain, backend] = [(); 3].map(|()| own_address());
        let place = Self { folder, curl: required("curl")?, secured, plain, backend };
        place.write("fullchain.pem", &certificate);
        place.write("privkey.pem", &key);
        place.write("both.pem", &(certificate + &key));
        Some(place)
    }

    /// The path of a file in its folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a file into its folder; gives the path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Where the daemon listens on a Unix socket.
    pub(crate) fn socket(&self) -> String {
        self.path("sse.sock")
    }

    /// What the document has for a Unix socket in place of the line with the daemon's address.
    pub(crate) fn over_unix(&self, proxy: &str) -> String {
        documented("text over-unix").line(proxy).replace("/run/hasses/sse.sock", &self.socket())
    }

    /// A proxy here, once it listens with TLS and without.
    pub(crate) fn start(self, command: &mut Command) -> Front {
        let proxy = Proxy::start(command, self.folder.path(), &[self.secured, self.plain]);
        Front { proxy, place: self }
    }

    /// A proxy that listens at one of the two addresses only.
    pub(crate) fn start_at(self, address: SocketAddrV4, command: &mut Command) -> Front {
        let proxy = Proxy::start(command, self.folder.path(), &[address]);
        Front { proxy, place: self }
    }
}

/// A proxy with a place.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) proxy: Proxy,
    pub(crate) place: Place,
}

impl Front {
    /// The daemon behind the proxy, which it believes, without heartbeats.
    pub(crate) fn daemon(&self) -> TestDaemon {
        self.daemon_with(|_| {})
    }

    /// The same with some settings changed.
    pub(crate) fn daemon_with(&self, change: impl FnOnce(&mut Config)) -> TestDaemon {
        TestDaemon::with(|config| {
            config.listen = vec![ListenAddress::Tcp(self.place.backend.into())];
            config.proxies.trusted = vec![PROXY.parse().expect("an address")];
            config.limits.heartbeat = Duration::from_secs(3600);
            change(config);
        })
    }

    /// The same as a classic daemon is configured.
    pub(crate) fn daemon_as_classic(&self) -> TestDaemon {
        self.daemon_with(|config| {
            config.path = "/sseeventprovider".to_owned();
            config.allow_reinit = true;
        })
    }

    /// The same with heartbeats.
    pub(crate) fn daemon_beating(&self, heartbeat: Duration) -> TestDaemon {
        self.daemon_with(|config| config.limits.heartbeat = heartbeat)
    }

    /// The same with TLS of its own, for proxies that send a PROXY header and pass on the rest.
    pub(crate) fn daemon_with_tls(&self, change: impl FnOnce(&mut Config)) -> TestDaemon {
        self.daemon_with(|config| {
            config.listen_tls = std::mem::take(&mut config.listen);
            config.certificates.chains = vec![self.place.path("fullchain.pem").into()];
            config.certificates.keys = vec![self.place.path("privkey.pem").into()];
            config.proxies.header = true;
            change(config);
        })
    }

    /// Where a path with a query is for this speech.
    pub(crate) fn url(&self, speech: Speech, target: &str) -> String {
        match speech {
            Speech::Two | Speech::OneSecured => format!("https://{SITE}:{}{target}", self.place.secured.port()),
            Speech::OnePlain => format!("http://{SITE}:{}{target}", self.place.plain.port()),
        }
    }

    /// A curl that speaks so, from the client's address, without anything to ask for.
    pub(crate) fn curl(&self, speech: Speech) -> Command {
        let (place, mut curl) = (&self.place, Command::new(&self.place.curl));
        curl.args(["--silent", "--no-buffer", "--max-time", "20", "--interface", CLIENT]);
        curl.args(["--header", "Accept: text/event-stream", "--compressed"]);
        // What a client says of itself is not to be believed.
        curl.args(["--header", "X-Forwarded-For: 192.0.2.1", "--header", "Origin: https://a.example"]);
        curl.args(["--cacert", &place.path("fullchain.pem")]);
        for address in [place.secured, place.plain] {
            curl.args(["--resolve", &format!("{SITE}:{}:{}", address.port(), address.ip())]);
        }
        curl.arg(if speech == Speech::Two { "--http2" } else { "--http1.1" });
        curl
    }

    /// What is answered to a request.
    pub(crate) fn get(&self, speech: Speech, target: &str) -> Curl {
        Curl::start(self.curl(speech).arg("--include").arg(self.url(speech, target)))
    }

    /// What is answered to several requests of one client that speaks HTTP/2; the first is given up at its first byte.
    pub(crate) fn requests(&self, targets: impl IntoIterator<Item = String>) -> Requests {
        let urls = targets.into_iter().map(|target| self.url(Speech::Two, &target));
        Requests::start(&mut self.curl(Speech::Two), urls, self.place.folder.path())
    }

    /// A stream that has begun: its head, the first comment and the event that tells where it stands have come.
    pub(crate) fn subscribe(&self, speech: Speech, query: &str) -> Curl {
        let mut curl = self.get(speech, &format!("/sse?{query}"));
        assert_eq!(curl.line(), ":\n", "{speech:?}: {}{}", curl.head, self.proxy.output());
        let [event, id, data, end] = [(); 4].map(|()| curl.line());
        assert_eq!((event.as_str(), data.as_str(), end.as_str()), ("event: hasses.cursor\n", "data: {}\n", "\n"));
        assert!(id.starts_with("id: "), "{id:?}");
        curl
    }
}

/// The folder of the modules that a server loads.
pub(crate) fn modules(folder: &str) -> &Path {
    let path = Path::new(folder);
    assert!(path.is_dir(), "{folder} is missing");
    path
}
