//! A limit of descriptors that nobody has chosen.

use std::process::Command;

use hasses_tests::{Running, binary, required};

const WARNING: &str = "warning: only 1024 descriptors are allowed, one for each subscriber; for more: LimitNOFILE= in a unit, `ulimit -n`";

#[test]
fn a_small_limit_is_a_warning_with_what_raises_it_unless_so_few_subscribers_are_wanted() {
    let Some(bash) = required("bash") else { return };
    for (more, is_warned) in [(&[][..], true), (&["--max-subscribers=100"], false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(&bash);
        command.args(["-c", r#"ulimit -n 1024 && exec "$@""#, "bash"]).arg(binary("hasses"));
        command.args(["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0"]).args(more);
        let running = Running::from_command(&mut command, &folder.path().join("output.log"), "and: ");
        assert_eq!(running.output().contains(WARNING), is_warned, "{}", running.output());
    }
}
