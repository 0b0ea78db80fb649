//! Runs the program.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with these words, with nothing around it that would say where a daemon is.
pub(crate) fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hasses-ctl"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["HASSES_CONTROL", "XDG_RUNTIME_DIR", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// Runs it to its end, which must come in time.
pub(crate) fn run(words: &[&str]) -> Run {
    finish(program(words).spawn().unwrap())
}

/// The same, with this on standard input.
pub(crate) fn run_with_input(words: &[&str], input: impl Into<Vec<u8>>) -> Run {
    let mut child = program(words).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.into();
    // A thread, since the program may stop reading before everything is written.
    std::thread::spawn(move || stdin.write_all(&input));
    finish(child)
}

pub(crate) fn finish(child: Child) -> Run {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(Duration::from_secs(60)).expect("the program ends within 60 s").unwrap();
    Run {
        code: output.status.code().expect("the program was not killed"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
