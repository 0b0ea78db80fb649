//! Acting as another user. The users of a process are those of all its threads, so these tests are a program of their own, and
//! run one after the other.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hasses::service::{Group, Owner};
use hasses_tests::runs_as_root;

const USER: u32 = 65533;
const GROUP: u32 = 65532;

/// A user without an entry anywhere, and the right to be the only test that runs.
fn owner() -> Option<(Owner, MutexGuard<'static, ()>)> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !runs_as_root() {
        return None;
    }
    Some((Owner::look_up(Some(&format!("{USER}:{GROUP}"))).expect("a user"), alone))
}

fn ids(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).expect("it is there");
    (found.uid(), found.gid())
}

#[test]
fn what_somebody_else_may_have_put_there_is_neither_followed_nor_handed_over() {
    let Some((owner, _alone)) = owner() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("precious"), "").unwrap();
    fs::create_dir(at("theirs")).unwrap();
    chown(at("theirs"), Some(USER), Some(GROUP)).unwrap();
    for name in ["theirs/link", "link"] {
        symlink(at("precious"), at(name)).unwrap();
        owner.prepare_file(&at(name)).unwrap();
        let write = || OpenOptions::new().append(true).open(at(name));
        let error = owner.make(&at(name), Group::Theirs, write).unwrap_err().to_string();
        assert_eq!(error, format!("Permission denied (os error 13) (tried as user {USER}:{GROUP})"), "{name}");
    }
    // A second name of a file of root's, in a folder to which others may write.
    fs::create_dir(at("shared")).unwrap();
    fs::set_permissions(at("shared"), Permissions::from_mode(0o777)).unwrap();
    fs::hard_link(at("precious"), at("shared/second")).unwrap();
    owner.prepare_file(&at("shared/second")).unwrap();
    assert_eq!(ids(&at("precious")), (0, 0));
    owner.prepare_file(&at("shared/new")).unwrap();
    assert_eq!(ids(&at("shared/new")), (USER, GROUP));
    // A third user's.
    fs::create_dir(at("third")).unwrap();
    chown(at("third"), Some(USER - 1), None).unwrap();
    owner.make(&at("third"), Group::Theirs, || Ok::<_, io::Error>(())).unwrap();
    assert_eq!(ids(&at("third")), (USER - 1, 0));
}

#[test]
fn acting_as_the_user_ends_with_root_again() {
    let Some((owner, _alone)) = owner() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let made = folder.path().join("made");
    owner.act(&made, || fs::write(&made, "")).unwrap();
    assert_eq!(ids(&made), (USER, GROUP));
    let again = folder.path().join("again");
    fs::write(&again, "").unwrap();
    assert_eq!(ids(&again), (0, rustix::process::getegid().as_raw()));
    assert_eq!(rustix::process::geteuid().as_raw(), 0);
}
