//! A real browser, without a screen, in a folder of its own, and without the network.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::{finish, required, wait_for};

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Debian's `chromium`.
    Chromium,
    /// Debian's `firefox-esr`.
    Firefox,
}

/// Nobody is there: what is not on this machine is for a proxy that does not exist. Neither browser asks its proxy for loopback.
const NO_PROXY: (&str, u16) = ("127.0.0.1", 9);

/// What Firefox shall leave alone: the network, what it says to a first user, and what it makes ready for later.
const FIREFOX_PREFERENCES: [(&str, &str); 10] = [
    ("network.dns.disabled", "true"),
    ("app.update.enabled", "false"),
    ("browser.aboutwelcome.enabled", "false"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("toolkit.telemetry.enabled", "false"),
    // 1: the proxy that is named.
    ("network.proxy.type", "1"),
    ("network.captive-portal-service.enabled", "false"),
    ("browser.newtab.preload", "false"),
    ("dom.ipc.processPrelaunch.enabled", "false"),
];

impl Browser {
    /// What starts it, and the program itself; `None` where one of them was left out by name.
    fn programs(self) -> Option<[PathBuf; 2]> {
        let program = match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox-esr",
        };
        Some([required("setpriv")?, required(program)?])
    }

    /// Whether it is there; `false` where it was left out by name (`tests/run --without`).
    pub(crate) fn is_there(self) -> bool {
        self.programs().is_some()
    }

    /// The folder below its home in which it keeps what it knows.
    fn profile(home: &Path) -> PathBuf {
        home.join("profile")
    }

    fn arguments(self, home: &Path) -> Vec<String> {
        let profile = Self::profile(home).display().to_string();
        let (host, port) = NO_PROXY;
        match self {
            Self::Chromium => vec![
                "--headless".to_owned(),
                // It works neither for root nor in a container, and only pages of these tests are opened.
                "--no-sandbox".to_owned(),
                "--disable-dev-shm-usage".to_owned(),
                "--disable-gpu".to_owned(),
                "--disable-quic".to_owned(),
                "--disable-background-networking".to_owned(),
                "--disable-component-update".to_owned(),
                "--disable-sync".to_owned(),
                "--no-first-run".to_owned(),
                format!("--proxy-server={host}:{port}"),
                format!("--user-data-dir={profile}"),
            ],
            Self::Firefox => ["--headless", "--no-remote", "--profile", &profile].map(str::to_owned).to_vec(),
        }
    }

    /// Writes what it is to find in its profile.
    fn prepare(self, home: &Path) {
        let profile = Self::profile(home);
        std::fs::create_dir(&profile).expect("a folder for its profile");
        if self == Self::Firefox {
            let (host, port) = NO_PROXY;
            let proxy = ["http", "ssl"].map(|scheme| {
                format!(
                    "user_pref(\"network.proxy.{scheme}\", \"{host}\");\n\
                     user_pref(\"network.proxy.{scheme}_port\", {port});\n"
                )
            });
            let others = FIREFOX_PREFERENCES.map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"));
            let preferences = [proxy.concat(), others.concat()].concat();
            std::fs::write(profile.join("user.js"), preferences).expect("its preferences");
        }
    }

    /// Makes it trust an authority. Both keep those of their user in a database of NSS.
    fn trust(self, home: &Path, authority: &str) {
        let file = home.join("authority.pem");
        std::fs::write(&file, authority).expect("a file for the authority");
        let database = match self {
            Self::Chromium => home.join(".pki/nssdb"),
            Self::Firefox => Self::profile(home),
        };
        std::fs::create_dir_all(&database).expect("a folder for its database");
        let certutil = required("certutil").expect("it was not left out: tests of TLS ask first");
        let mut command = Command::new(certutil);
        command.args(["-A", "-n", "authority", "-t", "C,,", "-i"]).arg(file);
        let finished = finish(command.arg("-d").arg(format!("sql:{}", database.display())));
        assert_eq!(finished.code, 0, "{finished:?}");
    }
}

/// A browser that runs with one page; it is gone when dropped, with its folder.
#[derive(Debug)]
pub(crate) struct Window {
    child: Child,
    home: TempDir,
}

impl Window {
    /// Starts a browser that is there, with a page. It trusts `authority` (PEM) if there is one.
    pub(crate) fn open(browser: Browser, authority: Option<&str>, url: &str) -> Self {
        let [guard, program] = browser.programs().expect("it is there");
        let home = tempfile::tempdir().expect("a folder");
        browser.prepare(home.path());
        if let Some(authority) = authority {
            browser.trust(home.path(), authority);
        }
        let output = File::create(home.path().join("output.log")).expect("a file for its output");
        let mut command = Command::new(guard);
        // Also a test program that is killed shall leave no browser behind.
        command.args(["--pdeathsig", "KILL"]).arg(program).args(browser.arguments(home.path())).arg(url);
        command.env_clear().env("HOME", home.path()).env("TMPDIR", home.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("MOZ_CRASHREPORTER_DISABLE", "1");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
        // Its many processes are ended together.
        let child = command.process_group(0).spawn().expect("the browser can be started");
        Self { child, home }
    }

    /// What it has printed: for the message of a test that fails.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.home.path().join("output.log")).unwrap_or_default()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        // Processes that are being killed may still make a file while the folder is removed.
        wait_for("the removal of the browser's folder", || std::fs::remove_dir_all(self.home.path()).ok());
    }
}
