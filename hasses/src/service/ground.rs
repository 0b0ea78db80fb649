//! Who can change what a path leads to: root alone, or others too.
//!
//! Root must not follow what somebody else may have put there, since it could be led to any file of the system.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

/// What a folder is like, for something that is to be made in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Root alone changes what is in it. The folder's path, without links.
    Roots(PathBuf),
    /// Root alone changes which folder it is, but others may put things into it. The folder's path, without links.
    Shared(PathBuf),
    /// Somebody else has a hand in the way to it, or it is missing.
    Others,
}

impl Ground {
    /// Looks at the folder of an absolute path.
    #[must_use]
    pub fn below(path: &Path) -> Self {
        path.parent().filter(|folder| folder.is_absolute()).and_then(walk).unwrap_or(Self::Others)
    }
}

/// Goes the way that the kernel goes, and looks at each folder and link on it. `None` where somebody else has a hand in it.
fn walk(folder: &Path) -> Option<Ground> {
    let mut at = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = VecDeque::new();
    put_before(&mut ahead, folder);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let (here, next) = (fs::symlink_metadata(&at).ok()?, at.join(&name));
        let entry = fs::symlink_metadata(&next).ok()?;
        if !keeps(&here, &entry) {
            return None;
        }
        if entry.is_symlink() {
            links += 1;
            let target = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            put_before(&mut ahead, &target);
        } else {
            at = next;
        }
    }
    let end = fs::symlink_metadata(&at).ok().filter(|end| end.is_dir() && end.uid() == 0)?;
    Some(if is_open(&end) { Ground::Shared(at) } else { Ground::Roots(at) })
}

fn put_before(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        if matches!(component, Component::Normal(_) | Component::ParentDir) {
            ahead.push_front(component.as_os_str().to_owned());
        }
    }
}

/// Whether root alone can put something else in the place of `entry`. In a sticky folder only its owner and the entry's can.
fn keeps(folder: &Metadata, entry: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    folder.uid() == 0 && (!is_open(folder) || (folder.mode() & STICKY != 0 && entry.uid() == 0))
}

/// Whether others than the owner may write. Access control lists show up in the group's bits.
fn is_open(folder: &Metadata) -> bool {
    folder.mode() & 0o022 != 0
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn ground(path: &Path) -> Ground {
        Ground::below(&path.join("x"))
    }

    #[test]
    fn only_a_way_that_is_roots_all_along_is_roots() {
        let temp = tempfile::tempdir().unwrap();
        if !rustix::process::geteuid().is_root() {
            // What belongs to somebody else is never root's.
            assert_eq!(ground(temp.path()), Ground::Others);
            assert_eq!(Ground::below(Path::new("/etc/x")), Ground::Roots("/etc".into()));
            return;
        }
        // The folder for temporary files is sticky: what root makes there stays root's.
        let root = fs::canonicalize(temp.path()).unwrap();
        let make = |name: &str, mode: u32, uid: u32| {
            let path = root.join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            chown(&path, Some(uid), None).unwrap();
            path
        };
        let roots = make("roots", 0o755, 0);
        assert_eq!(ground(&roots), Ground::Roots(roots.clone()));
        assert_eq!(ground(&root.join("roots/../roots/.")), Ground::Roots(roots.clone()));
        let shared = make("shared", 0o775, 0);
        assert_eq!(ground(&shared), Ground::Shared(shared.clone()));
        let sticky = make("sticky", 0o1777, 0);
        assert_eq!(ground(&sticky), Ground::Shared(sticky.clone()));
        let inner = make("sticky/inner", 0o755, 0);
        assert_eq!(ground(&inner), Ground::Roots(inner));
        let theirs = make("theirs", 0o755, 65534);
        assert_eq!(ground(&theirs), Ground::Others);
        for below in ["theirs/inner", "shared/inner", "sticky/theirs/inner"] {
            make(below.rsplit_once('/').unwrap().0, 0o755, 65534);
            fs::set_permissions(&shared, Permissions::from_mode(0o775)).unwrap();
            chown(&shared, Some(0), None).unwrap();
            assert_eq!(ground(&make(below, 0o755, 0)), Ground::Others, "{below}");
        }
        assert_eq!(ground(&root.join("missing")), Ground::Others);

        // Links count by where they lie and where they lead, each of them.
        symlink(&roots, root.join("link")).unwrap();
        assert_eq!(ground(&root.join("link")), Ground::Roots(roots.clone()));
        symlink("../roots", sticky.join("link")).unwrap();
        assert_eq!(ground(&sticky.join("link")), Ground::Roots(roots.clone()));
        symlink(&roots, theirs.join("link")).unwrap();
        assert_eq!(ground(&theirs.join("link")), Ground::Others);
        symlink(theirs.join("link"), root.join("over-theirs")).unwrap();
        assert_eq!(ground(&root.join("over-theirs")), Ground::Others);
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(ground(&root.join("loop")), Ground::Others);
        fs::write(root.join("file"), "").unwrap();
        assert_eq!(ground(&root.join("file")), Ground::Others);
    }
}
