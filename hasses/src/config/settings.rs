//! The table of everything that can be set: a row is a flag of the command line and a key of the configuration file.
//!
//! Flags and keys cannot drift apart, since both go through these rows; a test holds the flags of `arguments` against
//! them.

use std::path::PathBuf;

use hasses_adapters::{OpenError, SourceUrl};

use super::quantities::{QUANTITIES, Quantity};
use super::{Config, Durability, LogFormat, cors, delimiter};
use crate::http::HEALTH_PATH;

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// The flag without its dashes, and the key.
    pub(super) name: &'static str,
    /// What it takes, and where that goes.
    pub(super) value: Value,
}

/// What a setting takes, and where that goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// Nothing on the command line, `true` or `false` in a file.
    Switch { get: fn(&Config) -> bool, set: fn(&mut Config, bool) },
    /// One text. `get` gives `None` for a default that no text stands for; `unset` says what that is.
    Text { get: fn(&Config) -> Option<String>, set: fn(&mut Config, &str) -> Result<(), String>, unset: &'static str },
    /// Texts: a repeated flag, an array.
    List { get: fn(&Config) -> Vec<String>, set: fn(&mut Config, &[String]) -> Result<(), String> },
    /// A number.
    Number(&'static Quantity),
}

/// The settings that are no numbers, in the order of `--help`.
const WORDS: &[Setting] = &[
    Setting {
        name: "listen",
        value: Value::List {
            get: |config| config.listen.iter().map(ToString::to_string).collect(),
            set: |config, texts| read_all(texts).map(|addresses| config.listen = addresses),
        },
    },
    Setting {
        name: "listen-tls",
        value: Value::List {
            get: |config| config.listen_tls.iter().map(ToString::to_string).collect(),
            set: |config, texts| read_all(texts).map(|addresses| config.listen_tls = addresses),
        },
    },
    Setting {
        name: "tls-cert",
        value: Value::List {
            get: |config| shown(&config.certificates.chains),
            set: |config, texts| read_files(texts).map(|files| config.certificates.chains = files),
        },
    },
    Setting {
        name: "tls-key",
        value: Value::List {
            get: |config| shown(&config.certificates.keys),
            set: |config, texts| read_files(texts).map(|files| config.certificates.keys = files),
        },
    },
    Setting {
        name: "path",
        value: Value::Text {
            get: |config| Some(config.path.clone()),
            set: |config, text| read_path(text).map(|path| config.path = path),
            unset: "",
        },
    },
    Setting {
        name: "control",
        value: Value::List {
            get: |config| config.control.iter().map(ToString::to_string).collect(),
            set: |config, texts| read_sources(texts).map(|sources| config.control = sources),
        },
    },
    Setting {
        name: "allow-remote-control",
        value: Value::Switch {
            get: |config| config.allow_remote_control,
            set: |config, on| config.allow_remote_control = on,
        },
    },
    Setting {
        name: "cors-origin",
        value: Value::List {
            get: |config| config.cors.origins.clone(),
            set: |config, texts| cors::read_origins(texts).map(|origins| config.cors.origins = origins),
        },
    },
    Setting {
        name: "cors-credentials",
        value: Value::Switch { get: |config| config.cors.credentials, set: |config, on| config.cors.credentials = on },
    },
    Setting {
        name: "trusted-proxy",
        value: Value::List {
            get: |config| config.proxies.trusted.iter().map(ToString::to_string).collect(),
            set: |config, texts| read_all(texts).map(|trusted| config.proxies.trusted = trusted),
        },
    },
    Setting {
        name: "proxy-protocol",
        value: Value::Switch { get: |config| config.proxies.header, set: |config, on| config.proxies.header = on },
    },
    Setting {
        name: "log-level",
        value: Value::Text {
            get: |config| Some(config.log.level.to_string()),
            set: |config, text| {
                text.parse()
                    .map(|level| config.log.level = level)
                    .map_err(|failure: hasses_client::wire::Failure| failure.error)
            },
            unset: "",
        },
    },
    Setting {
        name: "log-file",
        value: Value::Text {
            get: |config| config.log.file.as_ref().map(|path| path.display().to_string()),
            // `-` is standard output, so that a flag can win over a file's key.
            set: |config, text| {
                let file = if text == "-" { Ok(None) } else { read_file(text).map(Some) };
                file.map(|file| config.log.file = file).map_err(|why| format!("{why}, or - for standard output"))
            },
            unset: "standard output",
        },
    },
    Setting {
        name: "log-format",
        value: Value::Text {
            get: |config| Some(config.log.format.as_str().to_owned()),
            set: |config, text| read_log_format(text).map(|format| config.log.format = format),
            unset: "",
        },
    },
    Setting {
        name: "delimiter",
        value: Value::Text {
            get: |config| delimiter::write(config.delimiter),
            set: |config, text| delimiter::read(text).map(|delimiter| config.delimiter = delimiter),
            unset: "; or a newline",
        },
    },
    Setting {
        name: "allow-reinit",
        value: Value::Switch { get: |config| config.allow_reinit, set: |config, on| config.allow_reinit = on },
    },
    Setting {
        name: "log-dir",
        value: Value::Text {
            get: |config| config.log_directory.as_ref().map(|path| path.display().to_string()),
            set: |config, text| read_directory(text).map(|path| config.log_directory = Some(path)),
            unset: "none: events are kept in memory",
        },
    },
    Setting {
        name: "durability",
        value: Value::Text {
            get: |config| Some(config.durability.as_str().to_owned()),
            set: |config, text| read_durability(text).map(|durability| config.durability = durability),
            unset: "",
        },
    },
    Setting {
        name: "slow",
        value: Value::List {
            get: |config| config.slow.iter().map(ToString::to_string).collect(),
            set: |config, texts| read_all(texts).map(|rules| config.slow = rules),
        },
    },
    Setting {
        name: "no-notices",
        value: Value::Switch { get: |config| !config.notices, set: |config, on| config.notices = !on },
    },
    Setting {
        name: "background",
        value: Value::Switch {
            get: |config| config.service.background,
            set: |config, on| config.service.background = on,
        },
    },
    Setting {
        name: "pid-file",
        value: Value::Text {
            get: |config| config.service.pid_file.as_ref().map(|path| path.display().to_string()),
            set: |config, text| read_file(text).map(|file| config.service.pid_file = Some(file)),
            unset: "none",
        },
    },
    Setting {
        name: "user",
        value: Value::Text {
            get: |config| config.service.user.clone(),
            set: |config, text| read_user(text).map(|user| config.service.user = Some(user)),
            unset: "the user who starts it",
        },
    },
];

/// Every setting, in the order of `--help`.
pub(super) fn settings() -> impl Iterator<Item = Setting> {
    let numbers = QUANTITIES.iter().map(|quantity| Setting { name: quantity.name, value: Value::Number(quantity) });
    WORDS.iter().copied().chain(numbers)
}

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<Setting> {
    settings().find(|setting| setting.name == name)
}

impl Setting {
    /// Sets what the texts say: one of them except for a [`Value::List`], which takes any number.
    pub(super) fn apply(&self, config: &mut Config, texts: &[String]) -> Result<(), String> {
        match (self.value, texts) {
            (Value::List { set, .. }, texts) => set(config, texts),
            (Value::Text { set, .. }, [text]) => set(config, text),
            (Value::Switch { set, .. }, [text]) => match text.parse() {
                Ok(on) => {
                    set(config, on);
                    Ok(())
                }
                Err(_) => Err(format!("{text:?} is neither true nor false")),
            },
            (Value::Number(quantity), [text]) => quantity.read(text).map(|value| (quantity.set)(config, value)),
            (_, texts) => Err(format!("it takes one value, not {}", texts.len())),
        }
    }
}

impl Durability {
    /// Its name, as the flag takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Disk => "disk",
        }
    }
}

impl LogFormat {
    /// The format's name, as the flag takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bare => "bare",
            Self::Json => "json",
        }
    }
}

fn read_all<T>(texts: &[String]) -> Result<Vec<T>, String>
where
    T: std::str::FromStr<Err = String>,
{
    texts.iter().map(|text| text.parse()).collect()
}

fn read_sources(texts: &[String]) -> Result<Vec<SourceUrl>, String> {
    let read = |text: &String| {
        without_control_characters(text)?;
        text.parse().map_err(|error: OpenError| error.to_string())
    };
    texts.iter().map(read).collect()
}

/// Paths and URLs stand in log lines and in the output of `--check`, which a newline would break in two.
pub(super) fn without_control_characters(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) { Err(format!("{text:?} holds a control character")) } else { Ok(()) }
}

/// The one path that subscribes, as it stands in a request line.
pub(super) fn read_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} does not begin with /"));
    }
    if text == HEALTH_PATH {
        return Err(format!("{text:?} is the health check's path; choose another"));
    }
    match text.chars().find(|&c| !c.is_ascii_graphic() || c == '?' || c == '#') {
        Some(found) => {
            Err(format!("{text:?} holds {found:?}, which no path of a request holds; write it percent-encoded"))
        }
        None => Ok(text.to_owned()),
    }
}

pub(super) fn read_file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text == "-" || text.ends_with('/') {
        return Err(format!("{text:?} is no file; write a path"));
    }
    without_control_characters(text)?;
    // Files are opened anew while the daemon runs, so what they are relative to must not change.
    std::path::absolute(text).map_err(|error| format!("{text:?} cannot be made absolute: {error}"))
}

/// As a file; a `/` at the end is no fault here.
fn read_directory(text: &str) -> Result<PathBuf, String> {
    let path = if text.len() > 1 { text.trim_end_matches('/') } else { text };
    read_file(path).map_err(|_| format!("{text:?} is no directory; write a path"))
}

fn read_durability(text: &str) -> Result<Durability, String> {
    [Durability::Os, Durability::Disk]
        .into_iter()
        .find(|durability| durability.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no durability (os, disk)"))
}

fn read_files(texts: &[String]) -> Result<Vec<PathBuf>, String> {
    texts.iter().map(|text| read_file(text)).collect()
}

fn shown(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.display().to_string()).collect()
}

/// `NAME` or `NAME:GROUP`; whether they exist is the system's to say, at start.
pub(super) fn read_user(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split(':').collect();
    let is_name = |name: &&str| !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    if parts.len() <= 2 && parts.iter().all(is_name) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no user; write NAME or NAME:GROUP"))
}

fn read_log_format(text: &str) -> Result<LogFormat, String> {
    let formats = [LogFormat::Text, LogFormat::Bare, LogFormat::Json];
    formats
        .into_iter()
        .find(|format| format.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no log format (text, bare, json)"))
}
