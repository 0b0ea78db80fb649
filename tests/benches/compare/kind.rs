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
    /// Flags of the generator: whose CPU it is, where messages go.
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
    /// Reads `NAME=URL[,pid=PID][,post=URL][,body=TEMPLATE]`; it lives as long as the program.
    pub(crate) fn parse(text: &OsStr) -> io::Result<&'static Self> {
        let wrong = || io::Error::other(format!("--server {text:?}: NAME=URL[,pid=PID][,post=URL][,body=TEMPLATE]"));
        let mut parts = text.to_str().ok_or_else(wrong)?.split(',').map(|part| part.split_once('='));
        let (name, url) = parts.next().flatten().ok_or_else(wrong)?;
        let mut flags = Vec::new();
        for part in parts {
            let (key, value) = part.ok_or_else(wrong)?;
            match key {
                "pid" => flags.push("--pid"),
                "post" => flags.extend(["--publish", "post", "--post"]),
                "body" => flags.push("--post-body"),
                _ => return Err(wrong()),
            }
            flags.push(value);
        }
        let flags = flags.into_iter().map(str::to_owned).collect();
        Ok(Box::leak(Box::new(Self { name: name.to_owned(), url: url.to_owned(), flags })))
    }

    /// Where subscribers connect.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the generator must be told of it.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }
}
