//! A file system of a few mebibytes, which can really be full.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use hasses_tests::runs_as_root;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// A mounted tmpfs; gone when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// One of so many MiB; `None`, and that is said, where this may not be mounted.
    #[expect(clippy::print_stderr, reason = "what is left out shall be seen")]
    pub(crate) fn mount(mebibytes: usize) -> Option<Self> {
        if !runs_as_root() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let options = std::ffi::CString::new(format!("size={mebibytes}m,mode=755")).expect("no NUL in it");
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::NODEV | MountFlags::NOSUID, options.as_c_str()) {
            Ok(()) => Some(Self { folder }),
            Err(Errno::PERM | Errno::ACCESS) => {
                eprintln!("left out: this root may not mount");
                None
            }
            Err(error) => panic!("a tmpfs cannot be mounted: {error}"),
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a file of so many MiB, which can be removed later.
    pub(crate) fn put(&self, name: &str, mebibytes: usize) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, vec![1; mebibytes << 20]).expect("there is room");
        path
    }

    /// Fills it up to its last block with somebody else's data.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.path().join("filling");
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("a file");
        loop {
            match file.write(&[1; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return path,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once, or as soon as the last daemon is gone.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
