//! A daemon in this process, on ports that the system chose.

use hasses::Daemon;
use hasses::config::{Certificates, Config, ListenAddress};
use hasses::logging::LevelSwitch;
use hasses::tls::CertificateError;
use hasses_adapters::Passed;
use hasses_client::wire::{LogLevel, StatusReport};
use tempfile::TempDir;

use crate::answer::Answer;
use crate::authority::Certificate;
use crate::publisher::Publisher;
use crate::subscriber::{Stream, Subscriber};

/// A daemon in this process with SSE on TCP, and control on TCP, a Unix socket and a FIFO in a folder of its own.
#[derive(Debug)]
pub struct TestDaemon {
    daemon: Option<Daemon>,
    config: Config,
    folder: TempDir,
}

impl TestDaemon {
    /// A daemon with the defaults.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A daemon with some settings changed.
    ///
    /// # Panics
    /// It does not start.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().display();
        let mut config = Config {
            listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
            control: [
                "tcp://127.0.0.1:0".to_owned(),
                format!("unix://{path}/control.sock"),
                format!("fifo://{path}/fifo"),
                format!("fifo://{path}/json-fifo?form=json"),
            ]
            .map(|url| url.parse().expect("a source"))
            .into(),
            ..Config::default()
        };
        change(&mut config);
        let daemon = Daemon::start(config.clone(), LevelSwitch::new(LogLevel::Quiet), Passed::default())
            .expect("the daemon starts");
        Self { daemon: Some(daemon), config, folder }
    }

    /// A daemon that listens with TLS as well, and shows this certificate.
    pub fn secured(certificate: &Certificate, change: impl FnOnce(&mut Config)) -> Self {
        Self::with(|config| {
            config.listen_tls = vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())];
            config.certificates = certificates([certificate]);
            change(config);
        })
    }

    /// Has it take other settings while it runs, as a signal has the program read its file again.
    ///
    /// # Errors
    /// Why they cannot be taken.
    ///
    /// # Panics
    /// It was stopped.
    pub fn reload(&mut self, change: impl FnOnce(&mut Config)) -> Result<(), CertificateError> {
        let mut config = self.config.clone();
        change(&mut config);
        self.daemon.as_mut().expect("it runs until it is stopped").reload(config.clone()).map(drop)?;
        self.config = config;
        Ok(())
    }

    fn running(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs until it is stopped")
    }

    /// `127.0.0.1:PORT` of the first SSE address.
    #[must_use]
    pub fn address(&self) -> String {
        self.running().listening()[0].address.clone()
    }

    /// `127.0.0.1:PORT` of the first SSE address with TLS.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn tls_address(&self) -> String {
        let secured = self.running().listening().iter().find(|listening| listening.tls);
        secured.expect("an address with TLS").address.clone()
    }

    /// The folder with `control.sock`, `fifo` and `json-fifo`.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `127.0.0.1:PORT` of TCP control.
    #[must_use]
    pub fn control_address(&self) -> String {
        let tcp = self.running().sources().iter().find_map(|source| source.strip_prefix("tcp://"));
        tcp.expect("a TCP control source").to_owned()
    }

    /// A subscriber whose stream has begun: its head and first comment have come.
    #[must_use]
    pub fn subscribe(&self, query: &str) -> Subscriber {
        Subscriber::connect(&self.address(), query)
    }

    /// A bare connection to the SSE port.
    #[must_use]
    pub fn connect(&self) -> Stream {
        Stream::connect(&self.address())
    }

    /// Sends a request, as it is, and reads the answer up to the end of the connection.
    #[must_use]
    pub fn answer_to(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        stream.send(request);
        stream.answer()
    }

    /// A subscriber by a request of its own.
    #[must_use]
    pub fn subscribe_by(&self, request: impl AsRef<[u8]>) -> Subscriber {
        let mut stream = self.connect();
        stream.send(request);
        stream.subscribed()
    }

    /// A JSON publisher on the Unix socket.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::unix(&self.folder.path().join("control.sock"))
    }

    /// The same over TCP.
    #[must_use]
    pub fn tcp_publisher(&self) -> Publisher {
        Publisher::tcp(&self.control_address())
    }

    /// A bare control connection over TCP.
    #[must_use]
    pub fn control(&self) -> Stream {
        Stream::connect(&self.control_address())
    }

    /// The status report.
    #[must_use]
    pub fn status(&self) -> StatusReport {
        self.publisher().status()
    }

    /// Stops the daemon and waits for it.
    pub fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}

/// How the configuration names them; the first is shown to those who ask for no name.
pub fn certificates<'a>(pairs: impl IntoIterator<Item = &'a Certificate>) -> Certificates {
    let pairs = pairs.into_iter().map(|pair| (pair.certificate.clone(), pair.key.clone()));
    let (chains, keys) = pairs.unzip();
    Certificates { chains, keys }
}
