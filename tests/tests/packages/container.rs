//! The container's command line, user and health check, read from the Containerfile and tried with the real programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Publisher, Running, Subscriber, binary, finish, free_port, required};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::daemon_crate;

/// What the last stage of the Containerfile says.
struct Image {
    /// The two programs, where everybody can reach them.
    folder: TempDir,
    /// What stands behind each instruction.
    instructions: Vec<(String, String)>,
    /// What precedes a program, so that it runs as the image's user.
    prefix: Vec<String>,
}

impl Image {
    /// `None` where `setpriv` was left out and is needed.
    fn read() -> Option<Self> {
        let text = fs::read_to_string(daemon_crate().join("packaging/container/Containerfile")).expect("it is there");
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
        let lines = lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect::<Vec<_>>();
        let last = lines.iter().rposition(|(name, _)| name == "FROM").expect("a stage");
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        // A process of its own copies: a file that this one has open for writing cannot be executed.
        let copied = finish(Command::new("cp").args(["hasses", "hasses-ctl"].map(binary)).arg(folder.path()));
        assert_eq!(copied.code, 0, "{}", copied.stderr);
        let mut image = Self { folder, instructions: lines[last..].to_vec(), prefix: Vec::new() };
        if geteuid().is_root() {
            let setpriv = required("setpriv")?.display().to_string();
            let (user, group) = image.said("USER").split_once(':').expect("USER names user and group");
            let drop = [format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()];
            image.prefix = [setpriv].into_iter().chain(drop).collect();
        }
        Some(image)
    }

    fn said(&self, instruction: &str) -> &str {
        let mut found = self.instructions.iter().filter(|(name, _)| name == instruction);
        let rest = &found.next().unwrap_or_else(|| panic!("there is no {instruction}")).1;
        assert!(found.next().is_none(), "there are two of {instruction}");
        rest
    }

    fn list(&self, instruction: &str) -> Vec<String> {
        serde_json::from_str(self.said(instruction)).unwrap_or_else(|error| panic!("{instruction}: {error}"))
    }

    /// A command of the image, as its user, in the image's environment. These ports are in place of 8080 and 8085.
    fn command(&self, words: &[String], [port, control]: [u16; 2]) -> Command {
        let program = Path::new(&words[0]);
        assert_eq!(program.parent(), Some(Path::new("/usr/local/bin")), "where the image has its programs");
        let program = self.folder.path().join(program.file_name().expect("a name"));
        let on_ports = |text: &str| text.replace("8080", &port.to_string()).replace("8085", &control.to_string());
        let mut whole = self.prefix.iter().cloned().chain([program.display().to_string()]);
        let mut command = Command::new(PathBuf::from(whole.next().expect("a program")));
        command.args(whole).args(words[1..].iter().map(|word| on_ports(word)));
        command.current_dir("/").env_clear();
        for (_, variable) in self.instructions.iter().filter(|(name, _)| name == "ENV") {
            let (name, value) = variable.split_once('=').expect("NAME=VALUE");
            command.env(name, on_ports(value));
        }
        command
    }

    /// Runs the container with these arguments, or with its own.
    fn run(&self, arguments: Option<&[&str]>) -> (Running, [u16; 2]) {
        let given = arguments.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        let words = [self.list("ENTRYPOINT"), given.unwrap_or_else(|| self.list("CMD"))].concat();
        // Ports are looked for, and others where somebody was quicker.
        for _ in 0..20 {
            let ports = [free_port(), free_port()];
            let log = self.folder.path().join("output.log");
            match Running::try_from_command(&mut self.command(&words, ports), &log, "it has no authentication") {
                Ok(running) => return (running, ports),
                Err(output) => assert!(output.contains("Address already in use"), "{output}"),
            }
        }
        panic!("there was no pair of free ports in 20 attempts");
    }

    /// The exit code of the health check.
    fn health(&self, ports: [u16; 2]) -> i32 {
        let words = self.said("HEALTHCHECK").strip_prefix("CMD ").expect("a command");
        let words: Vec<String> = serde_json::from_str(words).expect("a list");
        finish(&mut self.command(&words, ports)).code
    }
}

fn an_event_arrives([port, control]: [u16; 2]) {
    let mut subscriber = Subscriber::connect(&format!("127.0.0.1:{port}"), "subscribe=room624");
    Publisher::tcp(&format!("127.0.0.1:{control}")).write("room624=from a publisher of the classic daemon\n");
    assert_eq!(subscriber.data(), "from a publisher of the classic daemon");
}

#[test]
fn the_container_serves_by_itself_as_the_classic_one_did() {
    let Some(image) = Image::read() else { return };
    let (running, ports) = image.run(None);
    an_event_arrives(ports);
    assert_eq!(image.health(ports), 0);
    drop(running);
    assert_eq!(image.health(ports), 3, "the daemon is gone");
}

#[test]
fn the_container_takes_the_classic_command_line() {
    let Some(image) = Image::read() else { return };
    let arguments = ["-p=8080", "-cp=8085", "-murl=/sse", "-nodaemon", "-debug", "-sep=;", "-ra"];
    let (_running, ports) = image.run(Some(&arguments));
    an_event_arrives(ports);
    let mut publisher = Publisher::tcp(&format!("127.0.0.1:{}", ports[1]));
    publisher.write("tcpstatus;");
    assert_eq!(publisher.answer()["loglevel"], 2);
}

#[test]
fn the_container_runs_as_nobody_and_names_the_ports_of_its_command_line() {
    let Some(image) = Image::read() else { return };
    assert_eq!(image.said("USER"), "65534:65534");
    let arguments = image.list("CMD");
    for port in image.said("EXPOSE").split(' ') {
        assert!(arguments.iter().any(|word| word.ends_with(&format!("p={port}"))), "{port} in {arguments:?}");
    }
    let (running, _) = image.run(None);
    if geteuid().is_root() {
        let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("its state");
        for line in ["Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n"] {
            assert!(status.contains(line), "{line:?} is not in {status}");
        }
    }
}
