//! Where the counted code comes from, beside this repository: figures are alike only where that is alike.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::process::Command;

/// The compiler, the C library and the architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// As `rustc --version` has it: `1.95.0`.
    pub(crate) rustc: String,
    /// `glibc 2.36`: its allocator and its copying are counted.
    pub(crate) libc: String,
    /// `x86_64`.
    pub(crate) architecture: String,
}

impl Origin {
    /// Those of this program, as long as it is run by the `cargo bench` that built it.
    pub(crate) fn of_this_program() -> Self {
        let rustc = said(&env::var_os("RUSTC").unwrap_or("rustc".into()), "--version");
        Self {
            // `rustc 1.95.0 (59807616e 2026-04-14)`
            rustc: rustc.split_whitespace().nth(1).unwrap_or("unknown").to_owned(),
            libc: Some(said(OsStr::new("getconf"), "GNU_LIBC_VERSION"))
                .filter(|version| !version.is_empty())
                .unwrap_or_else(|| "unknown".to_owned()),
            architecture: env::consts::ARCH.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {}, {}, {}", self.rustc, self.libc, self.architecture)
    }
}

/// What a program says; nothing where it does not run.
fn said(program: &OsStr, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
