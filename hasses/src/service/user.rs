//! The user that the daemon becomes: `--user NAME[:GROUP]`.
//!
//! Nothing here is decided about files; that is [`Owner`](super::Owner)'s.

use std::ffi::CString;
use std::io;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Group, Uid};

/// A user with its groups, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it was asked for: `www-data`, `www-data:adm`.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its primary group, or the one that was asked for in its place.
    pub gid: u32,
    /// All its groups, with that one.
    groups: Vec<Gid>,
}

impl User {
    /// Looks up whom to become; `None` where the process is that user already.
    ///
    /// # Errors
    /// There is no such user or group, or only root could become it.
    pub fn look_up(text: &str) -> Result<Option<Self>, String> {
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let group = group.map(|group| group_id(text, group)).transpose()?;
        let entry = entry(text, name)?;
        let (uid, gid) = match (&entry, name.parse().ok(), group) {
            (Some(entry), _, group) => (entry.uid, group.unwrap_or(entry.gid)),
            (None, Some(uid), Some(gid)) => (Uid::from_raw(uid), gid),
            (None, Some(uid), None) => {
                return Err(format!("user {text}: number {uid} has no entry on this system; write {uid}:GROUP"));
            }
            (None, None, _) => return Err(format!("user {text}: there is no user {name:?} on this system")),
        };
        let me = unistd::geteuid();
        if !me.is_root() {
            if uid == me && (group.is_none() || gid == unistd::getegid()) {
                return Ok(None);
            }
            return Err(format!(
                "user {text}: only root can become another user, and the daemon is started by user {me}; \
                 start it as root, or leave --user out"
            ));
        }
        if uid.is_root() && group.is_none() {
            return Ok(None);
        }
        let groups = match entry {
            Some(entry) => {
                let name = CString::new(entry.name).map_err(|error| format!("user {text}: {error}"))?;
                unistd::getgrouplist(&name, gid).map_err(|error| format!("user {text}: its groups: {error}"))?
            }
            None => vec![gid],
        };
        Ok(Some(Self { name: text.to_owned(), uid: uid.as_raw(), gid: gid.as_raw(), groups }))
    }

    /// Does something as this user, and is root again.
    ///
    /// # Errors
    /// The system does not let the process become this user.
    pub fn act<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        let root = Root { groups: unistd::getgroups()?, gid: unistd::getegid() };
        let disguised = unistd::setgroups(&self.groups)
            .and_then(|()| unistd::setegid(Gid::from_raw(self.gid)))
            .and_then(|()| unistd::seteuid(Uid::from_raw(self.uid)));
        let done = disguised.map(|()| act());
        drop(root);
        Ok(done?)
    }

    /// Becomes this user for good.
    ///
    /// # Errors
    /// The system refuses, or there would be a way back.
    pub fn become_it(&self) -> Result<(), String> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        unistd::setgroups(&self.groups)
            .and_then(|()| unistd::setgid(gid))
            .and_then(|()| unistd::setuid(uid))
            .map_err(|error| format!("cannot become user {}: {error}", self.name))?;
        let is_it = unistd::getresuid().is_ok_and(|now| [now.real, now.effective, now.saved] == [uid; 3])
            && unistd::getresgid().is_ok_and(|now| [now.real, now.effective, now.saved] == [gid; 3])
            && unistd::getgroups().is_ok_and(|now| now.iter().all(|group| self.groups.contains(group)));
        // A way back would be one for whoever takes the daemon over, too.
        let may_return = !uid.is_root() && unistd::setuid(Uid::from_raw(0)) != Err(Errno::EPERM);
        if is_it && !may_return { Ok(()) } else { Err(format!("cannot become user {} for good", self.name)) }
    }
}

/// Root's own numbers, taken up again when this is dropped.
struct Root {
    groups: Vec<Gid>,
    gid: Gid,
}

impl Drop for Root {
    fn drop(&mut self) {
        let back = unistd::seteuid(Uid::from_raw(0))
            .and_then(|()| unistd::setegid(self.gid))
            .and_then(|()| unistd::setgroups(&self.groups));
        if back.is_err() {
            // Half somebody else, everything further would be done with rights that nobody meant.
            std::process::abort();
        }
    }
}

fn entry(text: &str, name: &str) -> Result<Option<unistd::User>, String> {
    let found = match (unistd::User::from_name(name), name.parse()) {
        (Ok(None), Ok(uid)) => unistd::User::from_uid(Uid::from_raw(uid)),
        (found, _) => found,
    };
    found.map_err(|error| format!("user {text}: looking it up failed: {error}"))
}

fn group_id(text: &str, name: &str) -> Result<Gid, String> {
    match (Group::from_name(name), name.parse()) {
        (Ok(Some(group)), _) => Ok(group.gid),
        (Ok(None), Ok(gid)) => Ok(Gid::from_raw(gid)),
        (Ok(None), Err(_)) => Err(format!("user {text}: there is no group {name:?} on this system")),
        (Err(error), _) => Err(format!("user {text}: looking the group up failed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_named_and_who_needs_a_group_is_told() {
        for (text, part) in [
            ("no-such-user", "user no-such-user: there is no user \"no-such-user\" on this system"),
            ("root:no-such-group", "there is no group \"no-such-group\" on this system"),
            ("3141592", "number 3141592 has no entry on this system; write 3141592:GROUP"),
        ] {
            let error = User::look_up(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn whoever_it_is_already_needs_not_become_it() {
        let me = unistd::User::from_uid(unistd::geteuid()).unwrap().expect("whoever runs tests has an entry");
        assert_eq!(User::look_up(&me.name), Ok(None));
        assert_eq!(User::look_up(&me.uid.to_string()), Ok(None));
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        let found = User::look_up("3141592:2718281");
        if unistd::geteuid().is_root() {
            let user = found.unwrap().expect("somebody else");
            assert_eq!((user.uid, user.gid, user.groups), (3_141_592, 2_718_281, vec![Gid::from_raw(2_718_281)]));
        } else {
            assert!(found.unwrap_err().contains("only root can become another user"));
        }
    }
}
