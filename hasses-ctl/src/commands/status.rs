//! `status`: settings, figures and counters, in groups.

use hasses_client::StatusReport;
use hasses_client::blocking::Client;
use hasses_client::wire::Reply;

use crate::output::{End, Output};
use crate::quantity::{bytes, count, counted, duration};
use crate::table::legible;

/// Asks for the status and prints it.
pub(crate) fn run(client: &Client, out: &mut Output) -> Result<(), End> {
    let status = client.status()?;
    let colour = out.colour();
    let text = text(&status, colour);
    out.answer(&Reply::Status(Box::new(status)), || text)
}

/// The groups, one line a value; counters that are zero and tell of trouble are left out.
fn text(status: &StatusReport, colour: bool) -> String {
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join("  ") };
    let level = status.log_level.map_or_else(|| "unknown".to_owned(), |level| level.to_string());
    let daemon = vec![
        ("version", format!("{} (compiled {})", status.version, status.compiled)),
        ("process", format!("{}, user {}", status.pid, status.uid)),
        ("running", format!("{} since {}", duration(status.uptime_seconds), status.started_at)),
        ("subscribers at", list(&status.listen)),
        ("control", list(&status.sources)),
        ("TLS", switch(status.tls)),
        ("log level", level),
        ("re-init", switch(status.reinit)),
        ("event log", status.log_directory.clone().unwrap_or_else(|| "in memory".to_owned())),
        ("CORS origins", list(&status.cors_origins)),
        ("shards", count(status.shards)),
    ];
    let mut now = vec![
        ("connections", format!("{}, at most {} so far", count(status.connections), count(status.connections_peak))),
        ("subscribers", format!("{} of {}", count(status.subscribers), counted(status.topics, "topic"))),
        ("queued", bytes(status.queued_bytes)),
        ("control connections", count(status.control_connections)),
        ("newest event", status.position.to_string()),
        ("oldest event kept", status.oldest.to_string()),
        ("events kept", format!("{} in {}", count(status.log_events), bytes(status.log_bytes))),
    ];
    if status.behind > 0 {
        now.push(("slow, behind", count(status.behind)));
    }
    if status.draining {
        now.push(("ending", "streams end one by one".to_owned()));
    }
    let mut since_start = vec![
        ("messages", count(status.messages_total)),
        ("deliveries", count(status.deliveries_total)),
        ("subscriptions", count(status.subscribed_total)),
    ];
    since_start.extend(
        [
            ("re-inits", status.reinits_total),
            ("messages to nobody", status.unmatched_total),
            ("commands refused", status.refused_commands_total),
            ("invalid UTF-8 replaced", status.repaired_utf8_total),
            ("told to come back later", status.refused_total),
            ("of these, for their address", status.refused_by_address_total),
            ("TLS handshakes failed", status.handshake_failures_total),
            ("PROXY headers not read", status.proxy_header_failures_total),
            ("bad requests", status.bad_requests_total),
            ("heads not in time", status.head_timeouts_total),
            ("back with nothing lost", status.resumed_total),
            ("back after retention, gap", status.gaps_total),
            ("back with a foreign id", status.resets_total),
            ("events sent to those", status.replayed_total),
            ("too slow, fell behind", status.behind_total),
            ("of these, caught up", status.caught_up_total),
            ("of these, behind retention", status.outrun_total),
            ("too slow, disconnected", status.slow_disconnects_total),
            ("stalled, disconnected", status.stalled_total),
            ("publishes repeated", status.duplicates_total),
            ("publishes not kept", status.not_stored_total),
            ("events let go", status.log_evicted_total),
            ("at the maximum age", status.aged_out_total),
            ("disconnected by command", status.kicked_total),
            ("pauses of accepting", status.accept_pauses_total),
        ]
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(label, number)| (label, count(number))),
    );
    let limits = status.limits.iter().map(|(name, limit)| (name.as_str(), limit_text(name, *limit))).collect();
    render(&[("Daemon", daemon), ("Now", now), ("Since the start", since_start), ("Limits", limits)], colour)
}

/// The limits that are sizes, and those that are times in milliseconds; the report has numbers alone.
const SIZES: [&str; 7] =
    ["in-flight", "max-head", "max-message", "outbox", "outbox-total", "retain-bytes", "send-buffer"];
const TIMES: [&str; 9] = [
    "drain",
    "head-timeout",
    "heartbeat",
    "max-age",
    "progress-timeout",
    "quiet-time",
    "quiet-time-remote",
    "retain-age",
    "retry",
];

fn limit_text(name: &str, limit: u64) -> String {
    match limit {
        0 => "off".to_owned(),
        _ if SIZES.contains(&name) => bytes(limit),
        _ if TIMES.contains(&name) && limit.is_multiple_of(1000) => duration(limit / 1000),
        _ if TIMES.contains(&name) => format!("{} ms", count(limit)),
        // A count, or a limit that this program does not know.
        _ => count(limit),
    }
}

fn render(groups: &[(&str, Vec<(&str, String)>)], colour: bool) -> String {
    let width = groups.iter().flat_map(|(_, lines)| lines).map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    groups
        .iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(heading, lines)| {
            let lines =
                lines.iter().map(|(label, value)| format!("  {:<width$}  {}\n", legible(label), legible(value)));
            format!("{bold}{heading}{plain}\n{}", lines.collect::<String>())
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_aligned_and_grouped() {
        let status = StatusReport {
            version: "0.1.0".into(),
            compiled: "May  7 2020".into(),
            pid: 3217,
            started_at: "2026-01-31T12:00:00Z".into(),
            uptime_seconds: 11_579,
            log_level: Some(hasses_client::LogLevel::Normal),
            cors_origins: vec!["*".into()],
            listen: vec!["http://127.0.0.1:8080/sse".into()],
            shards: 1,
            connections: 1_204,
            connections_peak: 2_000,
            subscribers: 1_200,
            topics: 1,
            queued_bytes: 1_536,
            messages_total: 10_000,
            slow_disconnects_total: 2,
            limits: [
                ("heartbeat", 15_000),
                ("max-age", 0),
                ("max-message", 1_048_576),
                ("max-topics", 1_256),
                ("quiet-time", 2),
            ]
            .map(|(name, limit)| (name.to_owned(), limit))
            .into(),
            ..StatusReport::default()
        };
        let expected = "\
Daemon
  version                 0.1.0 (compiled May  7 2020)
  process                 3217, user 0
  running                 3h 12m since 2026-01-31T12:00:00Z
  subscribers at          http://127.0.0.1:8080/sse
  control                 none
  TLS                     off
  log level               normal
  re-init                 off
  event log               in memory
  CORS origins            *
  shards                  1

Now
  connections             1,204, at most 2,000 so far
  subscribers             1,200 of 1 topic
  queued                  1.5 KiB
  control connections     0
  newest event            0-0
  oldest event kept       0-0
  events kept             0 in 0 B

Since the start
  messages                10,000
  deliveries              0
  subscriptions           0
  too slow, disconnected  2

Limits
  heartbeat               15s
  max-age                 off
  max-message             1.0 MiB
  max-topics              1,256
  quiet-time              2 ms
";
        assert_eq!(text(&status, false), expected);
        assert!(text(&status, true).starts_with("\x1b[1mDaemon\x1b[0m\n"));
    }
}
