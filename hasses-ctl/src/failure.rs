//! What went wrong, by who is at fault, with what to try; and the exit code that follows from it.

use std::fmt::Write as _;
use std::process::ExitCode;

use hasses_client::{Error, ErrorCode, wire};
use serde::Serialize;

/// An error that ends the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    fault: Fault,
    code: &'static str,
    error: String,
    advice: Vec<String>,
}

/// Who is at fault; each has an exit code of its own, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The daemon refused, or a value can never be right.
    Refused,
    /// The command line cannot be understood.
    Usage,
    /// The daemon cannot be reached, or was lost.
    Unreachable,
}

/// How an error is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// For people: `error: …`, and a line for each thing to try.
    Text {
        /// With terminal colours.
        colour: bool,
    },
    /// For scripts: one JSON object.
    Json,
}

impl Failure {
    /// A refusal; `code` is one of the protocol's error codes, or one of the same kind.
    pub(crate) fn refused(code: &'static str, error: impl Into<String>) -> Self {
        Self { fault: Fault::Refused, code, error: error.into(), advice: Vec::new() }
    }

    /// A command line that cannot be understood.
    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self { fault: Fault::Usage, code: "usage", error: error.into(), advice: Vec::new() }
    }

    /// A daemon that is not there.
    pub(crate) fn unreachable(error: impl Into<String>) -> Self {
        Self { fault: Fault::Unreachable, code: "unreachable", error: error.into(), advice: Vec::new() }
    }

    /// A daemon that went away when something was under way, of which nobody knows whether it was done.
    pub(crate) fn fate_unknown(error: impl Into<String>) -> Self {
        Self { fault: Fault::Unreachable, code: "fate_unknown", error: error.into(), advice: Vec::new() }
    }

    /// Adds something to try.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// Says where it happened.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.error = format!("{place}: {}", self.error);
        self
    }

    /// What went wrong.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// What to try.
    pub(crate) fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Whether the command line is at fault.
    pub(crate) fn is_usage(&self) -> bool {
        self.fault == Fault::Usage
    }

    /// What the program ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.fault {
            Fault::Refused => 1,
            Fault::Usage => 2,
            Fault::Unreachable => 3,
        })
    }

    /// The text for standard error, with its line end.
    pub(crate) fn render(&self, layout: Layout) -> String {
        match layout {
            Layout::Text { colour } => {
                let label = if colour { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
                let mut text = format!("{label} {}\n", self.error);
                for advice in &self.advice {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "  {advice}");
                }
                text
            }
            Layout::Json => {
                #[derive(Serialize)]
                struct Line<'a> {
                    ok: bool,
                    code: &'a str,
                    error: &'a str,
                    #[serde(skip_serializing_if = "<[String]>::is_empty")]
                    advice: &'a [String],
                }
                let line = Line { ok: false, code: self.code, error: &self.error, advice: &self.advice };
                // Strings and a bool always have a JSON form.
                serde_json::to_string(&line).unwrap_or_default() + "\n"
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(failure) | Error::Refused(failure) => failure.into(),
            Error::FateUnknown { .. } => Self::fate_unknown(error.to_string())
                .advise("look at what the daemon says (`hasses-ctl status`) before you do it again"),
            Error::QueueFull { .. } => {
                Self::unreachable(error.to_string()).advise("the daemon takes in less than is sent to it: see its log")
            }
            Error::Unreachable { .. } => {
                Self::unreachable(error.to_string()).advise("the daemon was there a moment ago: see its log")
            }
            error => Self::unreachable(error.to_string()),
        }
    }
}

impl From<wire::Failure> for Failure {
    fn from(failure: wire::Failure) -> Self {
        let refusal = Self::refused(failure.code.as_str(), failure.error);
        match failure.code {
            ErrorCode::UnknownCommand => {
                refusal.advise("the daemon is older than this program; `hasses-ctl ping` shows its version")
            }
            ErrorCode::NotStored => {
                refusal.advise("the disk with the daemon's --log-dir is full or failing; nothing was sent")
            }
            ErrorCode::TooLarge => refusal.advise("the limit is the daemon's --max-message"),
            ErrorCode::Internal => refusal.advise("the log of the daemon says more"),
            _ => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_try_in_both_layouts() {
        let failure = Failure::refused("bad_topic", "topic is empty").advise("give it a name");
        assert_eq!(failure.render(Layout::Text { colour: false }), "error: topic is empty\n  give it a name\n");
        assert_eq!(
            failure.render(Layout::Json),
            "{\"ok\":false,\"code\":\"bad_topic\",\"error\":\"topic is empty\",\"advice\":[\"give it a name\"]}\n"
        );
        assert!(failure.render(Layout::Text { colour: true }).starts_with("\x1b[1;31merror:\x1b[0m topic"));
    }

    #[test]
    fn each_fault_has_its_exit_code() {
        for (failure, code) in [
            (Failure::refused("bad_field", ""), 1),
            (Failure::usage(""), 2),
            (Failure::unreachable(""), 3),
            (Failure::fate_unknown(""), 3),
        ] {
            assert_eq!(failure.exit_code(), ExitCode::from(code));
        }
    }
}
