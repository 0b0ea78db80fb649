//! HAProxy.

use std::path::Path;
use std::process::Command;

use hasses_tests::{Configuration, required};

use crate::behaviour::{self, Notices};
use crate::front::{Front, Place, Speech, documented};

fn command(haproxy: &Path, place: &Place, configuration: &Configuration) -> Command {
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", &place.write("haproxy.cfg", &configuration.to_string())]);
    command
}

fn start_with(change: impl FnOnce(&Place, Configuration) -> Configuration) -> Option<Front> {
    let (haproxy, place) = (required("haproxy")?, Place::new()?);
    let bind = format!("bind {}\n    bind {} ssl crt {} ", place.plain, place.secured, place.path("both.pem"));
    let site = documented("haproxy site")
        .with("maxconn 50000", "maxconn 100")
        .with("bind :443 ssl crt /etc/haproxy/www.example.org.pem ", bind);
    let site = change(&place, site);
    let mut command = command(&haproxy, &place, &site);
    Some(place.start(&mut command))
}

fn start() -> Option<Front> {
    start_with(|place, site| site.with("127.0.0.1:8080", place.backend))
}

/// The same with a second in place of its minute.
fn start_impatient() -> Option<Front> {
    start_with(|place, site| site.with("127.0.0.1:8080", place.backend).with("       60s", " 1s"))
}

/// Without HTTP/2 it looks for a client's leaving only when it writes.
fn notices(speech: Speech) -> Notices {
    if speech == Speech::Two { Notices::AtOnce } else { Notices::WhenItSends }
}

#[test]
fn haproxy_passes_everything_on() {
    let Some(front) = start() else { return };
    behaviour::passes_everything_on(&front, notices);
}

#[test]
fn haproxy_answers_while_the_daemon_is_away() {
    let Some(front) = start() else { return };
    behaviour::answers_while_the_daemon_is_away(&front);
}

#[test]
fn haproxy_answers_when_the_daemon_does_not() {
    let Some(front) = start_impatient() else { return };
    behaviour::answers_when_nothing_comes(&front);
    // With HTTP/2 it resets the stream: browsers come back from that by themselves.
    behaviour::answers_when_connections_break(&front, Speech::OneSecured);
}

#[test]
fn haproxy_keeps_a_quiet_stream_by_its_heartbeats() {
    let Some(front) = start_impatient() else { return };
    behaviour::keeps_a_quiet_stream(&front, Speech::Two, Front::daemon_beating);
}

#[test]
fn haproxy_shares_a_connection_among_many_streams() {
    let Some(front) = start() else { return };
    behaviour::shares_a_connection(&front, 20);
}

#[test]
fn haproxy_leaves_the_request_as_it_is() {
    let Some(front) = start() else { return };
    behaviour::leaves_the_request_as_it_is(&front);
}

#[test]
fn haproxy_goes_over_a_unix_socket() {
    let change =
        |place: &Place, site: Configuration| site.with("server hasses 127.0.0.1:8080", place.over_unix("haproxy"));
    let Some(front) = start_with(change) else { return };
    behaviour::goes_over_a_unix_socket(&front, Notices::AtOnce);
}

#[test]
fn haproxy_says_in_a_proxy_header_who_the_client_is() {
    let change = |place: &Place, site: Configuration| {
        let server = format!("server hasses {} send-proxy-v2", place.backend);
        site.with("    option forwardfor\n", "").with("server hasses 127.0.0.1:8080", server)
    };
    let Some(front) = start_with(change) else { return };
    let daemon = front.daemon_with(|config| config.proxies.header = true);
    for speech in Speech::ALL {
        behaviour::comes_and_goes(&daemon, front.subscribe(speech, "subscribe=a"), notices(speech));
    }
}

#[test]
fn haproxy_passes_tls_on_behind_a_proxy_header_of_either_version() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let Some((haproxy, place)) = required("haproxy").zip(Place::new()) else { return };
        let tcp = documented("haproxy tcp")
            .with("bind :443", format!("bind {}", place.secured))
            .with("127.0.0.1:8443", place.backend)
            .with(" 60s", " 1s")
            .with("send-proxy-v2", version);
        let mut command = command(&haproxy, &place, &tcp);
        let secured = place.secured;
        let front = place.start_at(secured, &mut command);
        if version == "send-proxy-v2" {
            behaviour::keeps_a_quiet_stream(&front, Speech::OneSecured, |front, heartbeat| {
                front.daemon_with_tls(|config| config.limits.heartbeat = heartbeat)
            });
        }
        let daemon = front.daemon_with_tls(|_| {});
        behaviour::comes_and_goes(&daemon, front.subscribe(Speech::OneSecured, "subscribe=a"), Notices::AtOnce);
    }
}
