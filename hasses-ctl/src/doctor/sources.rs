//! Who may give commands to the daemon.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::finding::{Check, Finding};
use super::reach::list;

/// What others may do with a file or folder.
const OTHERS_WRITE: u32 = 0o002;
const OTHERS_ENTER: u32 = 0o001;

/// Judges every source; one finding where all are well.
pub(crate) fn judge(sources: &[String]) -> Vec<Finding> {
    let (mut findings, mut well, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        match exposure(source) {
            Exposure::Machine => well.push(format!("{source} (every process of that machine)")),
            Exposure::Users => well.push(format!("{source} (its own user and group alone)")),
            Exposure::Unseen => unseen.push(source.clone()),
            Exposure::Everybody { mode } => findings.push(
                Finding::warning(
                    Check::Sources,
                    format!(
                        "every user of this machine may write to {source} (mode {mode:04o}), and so send to all \
                         browsers"
                    ),
                )
                .change("let one group in alone, the one that your backend runs as; a flag of hasses:")
                .change(format!("  --control '{source}?mode=0660&group=www-data'")),
            ),
            Exposure::Network => findings.push(
                Finding::warning(
                    Check::Sources,
                    format!(
                        "whoever reaches {source} may send to all browsers and see who listens: it asks nobody who \
                         they are"
                    ),
                )
                .change(
                    "let it listen on 127.0.0.1, or use a Unix socket; if it has to be reached, let a firewall name \
                     by whom",
                ),
            ),
        }
    }
    if !well.is_empty() {
        findings.push(Finding::ok(Check::Sources, format!("commands come from {}", list(well.into_iter()))));
    }
    if !unseen.is_empty() {
        findings.push(Finding::skipped(
            Check::Sources,
            format!("{} cannot be looked at from here", list(unseen.into_iter())),
        ));
    }
    findings
}

/// Who is let in.
#[derive(Debug, PartialEq, Eq)]
enum Exposure {
    /// The user and group of the file.
    Users,
    /// Every user of the machine, by the mode of the file.
    Everybody {
        /// Its mode.
        mode: u32,
    },
    /// The machine, as far as TCP can tell.
    Machine,
    /// Other machines.
    Network,
    /// It is not here.
    Unseen,
}

fn exposure(source: &str) -> Exposure {
    if let Some(address) = source.strip_prefix("tcp://") {
        return match address.parse::<SocketAddr>() {
            Ok(address) if address.ip().to_canonical().is_loopback() => Exposure::Machine,
            Ok(_) => Exposure::Network,
            Err(_) => Exposure::Unseen,
        };
    }
    for scheme in ["unix://", "fifo://"] {
        let Some(path) = source.strip_prefix(scheme) else { continue };
        let Ok(metadata) = std::fs::metadata(path) else { return Exposure::Unseen };
        let mode = metadata.permissions().mode() & 0o7777;
        let open = mode & OTHERS_WRITE != 0 && folders_let_others_in(Path::new(path));
        return if open { Exposure::Everybody { mode } } else { Exposure::Users };
    }
    Exposure::Unseen
}

fn folders_let_others_in(path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .filter(|folder| !folder.as_os_str().is_empty())
        .all(|folder| std::fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_ENTER != 0))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::net::UnixListener;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_anybody_may_write_to_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let source = format!("unix://{}", path.display());
        for (of_folder, of_socket, expected) in [
            (0o755, 0o600, Exposure::Users),
            (0o755, 0o660, Exposure::Users),
            (0o755, 0o666, Exposure::Everybody { mode: 0o666 }),
            (0o750, 0o666, Exposure::Users),
        ] {
            set_permissions(folder.path(), Permissions::from_mode(of_folder)).unwrap();
            set_permissions(&path, Permissions::from_mode(of_socket)).unwrap();
            assert_eq!(exposure(&source), expected, "{of_folder:o} {of_socket:o}");
        }
        for (source, expected) in [
            ("tcp://127.0.0.1:8085", Exposure::Machine),
            ("tcp://[::1]:8085", Exposure::Machine),
            ("tcp://0.0.0.0:8085", Exposure::Network),
            ("tcp://192.0.2.1:8085", Exposure::Network),
            ("fifo:///nonexistent/fifo", Exposure::Unseen),
            ("nats://x", Exposure::Unseen),
        ] {
            assert_eq!(exposure(source), expected, "{source}");
        }
    }

    #[test]
    fn each_exposed_source_is_a_finding_of_its_own() {
        let sources =
            ["tcp://0.0.0.0:1", "tcp://127.0.0.1:2", "tcp://[::]:3", "unix:///nonexistent"].map(str::to_owned);
        let findings = judge(&sources);
        let verdicts: Vec<_> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Warning, Verdict::Warning, Verdict::Ok, Verdict::Skipped]);
        assert!(findings[2].seen.contains("tcp://127.0.0.1:2 (every process"), "{findings:?}");
    }
}
