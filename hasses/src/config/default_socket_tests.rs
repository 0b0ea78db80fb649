use std::os::unix::fs::symlink;

use super::*;

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// As for a user who is not root, whoever runs the tests.
fn private(folder: PathBuf, uid: u32) -> DefaultSocket {
    DefaultSocket { folder, visitors: Visitors::Only(uid) }
}

fn environment(uid: u32, service: Option<&str>, runtime: Option<&str>, temp: &str) -> Environment {
    let folder = |folder: Option<&str>| folder.map(PathBuf::from);
    Environment { uid, service_dir: folder(service), runtime_dir: folder(runtime), temp_dir: temp.into(), cores: 2 }
}

#[test]
fn the_place_depends_on_the_user_and_the_runtime_folder() {
    for (uid, service, runtime, temp, url) in [
        (0, None, None, "/tmp", "unix:///run/hasses/control.sock"),
        (0, None, Some("/run/user/0"), "/tmp", "unix:///run/hasses/control.sock"),
        (0, Some("/run/blue"), None, "/tmp", "unix:///run/blue/control.sock"),
        (1000, None, Some("/run/user/1000"), "/tmp", "unix:///run/user/1000/hasses/control.sock"),
        (1000, Some("/run/hasses"), Some("/run/user/1000"), "/tmp", "unix:///run/hasses/control.sock"),
        (1000, Some(""), None, "/tmp", "unix:///tmp/hasses-1000/control.sock"),
        (1000, None, Some(""), "/tmp", "unix:///tmp/hasses-1000/control.sock"),
        (1000, None, Some("run"), "/var/tmp", "unix:///var/tmp/hasses-1000/control.sock"),
    ] {
        let socket = DefaultSocket::choose(&environment(uid, service, runtime, temp));
        assert_eq!(socket.source().unwrap().to_string(), url);
        assert_eq!(socket.is_looked_for(), !url.contains("blue"));
    }
}

#[test]
fn a_place_that_no_url_can_name_is_an_error_with_a_way_out() {
    for (temp, part) in
        [("tmp", "not an absolute path"), ("/a?b", "?"), ("/a\nb", "control character"), ("/a?mode=0666", "?")]
    {
        let error = DefaultSocket::choose(&environment(1000, None, None, temp)).source().expect_err(temp);
        assert!(error.text.contains(part) && error.text.contains("--control unix:///PATH"), "{error}");
        assert_eq!(error.exit_code, 1);
    }
}

#[test]
fn the_folder_is_made_for_its_owner_alone_and_taken_again() {
    let temp = tempfile::tempdir().unwrap();
    let socket = private(temp.path().join("hasses"), own_uid());
    assert_eq!(socket.check_folder(), Ok(()));
    assert!(!socket.folder.exists(), "a check makes nothing");
    assert_eq!(socket.make_folder(), Ok(()));
    assert_eq!(mode(&socket.folder), 0o700);
    assert_eq!(socket.make_folder(), Ok(()));
}

#[test]
fn the_folder_of_root_is_for_anybody() {
    let temp = tempfile::tempdir().unwrap();
    let socket = DefaultSocket { folder: temp.path().join("hasses"), visitors: Visitors::Anybody };
    assert_eq!(socket.make_folder(), Ok(()));
    assert_eq!(mode(&socket.folder), 0o755);
    fs::set_permissions(&socket.folder, Permissions::from_mode(0o750)).unwrap();
    assert_eq!(socket.make_folder(), Ok(()));
    assert_eq!(mode(&socket.folder), 0o750, "a folder that is there is left as it is");
}

#[test]
fn what_somebody_else_may_have_put_there_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    fs::create_dir(at("open")).unwrap();
    fs::set_permissions(at("open"), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(at("own")).unwrap();
    fs::set_permissions(at("own"), Permissions::from_mode(0o700)).unwrap();
    symlink(at("own"), at("link")).unwrap();
    fs::write(at("file"), "").unwrap();
    let error = private(at("missing/hasses"), own_uid()).check_folder().unwrap_err();
    assert!(error.text.contains("cannot be made"), "{error}");
    for (name, uid, part) in [
        ("open", own_uid(), "is open to other users (mode 0755, where 0700 is wanted)"),
        ("own", own_uid() + 1, "belongs to user"),
        ("link", own_uid(), "is a symbolic link"),
        ("file", own_uid(), "is no folder"),
        ("missing/hasses", own_uid(), "cannot be made"),
    ] {
        let error = private(at(name), uid).make_folder().expect_err(name);
        assert!(error.text.contains(part) && error.text.contains("--control unix:///PATH"), "{name}: {error}");
        assert_eq!(error.exit_code, 1);
    }
    assert_eq!(mode(&at("open")), 0o755);
}
