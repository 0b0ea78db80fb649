//! nginx.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use hasses_tests::{Configuration, own_address, required, wait_for};

use crate::behaviour::{self, Notices};
use crate::front::{Front, Place, Speech, documented, modules};

/// What is around the `http` of every test: one process, all its files in the test's folder.
fn around(place: &Place, worker_connections: usize) -> String {
    let main = documented("nginx main")
        .with("worker_rlimit_nofile 100000;\n", "")
        .with("worker_connections 50000", format!("worker_connections {worker_connections}"));
    let modules = modules("/usr/lib/nginx/modules").display();
    format!(
        "master_process off; daemon off; pid {}; error_log stderr info;\n\
         load_module {modules}/ngx_stream_module.so;\n{main}",
        place.path("nginx.pid")
    )
}

/// A whole configuration with this in its `http`.
fn http(place: &Place, worker_connections: usize, inside: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", place.path(kind)))
        .concat();
    let around = around(place, worker_connections);
    format!("{around}http {{\naccess_log off;\n{temporary}{inside}}}\n")
}

fn site(place: &Place) -> Configuration {
    documented("nginx site")
        .with("listen 443 ssl http2;", format!("listen {} ssl http2; listen {};", place.secured, place.plain))
        .with("/etc/ssl/www.example.org/fullchain.pem", place.path("fullchain.pem"))
        .with("/etc/ssl/www.example.org/privkey.pem", place.path("privkey.pem"))
}

fn command(nginx: &Path, place: &Place, configuration: &str) -> Command {
    let mut command = Command::new(nginx);
    command.args(["-e", "stderr", "-c", &place.write("nginx.conf", configuration)]);
    command
}

fn start_with(worker_connections: usize, change: impl FnOnce(&Place, Configuration) -> Configuration) -> Option<Front> {
    let (nginx, place) = (required("nginx")?, Place::new()?);
    let site = change(&place, site(&place));
    // Everything is compressed that may be.
    let inside = format!("gzip on; gzip_types *; gzip_min_length 0;\n{site}");
    let mut command = command(&nginx, &place, &http(&place, worker_connections, &inside));
    Some(place.start(&mut command))
}

fn start() -> Option<Front> {
    start_with(512, |place, site| site.with("127.0.0.1:8080", place.backend))
}

/// The same with a second in place of its minute.
fn start_impatient() -> Option<Front> {
    start_with(512, |place, site| site.with("127.0.0.1:8080", place.backend).with("timeout    60s;", "timeout 1s;"))
}

#[test]
fn nginx_passes_everything_on() {
    let Some(front) = start() else { return };
    behaviour::passes_everything_on(&front, |_| Notices::AtOnce);
}

#[test]
fn nginx_answers_while_the_daemon_is_away() {
    let Some(front) = start() else { return };
    behaviour::answers_while_the_daemon_is_away(&front);
}

#[test]
fn nginx_answers_when_the_daemon_does_not() {
    let Some(front) = start_impatient() else { return };
    behaviour::answers_when_nothing_comes(&front);
    behaviour::answers_when_connections_break(&front, Speech::Two);
}

#[test]
fn nginx_keeps_a_quiet_stream_by_its_heartbeats() {
    let Some(front) = start_impatient() else { return };
    behaviour::keeps_a_quiet_stream(&front, Speech::Two, Front::daemon_beating);
}

#[test]
fn nginx_shares_a_connection_among_many_streams() {
    let Some(front) = start() else { return };
    behaviour::shares_a_connection(&front, 20);
}

#[test]
fn nginx_leaves_the_request_as_it_is() {
    let Some(front) = start() else { return };
    behaviour::leaves_the_request_as_it_is(&front);
}

#[test]
fn nginx_goes_over_a_unix_socket() {
    let change = |place: &Place, site: Configuration| {
        site.with("proxy_pass            http://127.0.0.1:8080;", place.over_unix("nginx"))
    };
    let Some(front) = start_with(512, change) else { return };
    behaviour::goes_over_a_unix_socket(&front, Notices::AtOnce);
}

#[test]
fn nginx_answers_when_it_has_no_connections_left() {
    let Some(front) = start_with(16, |place, site| site.with("127.0.0.1:8080", place.backend)) else { return };
    let mut daemon = front.daemon();
    // On one connection, so that each takes only the one to the daemon, and none is left before its answer.
    let requests = front.requests((0..32).map(|_| "/sse?subscribe=a".to_owned()));
    let bodies = wait_for("all to be answered", || {
        let bodies: Vec<String> = (1..32).map(|number| requests.body(number)).collect();
        bodies.iter().all(|body| body.ends_with("\n\n")).then_some(bodies)
    });
    let begins = |body: &&String| body.starts_with(":\nevent: hasses.cursor\nid: ") && body.ends_with("\ndata: {}\n\n");
    let served = bodies.iter().filter(begins).count();
    let later = bodies.iter().filter(|body| body.starts_with("retry: ") && body.lines().count() == 2).count();
    assert!(served > 0 && later > 0 && served + later == 31, "{bodies:?}");
    daemon.stop();
    let ended = requests.ended();
    assert!(ended.len() == 32 && ended.iter().all(|ended| ended.status == 200), "{ended:?}");
}

#[test]
fn nginx_asks_the_application_who_may_subscribe() {
    let application = own_address();
    let access = documented("nginx access").with("127.0.0.1:8000", application).to_string();
    let (within, beside) = access.split_once("# Beside it:\n").expect("two parts");
    let change = |place: &Place, site: Configuration| {
        site.with("127.0.0.1:8080", place.backend)
            .with("        error_page", format!("{within}error_page"))
            .with("    location @hasses_later", format!("{beside}location @hasses_later"))
    };
    let Some(front) = start_with(512, change) else { return };
    let _daemon = front.daemon();
    behaviour::comes_back_later(front.get(Speech::Two, "/sse?subscribe=mine"));
    let listener = TcpListener::bind(application).expect("the application's address is free");
    listener.set_nonblocking(true).expect("a listener that does not block");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            drop(front.subscribe(Speech::Two, "subscribe=mine"));
            front.get(Speech::Two, "/sse?subscribe=others")
        });
        let (mut connections, mut asked) = (Vec::new(), 0);
        wait_for("both to be answered", || {
            connections.extend(behaviour::accepted(&listener));
            let answer = |head: &str| {
                let may = head.contains("\r\nX-Original-URI: /sse?subscribe=mine\r\n");
                if may { "200 OK" } else { "403 Forbidden" }
            };
            asked += connections.iter_mut().filter_map(|each| behaviour::answered(each, answer)).count();
            client.is_finished().then_some(())
        });
        let refused = client.join().expect("one is served");
        assert!(refused.head.starts_with("http/2 403"), "{}", refused.head);
        assert_eq!(asked, 2);
    });
}

#[test]
fn nginx_passes_tls_on_behind_a_proxy_header() {
    let Some((nginx, place)) = required("nginx").zip(Place::new()) else { return };
    let stream = documented("nginx stream")
        .with("listen 443;", format!("listen {};", place.secured))
        .with("127.0.0.1:8443", place.backend)
        .with("proxy_timeout         60s;", "proxy_timeout 1s;");
    let mut command = command(&nginx, &place, &(around(&place, 512) + &stream.to_string()));
    let secured = place.secured;
    let front = place.start_at(secured, &mut command);
    behaviour::keeps_a_quiet_stream(&front, Speech::OneSecured, |front, heartbeat| {
        front.daemon_with_tls(|config| config.limits.heartbeat = heartbeat)
    });
    let daemon = front.daemon_with_tls(|_| {});
    behaviour::comes_and_goes(&daemon, front.subscribe(Speech::OneSecured, "subscribe=a"), Notices::AtOnce);
}

#[test]
fn the_classic_configuration_of_nginx_gives_everyone_their_own_events() {
    let Some((nginx, place)) = required("nginx").zip(Place::new()) else { return };
    let upstream = documented("nginx classic-upstream").with("127.0.0.1:8080", place.backend);
    let location = documented("nginx classic-location");
    let inside = format!("{upstream}server {{ listen {}; {location} }}\n", place.plain);
    let mut command = command(&nginx, &place, &http(&place, 4096, &inside));
    let plain = place.plain;
    behaviour::serves_one_after_the_other_as_classic(&place.start_at(plain, &mut command));
}

#[test]
fn the_configuration_of_nginx_in_the_readme_does_the_least() {
    let Some((nginx, place)) = required("nginx").zip(Place::new()) else { return };
    let shown = Configuration::of("README.md", "nginx").with("127.0.0.1:8080", place.backend);
    // What a name stands for is in the document; the README says that a number does too.
    let shown = shown.to_string().replace("$hasses_retry", "5000");
    let inside = format!("server {{ listen {}; {shown} }}\n", place.plain);
    let mut command = command(&nginx, &place, &http(&place, 512, &inside));
    let plain = place.plain;
    let front = place.start_at(plain, &mut command);
    behaviour::comes_back_later(front.get(Speech::OnePlain, "/sse?subscribe=a"));
    let daemon = front.daemon();
    behaviour::comes_and_goes(&daemon, front.subscribe(Speech::OnePlain, "subscribe=a"), Notices::AtOnce);
}
