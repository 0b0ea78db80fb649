//! Whether the daemon has room: each subscriber is a descriptor.

use std::path::Path;

use hasses_client::StatusReport;

use super::finding::{Check, Finding};
use crate::quantity::{count, counted};

/// Less room than this is a limit that nobody chose: the usual 1,024 descriptors, less what the daemon keeps back.
const LITTLE: u64 = 1_024;

/// The descriptor limit of a process of this machine, soft and hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    soft: u64,
    hard: u64,
}

impl Descriptors {
    /// Those of the daemon; `None` where no process of this machine and number is one. `proc` is usually `/proc`.
    pub(crate) fn of(pid: u32, proc: &Path) -> Option<Self> {
        let folder = proc.join(pid.to_string());
        // On another machine, or in a container, the number is somebody else's.
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        if name.trim() != "hasses" {
            return None;
        }
        Self::parse(&std::fs::read_to_string(folder.join("limits")).ok()?)
    }

    fn parse(limits: &str) -> Option<Self> {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let mut words = line.split_whitespace().map(|word| match word {
            "unlimited" => Some(u64::MAX),
            word => word.parse().ok(),
        });
        Some(Self { soft: words.next()??, hard: words.next()?? })
    }
}

/// Judges the room.
pub(crate) fn judge(status: &StatusReport, descriptors: Option<Descriptors>) -> Finding {
    let limit = |name: &str| status.limits.get(name).copied();
    let Some(room) = limit("max-subscribers").filter(|room| *room > 0) else {
        return Finding::skipped(Check::Descriptors, "the daemon does not say how many subscribers it has room for");
    };
    let there = status.subscribers;
    let of = match descriptors {
        Some(Descriptors { soft, .. }) => format!("room for {} subscribers ({} descriptors)", count(room), count(soft)),
        None => format!("room for {} subscribers", count(room)),
    };
    let turned_away = status.refused_total.saturating_sub(status.refused_by_address_total);
    let seen = if status.accept_pauses_total > 0 {
        let times = counted(status.accept_pauses_total, "time");
        format!("{of}; {times} since its start the daemon ran out of descriptors and stopped accepting for a while")
    } else if turned_away > 0 {
        format!(
            "{of}; {} since its start found none left, and was told to come back later",
            counted(turned_away, "request")
        )
    } else if there.saturating_mul(5) >= room.saturating_mul(4) {
        format!("{of}, of which {} is taken", count(there))
    } else if room < LITTLE {
        format!("{of}, which is little")
    } else {
        let now = match there {
            0 => "nobody is there now".to_owned(),
            1 => "1 is there now".to_owned(),
            _ => format!("{} are there now", count(there)),
        };
        return Finding::ok(Check::Descriptors, format!("{of}, {now}"));
    };
    let finding = Finding::warning(Check::Descriptors, seen);
    let finding = match descriptors {
        // More than what the daemon keeps back for itself is left.
        Some(Descriptors { soft, .. }) if soft > room.saturating_add(LITTLE) => {
            finding.change("--max-subscribers says so: raise it, or leave it out")
        }
        Some(Descriptors { hard, .. }) => finding
            .change(format!("raise the daemon's limit of descriptors, now {}, and start it anew:", count(hard)))
            .change(UNIT),
        None => finding
            .change("raise --max-subscribers where it is set, else the daemon's limit of descriptors:")
            .change(UNIT),
    };
    finding.change("a proxy needs two a subscriber (nginx: worker_rlimit_nofile, worker_connections)")
}

const UNIT: &str = "  LimitNOFILE=65536      # systemd, in [Service]; elsewhere: ulimit -n 65536";

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                          Max cpu time              unlimited            unlimited            seconds   \n\
                          Max open files            20000                unlimited            files     \n";

    #[test]
    fn limits_are_read_of_a_daemon_and_of_nobody_else() {
        let proc = tempfile::tempdir().unwrap();
        let folder = proc.path().join("77");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("limits"), LIMITS).unwrap();
        std::fs::write(folder.join("comm"), "bash\n").unwrap();
        assert_eq!(Descriptors::of(77, proc.path()), None);
        std::fs::write(folder.join("comm"), "hasses\n").unwrap();
        assert_eq!(Descriptors::of(77, proc.path()), Some(Descriptors { soft: 20_000, hard: u64::MAX }));
        assert_eq!(Descriptors::of(78, proc.path()), None);
        assert_eq!(Descriptors::parse("Max open files"), None);
    }

    #[test]
    fn room_is_judged() {
        let status = |room: u64, subscribers| StatusReport {
            limits: [("max-subscribers".to_owned(), room)].into(),
            subscribers,
            ..StatusReport::default()
        };
        let descriptors = Some(Descriptors { soft: 20_000, hard: 20_000 });
        for (status, descriptors, verdict, part, change) in [
            (
                status(19_616, 7),
                descriptors,
                Verdict::Ok,
                "room for 19,616 subscribers (20,000 descriptors), 7 are there now",
                "",
            ),
            (status(19_616, 1), None, Verdict::Ok, "room for 19,616 subscribers, 1 is there now", ""),
            (status(19_616, 16_000), descriptors, Verdict::Warning, "of which 16,000 is taken", "now 20,000"),
            (status(100, 1), descriptors, Verdict::Warning, "which is little", "--max-subscribers says so"),
            (status(700, 1), Some(Descriptors { soft: 1_024, hard: 4_096 }), Verdict::Warning, "little", "LimitNOFILE"),
            (status(700, 1), None, Verdict::Warning, "little", "LimitNOFILE"),
            (
                StatusReport { accept_pauses_total: 1, ..status(19_616, 1) },
                descriptors,
                Verdict::Warning,
                "1 time since its start the daemon ran out",
                "ulimit",
            ),
            (
                StatusReport { refused_total: 2, ..status(19_616, 1) },
                descriptors,
                Verdict::Warning,
                "2 requests since its start",
                "ulimit",
            ),
            (
                StatusReport { refused_total: 2, refused_by_address_total: 2, ..status(19_616, 1) },
                descriptors,
                Verdict::Ok,
                "room",
                "",
            ),
            (StatusReport::default(), descriptors, Verdict::Skipped, "does not say", ""),
        ] {
            let finding = judge(&status, descriptors);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
            assert!(finding.change.join("\n").contains(change), "{finding:?}");
        }
    }
}
