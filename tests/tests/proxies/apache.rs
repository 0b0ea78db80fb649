//! Apache.

use std::path::Path;
use std::process::Command;

use hasses_tests::{Configuration, required};

use crate::behaviour::{self, Notices};
use crate::front::{Front, Place, Speech, documented, modules};

/// What Debian switches on by itself, as far as it is needed, and, for the tests, compression.
const MODULES: [&str; 5] = ["mpm_event", "authz_core", "socache_shmcb", "filter", "deflate"];

/// What is around a site: one process, all its files in the test's folder, and everything is compressed that may be.
fn around(place: &Place, site: &str) -> String {
    let folder = modules("/usr/lib/apache2/modules").display();
    let enabled = documented("sh apache-modules").line("a2enmod").to_owned();
    let load: String = MODULES
        .into_iter()
        .chain(["proxy"])
        .chain(enabled.split_whitespace())
        .map(|name| format!("LoadModule {name}_module {folder}/mod_{name}.so\n"))
        .collect();
    let threads = documented("apache threads");
    format!(
        "ServerRoot {0}\nDefaultRuntimeDir {0}\nPidFile {0}/apache.pid\nErrorLog /dev/stderr\nServerName localhost\n\
         {load}{threads}\
         User www-data\nGroup www-data\n\
         Listen {1}\nListen {2}\nSetOutputFilter DEFLATE\n{site}",
        place.path(""),
        place.secured,
        place.plain
    )
}

fn command(apache: &Path, place: &Place, configuration: &str) -> Command {
    let mut command = Command::new(apache);
    command.args(["-X", "-f", &place.write("apache.conf", configuration)]);
    command
}

/// The site with TLS and, as the document says, without.
fn start_with(change: impl FnOnce(&Place, Configuration) -> Configuration) -> Option<Front> {
    let (apache, place) = (required("apache2")?, Place::new()?);
    place.write("hasses-later.asis", &documented("text later.asis").to_string());
    let site = documented("apache site").with("/etc/apache2/hasses-later.asis", place.path("hasses-later.asis"));
    let site = change(&place, site);
    let secured = site
        .clone()
        .with("*:443", place.secured)
        .with("/etc/ssl/www.example.org/fullchain.pem", place.path("fullchain.pem"))
        .with("/etc/ssl/www.example.org/privkey.pem", place.path("privkey.pem"));
    let plain = site.with("*:443", place.plain).to_string();
    let plain = plain.lines().filter(|line| !["SSL", "Protocols"].iter().any(|word| line.trim().starts_with(word)));
    let plain: String = plain.map(|line| format!("{line}\n")).collect();
    let mut command = command(&apache, &place, &around(&place, &format!("{secured}{plain}")));
    Some(place.start(&mut command))
}

fn start() -> Option<Front> {
    start_with(|place, site| site.with("127.0.0.1:8080", place.backend))
}

/// The same with a second in place of its minute.
fn start_impatient() -> Option<Front> {
    start_with(|place, site| site.with("127.0.0.1:8080", place.backend).with("timeout=60", "timeout=1"))
}

#[test]
fn apache_passes_everything_on() {
    let Some(front) = start() else { return };
    behaviour::passes_everything_on(&front, |_| Notices::WhenItSends);
}

#[test]
fn apache_answers_while_the_daemon_is_away() {
    let Some(front) = start() else { return };
    behaviour::answers_while_the_daemon_is_away(&front);
}

#[test]
fn apache_answers_when_the_daemon_does_not() {
    let Some(front) = start_impatient() else { return };
    behaviour::answers_when_nothing_comes(&front);
    // With HTTP/2 it says 500, whatever is configured: the document says so.
    behaviour::answers_when_connections_break(&front, Speech::OneSecured);
}

#[test]
fn apache_keeps_a_quiet_stream_by_its_heartbeats() {
    let Some(front) = start_impatient() else { return };
    behaviour::keeps_a_quiet_stream(&front, Speech::Two, Front::daemon_beating);
}

#[test]
fn apache_shares_a_connection_among_six_streams() {
    let Some(front) = start() else { return };
    behaviour::shares_a_connection(&front, 6);
}

#[test]
fn apache_leaves_the_request_as_it_is() {
    let Some(front) = start() else { return };
    behaviour::leaves_the_request_as_it_is(&front);
}

#[test]
fn apache_goes_over_a_unix_socket() {
    let documented = "ProxyPass \"http://127.0.0.1:8080/sse\" connectiontimeout=2 timeout=60 retry=0";
    let Some(front) = start_with(|place, site| site.with(documented, place.over_unix("apache"))) else { return };
    behaviour::goes_over_a_unix_socket(&front, Notices::WhenItSends);
}

#[test]
fn the_classic_configuration_of_apache_gives_everyone_their_own_events() {
    let Some((apache, place)) = required("apache2").zip(Place::new()) else { return };
    let site = documented("apache classic").with("0.0.0.0:8080", place.backend);
    let mut command = command(&apache, &place, &around(&place, &site.to_string()));
    behaviour::serves_one_after_the_other_as_classic(&place.start(&mut command));
}
