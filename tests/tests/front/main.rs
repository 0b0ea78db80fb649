//! What stands in front of the daemon: proxies that say for whom they come, limits for each of those, and health checks.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod address_limit;
mod forwarded_for;
mod health;
mod proxy_header;

use hasses::config::Config;
use hasses_tests::{Stream, Subscriber, TestDaemon};
use serde_json::json;

/// Trusts whoever connects from these.
fn trust(config: &mut Config, proxies: &[&str]) {
    config.proxies.trusted = proxies.iter().map(|proxy| proxy.parse().expect("a proxy")).collect();
}

/// The address of the subscriber with this id, as the client list shows it.
fn address_of(daemon: &TestDaemon, id: &str) -> String {
    let answer = daemon.publisher().ask(&json!({"cmd": "clients"}));
    let clients = answer["clients"].as_array().expect("a list");
    let client = clients.iter().find(|client| client["id"] == id).unwrap_or_else(|| panic!("no {id} in {answer}"));
    client["address"].as_str().expect("text").to_owned()
}

/// A request for a subscription, with further header lines.
fn request(query: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
}

/// Subscribes on a connection that begins with these bytes.
fn subscribe_behind(daemon: &TestDaemon, beginning: impl AsRef<[u8]>, query: &str) -> Subscriber {
    let mut stream: Stream = daemon.connect();
    stream.send(beginning);
    stream.send(request(query, &[]));
    stream.subscribed()
}
