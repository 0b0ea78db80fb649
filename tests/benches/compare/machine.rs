//! What the figures are true of: the machine, the day, and the versions of the programs.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::programs::Programs;

/// Where and when a comparison ran, and with what.
pub(crate) struct Machine {
    processor: String,
    is_virtual: bool,
    cores: usize,
    kernel: String,
    date: String,
    /// Name and version of each program.
    versions: Vec<(&'static str, String)>,
}

/// Looks at this machine and asks the programs.
pub(crate) fn describe(programs: &Programs) -> Machine {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut versions = vec![
        ("hasses", said(Command::new(&programs.hasses).arg("--version"))),
        ("rustc", said(Command::new("rustc").arg("--version"))),
    ];
    if let Some(nginx) = &programs.nginx {
        versions.push(("nginx", said(Command::new(nginx).arg("-v"))));
        // The module does not say it; its package does.
        versions
            .push(("nchan", said(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "libnginx-mod-nchan"]))));
    }
    Machine {
        processor: model.map_or("unknown processor", |(_, model)| model.trim()).to_owned(),
        is_virtual: processors.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor")),
        cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
        // What is behind the version names a build of a distribution.
        kernel: kernel.trim().split('-').next().unwrap_or_default().to_owned(),
        date: jiff::Zoned::now().date().to_string(),
        versions,
    }
}

impl Machine {
    /// One line of it.
    pub(crate) fn line(&self) -> String {
        let Self { processor, cores, kernel, date, .. } = self;
        let what = if self.is_virtual { " of a virtual machine" } else { "" };
        format!("{processor}, {cores} cores{what}, Linux {kernel}, {date}")
    }

    /// The versions in one line.
    pub(crate) fn versions(&self) -> String {
        let versions: Vec<String> = self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        versions.join(", ")
    }

    pub(crate) fn json(&self) -> Value {
        let versions: serde_json::Map<String, Value> =
            self.versions.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
        json!({ "processor": self.processor, "virtual": self.is_virtual, "cores": self.cores, "kernel": self.kernel, "date": self.date,
            "versions": versions })
    }
}

/// The first word with a digit in front that a program says, which is its version.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return "of unknown version".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split(|next: char| next.is_whitespace() || next == '/' || next == ':');
    let version = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'));
    version.unwrap_or("of unknown version").to_owned()
}
