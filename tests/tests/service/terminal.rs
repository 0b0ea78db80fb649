//! SIGHUP of a terminal that is closed, told from SIGHUP that asks for a reload.

use std::process::Command;

use hasses_tests::{binary, finish, required};

/// Runs the daemon as the leader of a terminal's session; sends it SIGHUP, then closes the terminal.
const SCRIPT: &str = r#"
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def read_until(text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
read_until(b"and: ")
os.kill(pid, signal.SIGHUP)
read_until(b"SIGHUP: reloaded, no setting has changed")
os.close(terminal)
_, status = os.waitpid(pid, 0)
print("exit code", os.waitstatus_to_exitcode(status))
"#;

#[test]
fn a_daemon_in_the_foreground_ends_with_its_terminal_and_not_before() {
    let Some(python) = required("python3") else { return };
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).arg(binary("hasses"));
    let ended = finish(command.args(["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "exit code 0\n"), "{}", ended.stderr);
}
