//! The load generator: `hasses-ctl bench --json` as a process of its own.

use std::io;
use std::process::{Child, Output, Stdio};

use serde_json::Value;

use crate::programs::{Place, Programs};
use crate::servers::Server;

/// A generator that runs.
pub(crate) struct Generator {
    child: Child,
}

/// How it waits for events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It polls without sleeping.
    Spin,
    /// It sleeps until there is something.
    Sleep,
}

impl Generator {
    /// Starts it against `server`; `load` are flags, separated by spaces.
    pub(crate) fn start(
        programs: &Programs,
        server: &Server,
        load: &str,
        wait: Wait,
        place: Place,
    ) -> io::Result<Self> {
        let mut command = programs.guarded(&programs.ctl, place);
        command.arg("--json").args(server.control()).args(["bench", &server.url]).args(server.target());
        command.args(load.split_ascii_whitespace());
        if wait == Wait::Spin {
            command.arg("--spin");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Self { child })
    }

    /// Waits for its end and gives its answer; an error where a message or a subscriber was lost.
    pub(crate) fn finish(self) -> io::Result<Value> {
        let Output { status, stdout, stderr } = self.child.wait_with_output()?;
        let answer = serde_json::from_slice::<Value>(&stdout);
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            let faults = answer.ok().map(|answer| answer["faults"].to_string()).unwrap_or_default();
            return Err(io::Error::other(format!(
                "invalid run: the generator ends with {status}: {} {faults}",
                said.trim()
            )));
        }
        answer.map_err(|error| io::Error::other(format!("the generator's answer is not JSON: {error}")))
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

/// Runs a generator from start to end.
pub(crate) fn run(programs: &Programs, server: &Server, load: &str) -> io::Result<Value> {
    Generator::start(programs, server, load, Wait::Spin, Place::Loader)?.finish()
}

/// Whether the generator says that the server could have done more.
pub(crate) fn was_the_bottleneck(answer: &Value) -> bool {
    answer.pointer("/generator/was_the_bottleneck").and_then(Value::as_bool).unwrap_or(false)
}
