//! Which servers there are, by name.

use std::ffi::OsStr;
use std::io;

/// One of the servers, in the order of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The bare loop.
    Floor,
    /// The daemon.
    Hasses,
    /// nginx with nchan.
    Nchan,
    /// One that runs already.
    Other(&'static Other),
}

/// A server that somebody else has started.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Other {
    name: String,
    url: String,
    /// Flags of the generator before its command: a control channel.
    control: Vec<String>,
    /// Those behind it: whose CPU it is, where messages are posted.
    flags: Vec<String>,
}

impl Kind {
    /// Every server that the benchmark starts.
    pub(crate) const OWN: [Self; 3] = [Self::Floor, Self::Hasses, Self::Nchan];

    /// Its name in options and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Hasses => "hasses",
            Self::Nchan => "nchan",
            Self::Other(other) => &other.name,
        }
    }

    /// Its name in the report.
    pub(crate) fn title(self) -> &'static str {
        if self == Self::Floor { "bare loop" } else { self.name() }
    }
}

impl Other {
    /// Reads `NAME=URL[,pid=PID][,control=URL|,post=URL[,body=TEMPLATE]]`; it lives as long as the program.
    pub(crate) fn parse(text: &OsStr) -> io::Result<&'static Self> {
        let form = "NAME=URL[,pid=PID][,control=URL|,post=URL[,body=TEMPLATE]]";
        let wrong = || io::Error::other(format!("--server {text:?}: {form} is needed"));
        let mut parts = text.to_str().ok_or_else(wrong)?.split(',').map(|part| part.split_once('='));
        let (name, url) = parts.next().flatten().ok_or_else(wrong)?;
        let mut other = Self { name: name.to_owned(), url: url.to_owned(), control: Vec::new(), flags: Vec::new() };
        for part in parts {
            let (key, value) = part.ok_or_else(wrong)?;
            let (list, flags) = match key {
                "control" => (&mut other.control, ["--control"].as_slice()),
                "pid" => (&mut other.flags, ["--pid"].as_slice()),
                "post" => (&mut other.flags, ["--publish", "post", "--post"].as_slice()),
                "body" => (&mut other.flags, ["--post-body"].as_slice()),
                _ => return Err(wrong()),
            };
            list.extend(flags.iter().chain(&[value]).map(|&flag| flag.to_owned()));
        }
        Ok(Box::leak(Box::new(other)))
    }

    /// Where subscribers connect.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the generator must be told of it before its command.
    pub(crate) fn control(&self) -> &[String] {
        &self.control
    }

    /// What it must be told behind it.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }
}
