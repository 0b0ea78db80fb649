//! Caddy.

use std::process::Command;

use hasses_tests::{Configuration, required};

use crate::behaviour::{self, Notices};
use crate::front::{Front, Place, SITE, Speech, documented};

fn start_with(change: impl FnOnce(&Place, Configuration) -> Configuration) -> Option<Front> {
    let (caddy, place) = (required("caddy")?, Place::new()?);
    // Else it would ask for a certificate, and listen for that on ports that are not the test's.
    let options = "{\nadmin off\nauto_https disable_redirects\n}\n";
    let site = change(&place, documented("caddy site"));
    let [certificate, key] = ["fullchain.pem", "privkey.pem"].map(|name| place.path(name));
    let head =
        format!("https://{SITE}:{} {{\nbind {}\ntls {certificate} {key}\n", place.secured.port(), place.secured.ip());
    let secured = site.clone().with("www.example.org {", head);
    let head = format!("http://{SITE}:{} {{\nbind {}\n", place.plain.port(), place.plain.ip());
    let plain = site.with("www.example.org {", head);
    let mut command = Command::new(caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command.arg(place.write("Caddyfile", &format!("{options}{secured}{plain}")));
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(variable, place.path("home"));
    }
    Some(place.start(&mut command))
}

fn start() -> Option<Front> {
    start_with(|place, site| site.with("127.0.0.1:8080", place.backend))
}

#[test]
fn caddy_passes_everything_on() {
    let Some(front) = start() else { return };
    behaviour::passes_everything_on(&front, |_| Notices::AtOnce);
}

#[test]
fn caddy_answers_while_the_daemon_is_away() {
    let Some(front) = start() else { return };
    behaviour::answers_while_the_daemon_is_away(&front);
}

#[test]
fn caddy_answers_when_the_daemon_does_not() {
    let change = |place: &Place, site: Configuration| {
        site.with("127.0.0.1:8080", place.backend).with("response_header_timeout 10s", "response_header_timeout 1s")
    };
    let Some(front) = start_with(change) else { return };
    behaviour::answers_when_nothing_comes(&front);
    behaviour::answers_when_connections_break(&front, Speech::Two);
}

#[test]
fn caddy_shares_a_connection_among_many_streams() {
    let Some(front) = start() else { return };
    behaviour::shares_a_connection(&front, 20);
}

#[test]
fn caddy_leaves_the_request_as_it_is() {
    let Some(front) = start() else { return };
    behaviour::leaves_the_request_as_it_is(&front);
}

#[test]
fn caddy_goes_over_a_unix_socket() {
    let change =
        |place: &Place, site: Configuration| site.with("reverse_proxy 127.0.0.1:8080 {", place.over_unix("caddy"));
    let Some(front) = start_with(change) else { return };
    behaviour::goes_over_a_unix_socket(&front, Notices::AtOnce);
}
