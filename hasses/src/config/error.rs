//! Why the daemon cannot start as it was told to: always the operator's to mend.

use std::fmt;

/// The command line, a file or the system does not allow a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, where, and what to do: one fault a line.
    pub text: String,
    /// What the process is to exit with; never 0.
    pub exit_code: u8,
}

impl ConfigError {
    /// A modern flag or the configuration file is wrong: exit code 2, as most command-line programs have it.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: 2 }
    }

    /// A classic switch or the classic file is wrong: exit code 1, as classic has it.
    pub(super) fn classic(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: 1 }
    }

    /// What was asked for is well-formed, but the system does not let it be done: exit code 1.
    pub(super) fn system(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: 1 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ConfigError {}
