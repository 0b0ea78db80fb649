//! The result for people.

use super::report::Report;
use crate::quantity::{bytes, count, counted};
use crate::table::legible;

/// The report as lines, with what it means where it does not speak for itself.
pub(super) fn text(report: &Report, colour: bool) -> String {
    let mut lines = vec![("subscribers", subscribers(report)), ("connecting", connecting(report))];
    if let Some(idle) = &report.idle {
        let cpu = idle.cpu_us.map(|cpu| format!(", {} of the server's CPU in all", time(cpu))).unwrap_or_default();
        let memory = memory(idle.bytes_per_subscriber);
        lines.push(("idle", format!("{:.1} s{cpu}{memory}", idle.seconds)));
    }
    lines.extend(publishing(report));
    lines.extend(deliveries(report));
    if let Some(latency) = &report.latency_us {
        let [p50, p90, p99, p99_9, max] = [latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max].map(time);
        lines.push(("latency", format!("half within {p50}, 90 % {p90}, 99 % {p99}, 99.9 % {p99_9}, all {max}")));
    }
    if let Some(generator) = &report.generator {
        let share = generator.busy * 100.0;
        let cpu = time(generator.cpu_us);
        lines.push(("generator", format!("{cpu} of its own CPU a delivery, its busiest thread {share:.0} % busy")));
    }
    lines.push(("faults", faults(report)));
    lines.extend(report.remarks.iter().map(|remark| ("", remark.clone())));
    let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let lines = lines.into_iter().map(|(label, line)| format!("{bold}{label:<11}{plain}  {}\n", legible(&line)));
    let mut text: String = lines.collect();
    text.extend(conclusions(report).map(|sentence| format!("\n{sentence}\n")));
    text
}

fn subscribers(report: &Report) -> String {
    let Report { subscribers, topics, url, size, .. } = report;
    let tls = if report.tls { " over TLS" } else { "" };
    let (subscribers, topics) = (counted(u64::from(*subscribers), "subscriber"), counted(u64::from(*topics), "topic"));
    format!("{subscribers} of {topics} at {url}{tls}, messages of {} bytes", count(*size as u64))
}

fn connecting(report: &Report) -> String {
    let connect = &report.connect;
    let cpu = connect.cpu_us.map(|cpu| format!(", {} of the server's CPU each", time(cpu))).unwrap_or_default();
    format!("{:.2} s, {} a second{cpu}{}", connect.seconds, whole(connect.rate), memory(connect.memory_bytes))
}

fn publishing(report: &Report) -> Option<(&'static str, String)> {
    let phase = report.publish_phase.as_ref()?;
    let bursts = match (report.burst, report.rate) {
        (1, None) => "one by one".to_owned(),
        (burst, None) => format!("in bursts of {}", count(burst)),
        (1, Some(rate)) => format!("{rate} a second"),
        (burst, Some(rate)) => format!("{rate} bursts of {} a second", count(burst)),
    };
    let cpu = phase.cpu_us_per_publish.map(|cpu| format!(", {} of the server's CPU each", time(cpu)));
    let (messages, rate) = (counted(phase.messages, "message"), whole(phase.rate));
    let cpu = cpu.unwrap_or_default();
    Some(("publishing", format!("{messages} {bursts} in {:.2} s, {rate} a second{cpu}", phase.seconds)))
}

fn deliveries(report: &Report) -> Option<(&'static str, String)> {
    let deliveries = report.deliveries.as_ref()?;
    let cpu = deliveries.cpu_us.map(|cpu| format!(", {} of the server's CPU each", time(cpu))).unwrap_or_default();
    let (received, expected) = (count(deliveries.received), count(deliveries.expected));
    Some(("deliveries", format!("{received} of {expected}, {} a second{cpu}", whole(deliveries.rate))))
}

fn faults(report: &Report) -> String {
    let faults = &report.faults;
    let counts = [
        ("lost", faults.lost),
        ("doubled", faults.doubled),
        ("out of order", faults.disordered),
        ("damaged", faults.damaged),
        ("disconnected subscribers", faults.disconnected),
    ];
    let found = counts.into_iter().filter(|(_, number)| *number > 0);
    let found: Vec<_> = found.map(|(name, number)| format!("{} {name}", count(number))).collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

/// What has to be known before a figure is believed.
fn conclusions(report: &Report) -> impl Iterator<Item = &'static str> {
    let bottleneck = report.generator.as_ref().is_some_and(|generator| generator.was_the_bottleneck);
    let stalled = report.ended == Some("stalled");
    [
        (report.ended == Some("interrupted"), "It was interrupted: these are the figures up to then."),
        (stalled, "Nothing came any more, so it was ended: what was due then counts as lost."),
        (!report.is_ok(), "Messages did not come as they should, so the other figures say little."),
        (
            bottleneck,
            "The generator was the bottleneck: the server could have done more. Try --threads, or fewer other programs.",
        ),
        (report.server.is_none(), "The server's process is not known, so its CPU and memory were not measured: see --pid."),
    ]
    .into_iter()
    .filter_map(|(holds, sentence)| holds.then_some(sentence))
}

fn memory(size: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a growth that is not negative")]
    size.map(|size| format!(" and {} of its memory each", bytes(size.round() as u64))).unwrap_or_default()
}

/// A number of microseconds.
fn time(microseconds: f64) -> String {
    match microseconds {
        ..10.0 => format!("{microseconds:.2} µs"),
        ..1_000.0 => format!("{microseconds:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", microseconds / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", microseconds / 1e3),
        _ => format!("{:.2} s", microseconds / 1e6),
    }
}

fn whole(rate: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate that is not negative")]
    count(rate.round() as u64)
}
