//! `--check`: what the daemon would do, and what of the system stands against it. Certificates and keys are read; nothing is made,
//! bound or changed.

use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::file::quoted;
use super::help::version;
use super::settings::{Setting, Value, settings};
use super::{Config, ListenAddress};
use crate::service::{Owner, background};
use crate::tls;

/// What the daemon would do: lines that are a configuration file which says the same, every setting with its value, and
/// whether that is the default.
#[must_use]
pub fn describe(config: &Config) -> Vec<String> {
    let mut lines = vec![format!("# {} would start so; as a file for --config, this says the same.", version())];
    for (scheme, addresses) in [("http", &config.listen), ("https", &config.listen_tls)] {
        lines.extend(addresses.iter().map(|address| match address {
            ListenAddress::Tcp(address) => format!("# subscribers: {scheme}://{address}{}", config.path),
            ListenAddress::Unix(_) | ListenAddress::Systemd(_) => {
                format!("# subscribers: {address}, {scheme}, path {}", config.path)
            }
        }));
    }
    lines.extend(config.control.iter().map(|url| format!("# commands: {url}")));
    lines.extend(config.notes.iter().map(|note| format!("# note: {note}")));
    lines.extend(settings().map(|setting| line(&setting, config)));
    lines
}

fn line(setting: &Setting, config: &Config) -> String {
    let name = setting.name;
    let default = Config::default();
    let (value, is_default, meaning) = match setting.value {
        Value::Switch { get, .. } => (get(config).to_string(), get(config) == get(&default), None),
        Value::Text { get, unset, .. } => match get(config) {
            None => return format!("# {name}: {unset} (default)"),
            Some(text) => (quoted(&text), get(&default) == Some(text), None),
        },
        Value::List { get, .. } => {
            let texts: Vec<_> = get(config).iter().map(|text| quoted(text)).collect();
            let is_default =
                if name == "control" { config.default_socket.is_some() } else { get(config) == get(&default) };
            (format!("[{}]", texts.join(", ")), is_default, None)
        }
        Value::Number(quantity) => {
            let value = quantity.value(config);
            let is_default = value == quantity.value(&default);
            let meaning = quantity.zero.filter(|_| value == "0");
            let is_plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (if is_plain { value } else { quoted(&value) }, is_default, meaning)
        }
    };
    let setting = format!("{name} = {value}");
    let remark = [is_default.then_some("default"), meaning].into_iter().flatten().collect::<Vec<_>>().join(": ");
    if remark.is_empty() { setting } else { format!("{setting:<40} # {remark}") }
}

/// What of the system stands against the start, as far as a look can tell.
pub(super) fn faults(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    for address in config.listen.iter().chain(&config.listen_tls) {
        let fault = address.socket_path().and_then(|path| fault(path, "a socket", FileType::is_socket));
        faults.extend(fault.map(|fault| format!("listen {address}: {fault}")));
    }
    faults
        .extend(config.default_socket.as_ref().and_then(|socket| socket.check_folder().err()).map(|error| error.text));
    for url in &config.control {
        let path = Path::new(url.target());
        let fault = match url.scheme() {
            // The folder of the default socket is made at start.
            "unix" if config.default_socket.is_some() => misplaced(path, "a socket", FileType::is_socket),
            "unix" => fault(path, "a socket", FileType::is_socket),
            "fifo" => fault(path, "a FIFO", FileType::is_fifo),
            _ => None,
        };
        faults.extend(fault.map(|fault| format!("control {url}: {fault}")));
    }
    for (name, path) in [("log-file", &config.log.file), ("pid-file", &config.service.pid_file)] {
        let Some(path) = path else { continue };
        let fault = fault(path, "a file that can be written to", |kind| !kind.is_dir());
        faults.extend(fault.map(|fault| format!("{name} {}: {fault}", path.display())));
    }
    if let Some(path) = &config.log_directory {
        let fault = fault(path, "a directory", FileType::is_dir);
        faults.extend(fault.map(|fault| format!("log-dir {}: {fault}", path.display())));
    }
    if !config.listen_tls.is_empty() {
        faults.extend(tls::load(&config.certificates).err().map(|error| format!("TLS: {error}")));
    }
    faults.extend(Owner::look_up(config.service.user.as_deref()).err());
    faults.extend(background::fault(config).map(str::to_owned));
    faults
}

/// What is wrong with `path`: something else than wanted is there, or nothing can be made there for want of a folder.
fn fault(path: &Path, wanted: &str, is_wanted: fn(&FileType) -> bool) -> Option<String> {
    if path.exists() {
        return misplaced(path, wanted, is_wanted);
    }
    let folder = path.parent()?;
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{} is no folder", folder.display())),
        Err(error) => Some(format!("folder {}: {error}", folder.display())),
    }
}

fn misplaced(path: &Path, wanted: &str, is_wanted: fn(&FileType) -> bool) -> Option<String> {
    let found = fs::metadata(path).ok()?.file_type();
    (!is_wanted(&found)).then(|| format!("what is there is not {wanted}"))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
