//! From the command line to a [`Config`]: the files it names, what wins over what, and the rules that join several
//! settings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;

use hasses_adapters::OpenError;

use super::arguments::Arguments;
use super::classic::{self, Switch};
use super::command_line::{self, CommandLine};
use super::completions::script;
use super::environment::default_shards;
use super::error::ConfigError;
use super::manual::manual;
use super::settings::setting;
use super::{
    Config, DefaultSocket, Environment, ListenAddress, check, classic_file, file, help::help, help::version, quantities,
};

/// What the process was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Serve.
    Run(Box<Config>),
    /// Say what [`Invocation::Run`] would do ([`describe`](super::describe)), and exit.
    Check(Box<Config>),
    /// Print this text, which helps with the command line (the help, the manual page, completions), and exit.
    Help(String),
    /// Print this version, and exit.
    Version(String),
}

/// Reads the command line, without the program's name, and the files that it names. Changes nothing outside.
///
/// A flag wins over the same key of the configuration file, a switch of the command line over the same one of the
/// classic file.
///
/// # Errors
/// [`ConfigError`], with the exit code for it: 2 for modern flags and the configuration file, and where modern flags
/// and classic switches are mixed; 1 for classic switches and the classic file; 1 where the default control socket has
/// no place or `--check` finds that the system does not allow the start.
pub fn load<A: Into<OsString>>(
    arguments: impl IntoIterator<Item = A>,
    environment: &Environment,
) -> Result<Invocation, ConfigError> {
    let (arguments, switches) = match command_line::read(arguments)? {
        CommandLine::Help => return Ok(Invocation::Help(help())),
        CommandLine::Version => return Ok(Invocation::Version(version())),
        CommandLine::Flags { arguments, switches } => (arguments, switches),
    };
    if arguments.man {
        return Ok(Invocation::Help(manual()));
    }
    if let Some(shell) = &arguments.completions {
        let shell = shell.parse().map_err(|fault| ConfigError::usage(format!("--completions: {fault}")))?;
        return Ok(Invocation::Help(script(shell)));
    }
    let config = if switches.is_empty() && arguments.classic_config.is_none() {
        modern(&arguments, environment)?
    } else {
        classic(&arguments, switches, environment)?
    };
    if !arguments.check {
        return Ok(Invocation::Run(Box::new(config)));
    }
    match check::faults(&config) {
        faults if faults.is_empty() => Ok(Invocation::Check(Box::new(config))),
        faults => Err(ConfigError::system(faults.join("\n"))),
    }
}

fn modern(arguments: &Arguments, environment: &Environment) -> Result<Config, ConfigError> {
    let mut config = Config { shards: default_shards(environment.cores), ..Config::default() };
    let (mut control_given, mut listen_given) = (false, false);
    let mut faults = Vec::new();
    // The file's values are read also where a flag wins: a fault in them is one all the same.
    for entry in configuration_file(arguments)? {
        let place = format!("{}:{}: {}", arguments.config.as_deref().unwrap_or_default(), entry.line, entry.name);
        faults.extend(apply(&mut config, entry.name, &entry.texts, &place).err());
        control_given |= entry.name == "control";
        listen_given |= entry.name == "listen";
    }
    for (name, texts) in arguments.settings() {
        faults.extend(apply(&mut config, name, &texts, &format!("--{name}")).err());
        control_given |= name == "control";
        listen_given |= name == "listen";
    }
    if !faults.is_empty() {
        return Err(ConfigError::usage(faults.join("\n")));
    }
    if !listen_given && !config.listen_tls.is_empty() {
        // Whoever asks for TLS has not asked for a plain port beside it.
        config.listen.clear();
    }
    if !control_given {
        let socket = DefaultSocket::choose(environment);
        config.control = vec![socket.source()?];
        config.default_socket = Some(socket);
    }
    if let Some(fault) = contradiction(&config) {
        return Err(ConfigError::usage(fault));
    }
    config.notes = notes(&config);
    Ok(config)
}

fn configuration_file(arguments: &Arguments) -> Result<Vec<file::Entry>, ConfigError> {
    let Some(path) = &arguments.config else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::usage(format!("--config {path}: cannot be read: {error}")))?;
    file::read(path, &text)
}

fn apply(config: &mut Config, name: &str, texts: &[String], place: &str) -> Result<(), String> {
    let outcome = match setting(name) {
        Some(setting) => setting.apply(config, texts),
        None => Err("it is no setting".to_owned()),
    };
    outcome.map_err(|fault| format!("{place}: {fault}"))
}

fn classic(arguments: &Arguments, words: Vec<String>, environment: &Environment) -> Result<Config, ConfigError> {
    let flag = arguments.settings().first().map(|(name, _)| *name).or(arguments.config.as_ref().map(|_| "config"));
    if let Some(flag) = flag {
        let switch = words.first().map_or("--classic-config", String::as_str);
        return Err(ConfigError::usage(format!(
            "{switch} is classic and --{flag} is modern, and the two cannot be mixed: write all as modern flags \
             (--check beside the classic switches prints them as a modern configuration file)"
        )));
    }
    let mut switches = match &arguments.classic_config {
        None => Vec::new(),
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| ConfigError::classic(format!("--classic-config {path}: cannot be read: {error}")))?;
            classic_file::read(path, &text)?
        }
    };
    switches.extend(words.into_iter().map(|text| Switch { text, place: String::new() }));
    classic::read(&switches, default_shards(environment.cores))
}

/// What is wrong with settings that are right one by one.
fn contradiction(config: &Config) -> Option<String> {
    if config.cors.credentials && config.cors.is_any() {
        let why = "browsers take credentials only where origins are named, not with *: name them with cors-origin";
        return Some(format!("cors-credentials: {why}"));
    }
    if let Some(fault) = quantities::contradiction(&config.limits) {
        return Some(fault);
    }
    if let Some(fault) = tls_fault(config).or_else(|| service_fault(config)) {
        return Some(fault);
    }
    if !config.allow_remote_control
        && let Some(url) = remote_control(config).first()
    {
        return Some(OpenError::RemoteControl { url: url.clone() }.to_string());
    }
    let mut taken = BTreeSet::new();
    let listen = config
        .listen
        .iter()
        .chain(&config.listen_tls)
        .filter(|address| address.is_exclusive())
        .map(ListenAddress::to_string);
    let control = config.control.iter().map(|url| match (url.scheme(), url.target().parse::<SocketAddr>()) {
        ("tcp", Ok(address)) => (address.port() != 0).then(|| address.to_string()),
        ("unix" | "fifo", _) => Some(format!("unix:{}", url.target())),
        _ => Some(url.to_string()),
    });
    let twice = listen.chain(control.flatten()).find(|place| !taken.insert(place.clone()))?;
    Some(format!("{twice} is given twice, among listen, listen-tls and control"))
}

fn tls_fault(config: &Config) -> Option<String> {
    let (chains, keys) = (config.certificates.chains.len(), config.certificates.keys.len());
    match (config.listen_tls.is_empty(), chains) {
        (true, _) if config.listen.is_empty() => Some("listen: there is no address, here or in listen-tls".to_owned()),
        (true, 0) if keys == 0 => None,
        (true, _) => Some("tls-cert and tls-key have no use without listen-tls".to_owned()),
        (false, 0) => Some("listen-tls needs a certificate: tls-cert and tls-key".to_owned()),
        (false, _) if chains != keys => {
            Some(format!("each tls-cert needs its tls-key, and there are {chains} and {keys} of them"))
        }
        (false, _) => None,
    }
}

fn service_fault(config: &Config) -> Option<String> {
    if config.service.background && config.log.file.is_none() {
        return Some("background: nobody would see the log; name a file with log-file".to_owned());
    }
    if config.proxies.header && config.proxies.trusted.is_empty() {
        return Some("proxy-protocol: nobody is trusted to send the header; name them with trusted-proxy".to_owned());
    }
    None
}

/// The TCP control sources that other machines can reach. What a name stands for is known only when it is opened.
fn remote_control(config: &Config) -> Vec<String> {
    let remote = |target: &str| target.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback());
    let urls = config.control.iter().filter(|url| url.scheme() == "tcp" && remote(url.target()));
    urls.map(ToString::to_string).collect()
}

fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if config.control.is_empty() {
        notes.push("there is no control source, so nothing can be published (control = [])".to_owned());
    }
    for url in remote_control(config) {
        notes.push(format!("control on {url} can be reached from other machines, and it has no authentication"));
    }
    notes
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
