//! The switches of the classic daemon, with their classic meaning: one dash, `=` joins the value, the last of a kind
//! counts.
//!
//! What is wrong is all told at once and ends with exit code 1.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hasses_adapters::SourceUrl;
use hasses_client::wire::{Delimiter, LogLevel};

use super::error::ConfigError;
use super::settings::{read_file, read_path, read_user, without_control_characters};
use super::words;
use super::{Certificates, Config, ListenAddress, LogFormat, Service, cors, delimiter};

/// Name, value and effect of every switch, in the order of classic's help.
pub(super) const SWITCHES: &[(&str, Option<&str>, &str)] = &[
    ("p", Some("PORT"), "SSE port on every interface; must be given"),
    ("murl", Some("/PATH"), "path that subscribes; must be given"),
    ("cp", Some("PORT"), "control port on every interface; this or -fifo must be given"),
    ("fifo", Some("/PATH"), "control FIFO, made with mode 0666 less the umask if missing"),
    ("sep", Some("CHAR"), "alone ends a message (default ; or a newline)"),
    ("q", None, "log level quiet"),
    ("debug", None, "log level debug"),
    ("l", Some("/PATH"), "log file (default /var/log/hasses.log); without effect beside -nodaemon"),
    ("pidfile", Some("/PATH"), "holds the process id while the daemon runs"),
    ("ssl", None, "TLS on the SSE port; needs the two files"),
    ("cert-file", Some("PEM"), "certificate of -ssl, with its chain"),
    ("privatekey-file", Some("PEM"), "private key of -ssl"),
    ("cors-base", Some("URL"), "Access-Control-Allow-Origin (default *)"),
    ("ra", None, "allow re-init"),
    ("user", Some("NAME"), "user to become after start, with its groups"),
    ("nodaemon", None, "stay in the foreground and log to standard output"),
];

/// Where the log goes without `-l` and without `-nodaemon`.
const LOG_FILE: &str = "/var/log/hasses.log";

/// A switch as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// With its dash and value.
    pub(super) text: String,
    /// `FILE:LINE: `, or nothing for the command line.
    pub(super) place: String,
}

/// What the switches say together; later ones win.
pub(super) fn read(switches: &[Switch], shards: usize) -> Result<Config, ConfigError> {
    let mut reading = Reading { given: BTreeMap::new(), faults: Vec::new() };
    for switch in switches {
        reading.take(switch);
    }
    let config = reading.config(shards);
    if reading.faults.is_empty() { Ok(config) } else { Err(ConfigError::classic(reading.faults.join("\n"))) }
}

struct Reading<'a> {
    /// The value of each switch that was given, and its place.
    given: BTreeMap<&'static str, (&'a str, &'a str)>,
    faults: Vec<String>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, switch: &'a Switch) {
        let (name, value) = match switch.text.trim_start_matches('-').split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (&switch.text[1..], None),
        };
        let place = &switch.place;
        match (find(name), value) {
            (None, _) => self.faults.push(format!("{place}unknown switch {}{}", switch.text, hint(name))),
            (Some((_, Some(_), _)), Some("")) => self.faults.push(format!("{place}-{name}= has no value")),
            (Some((_, Some(wanted), _)), None) => {
                self.faults.push(format!("{place}-{name} needs a value: -{name}={wanted}"));
            }
            (Some((_, None, _)), Some(value)) => {
                self.faults.push(format!("{place}-{name} takes no value, but got {value:?}"));
            }
            (Some((known, _, _)), value) => {
                // Both set the log level, so the later one undoes the earlier one.
                match *known {
                    "q" => self.given.remove("debug"),
                    "debug" => self.given.remove("q"),
                    _ => None,
                };
                self.given.insert(known, (value.unwrap_or_default(), place));
            }
        }
    }

    fn config(&mut self, shards: usize) -> Config {
        let mut config = Config { shards, classic: true, allow_remote_control: true, ..Config::default() };
        // Scripts that stop and start expect the port to be free within a second.
        config.limits.drain = Duration::ZERO;
        let sse_port = self.value("p", |text| port_number(text, 0));
        let control_port = self.value("cp", |text| port_number(text, 1));
        let fifo = self.value("fifo", absolute);
        // Checked although -nodaemon makes it pointless, as classic does.
        let log_file = self.value("l", absolute);
        config.service = Service {
            background: !self.has("nodaemon"),
            pid_file: self.value("pidfile", absolute),
            user: self.value("user", read_user),
        };
        match sse_port {
            Some(port) => config.listen = vec![ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))],
            None => self.require(&["p"], "the port of the SSE endpoint"),
        }
        self.tls(&mut config);
        if config.service.background {
            config.log.file = Some(log_file.clone().unwrap_or_else(|| PathBuf::from(LOG_FILE)));
        } else {
            config.log.format = LogFormat::Bare;
        }
        match self.value("murl", read_path) {
            Some(path) => config.path = path,
            None => self.require(&["murl"], "the path that subscribes"),
        }
        if control_port.is_none() && fifo.is_none() {
            self.require(&["cp", "fifo"], "where commands come from");
        }
        if let Some(port) = control_port {
            config.control.extend(self.source("cp", &format!("tcp://0.0.0.0:{port}")));
        }
        if let Some(path) = &fifo {
            config.control.extend(self.source("fifo", &format!("fifo://{}", path.display())));
        }
        if let (Some(port), Some(control)) = (sse_port, control_port)
            && port == control
        {
            self.faults.push(format!("-p={port} and -cp={control} are one port, and there must be two"));
        }
        if let Some(byte) = self.value("sep", first_byte) {
            config.delimiter = Delimiter::Explicit(byte);
        }
        if let Some(origin) = self.value("cors-base", header_value) {
            config.cors.origins = vec![origin];
        }
        config.log.level = match (self.has("q"), self.has("debug")) {
            (true, _) => LogLevel::Quiet,
            (_, true) => LogLevel::Debug,
            _ => LogLevel::Normal,
        };
        config.allow_reinit = self.has("ra");
        config.notes = self.notes(&config, log_file.as_deref());
        config
    }

    fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// What a switch says, if it was given and can be read; else the fault is noted.
    fn value<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (text, place) = self.given.get(name)?;
        read(text).map_err(|fault| self.faults.push(format!("{place}-{name}={text}: {fault}"))).ok()
    }

    fn source(&mut self, name: &str, url: &str) -> Option<SourceUrl> {
        self.value(name, |_| url.parse().map_err(|fault: hasses_adapters::OpenError| fault.to_string()))
    }

    /// One of the switches must be given. One that was given and could not be read is a fault already.
    fn require(&mut self, names: &[&str], what: &str) {
        if names.iter().any(|name| self.has(name)) {
            return;
        }
        let forms: Vec<_> = SWITCHES.iter().filter(|(name, _, _)| names.contains(name)).map(form).collect();
        self.faults.push(format!("{} is missing: {what}", forms.join(" or ")));
    }

    /// `-ssl` moves the SSE port to TLS, and needs both files.
    fn tls(&mut self, config: &mut Config) {
        let (chain, key) = (self.value("cert-file", read_file), self.value("privatekey-file", read_file));
        if !self.has("ssl") {
            return;
        }
        self.require(&["cert-file"], "the certificate of -ssl");
        self.require(&["privatekey-file"], "the private key of -ssl");
        config.listen_tls = std::mem::take(&mut config.listen);
        config.certificates = Certificates { chains: chain.into_iter().collect(), keys: key.into_iter().collect() };
    }

    fn notes(&self, config: &Config, log_file: Option<&Path>) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((port, _)) = self.given.get("cp") {
            notes.push(format!(
                "control on port {port} is open to every interface, and it has no authentication; \
                 safer, with modern flags: --control tcp://127.0.0.1:{port}, or a Unix socket"
            ));
        }
        if let Some((path, _)) = self.given.get("fifo") {
            notes.push(format!(
                "where FIFO {path} is missing it is made with mode 0666 less the umask, so other users may publish; \
                 safer, with modern flags: --control 'fifo://{path}?mode=0660&group=www-data'"
            ));
        }
        if let [ListenAddress::Tcp(address)] = config.listen[..] {
            let port = address.port();
            notes.push(format!(
                "subscribers may connect on every interface, without TLS; \
                 safer behind a proxy on this machine, with modern flags: --listen 127.0.0.1:{port}"
            ));
        }
        if let Some(path) = log_file.filter(|_| self.has("nodaemon")) {
            notes.push(format!("-l={}: without effect, since -nodaemon logs to standard output", path.display()));
        }
        for name in ["cert-file", "privatekey-file"] {
            if self.has(name) && !self.has("ssl") {
                notes.push(format!("-{name}: without effect, since -ssl is not given"));
            }
        }
        if let Err(fault) = cors::read_origins(&config.cors.origins) {
            notes.push(format!("-cors-base: {fault}; it is sent as it is"));
        }
        if let Some(Err(fault)) = delimiter::write(config.delimiter).map(|text| delimiter::read(&text)) {
            notes.push(format!("-sep: {fault}; it is used as it is"));
        }
        notes
    }
}

/// How a switch is written.
pub(super) fn form((name, value, _): &(&str, Option<&str>, &str)) -> String {
    value.map_or_else(|| format!("-{name}"), |value| format!("-{name}={value}"))
}

fn hint(name: &str) -> String {
    if super::settings::setting(name).is_some() {
        return format!("; modern flags have two dashes: --{name}");
    }
    let written = |name: &str| find(name).map(form).unwrap_or_default();
    words::hint(name, SWITCHES.iter().map(|(known, _, _)| *known), written) + " (-h lists all)"
}

fn find(name: &str) -> Option<&'static (&'static str, Option<&'static str>, &'static str)> {
    SWITCHES.iter().find(|(known, _, _)| *known == name)
}

/// Whether this is a switch that wants a value and has none.
pub(super) fn takes_value(switch: &str) -> bool {
    find(switch.trim_start_matches('-')).is_some_and(|(_, value, _)| value.is_some())
}

/// For the SSE port 0 lets the system choose. For control it may have been meant as "none", so it is refused rather
/// than opened somewhere.
fn port_number(text: &str, least: u16) -> Result<u16, String> {
    let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    number
        .filter(|port| *port >= least)
        .ok_or_else(|| format!("{text:?} is no port number from {least} to {}", u16::MAX))
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} is not an absolute path"));
    }
    without_control_characters(text)?;
    Ok(PathBuf::from(text))
}

fn first_byte(text: &str) -> Result<u8, String> {
    match text.bytes().next() {
        Some(b'=') => Err("\"=\" cannot end a message: it stands between token and message".to_owned()),
        Some(byte) if byte.is_ascii() => Ok(byte),
        _ => Err(format!("{text:?} does not begin with an ASCII character")),
    }
}

fn header_value(text: &str) -> Result<String, String> {
    match text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        Some(found) => Err(format!("{text:?} holds {found:?}, which no header may hold")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
#[path = "classic_tests.rs"]
mod tests;
