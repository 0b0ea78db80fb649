//! The result for people.

use super::conclusions::conclusions;
use super::report::{Level, Report, Stalled, Storm};
use crate::quantity::{bytes, count, counted};
use crate::table::legible;

/// No server holds a subscriber in so little: it had the memory already, from others before.
const IMPLAUSIBLE_BYTES: f64 = 64.0;

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
    lines.extend(generator(report));
    lines.extend(report.stalled.as_ref().map(|stalled| ("stalled", stalling(stalled))));
    lines.extend(report.storm.as_ref().map(|storm| ("storm", coming_back(storm))));
    lines.push(("faults", faults(report)));
    lines.extend(report.remarks.iter().map(|remark| ("", remark.clone())));
    let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let lines = lines.into_iter().map(|(label, line)| format!("{bold}{label:<11}{plain}  {}\n", legible(&line)));
    let mut text: String = lines.collect();
    text.extend(conclusions(report).iter().map(|sentence| format!("\n{sentence}\n")));
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
    let doubt = connect.memory_bytes.filter(|bytes| *bytes < IMPLAUSIBLE_BYTES);
    let doubt = doubt.map_or("", |_| " (a fresh daemon shows it right)");
    format!("{:.2} s, {} a second{cpu}{}{doubt}", connect.seconds, whole(connect.rate), memory(connect.memory_bytes))
}

fn publishing(report: &Report) -> Option<(&'static str, String)> {
    let phase = report.publish_phase.as_ref()?;
    let (messages, seconds) = (counted(phase.messages, "message"), phase.seconds);
    let reached = phase.rate / report.burst as f64;
    let how = match (report.burst, report.rate) {
        (1, None) => format!("one by one in {seconds:.2} s, {} a second", whole(phase.rate)),
        (burst, None) => format!("in bursts of {} in {seconds:.2} s, {} a second", count(burst), whole(phase.rate)),
        (1, Some(rate)) => format!("in {seconds:.2} s, asked for {rate} a second, reached {}", pace(reached)),
        (burst, Some(rate)) => {
            let burst = count(burst);
            format!("in {seconds:.2} s, asked for {rate} bursts of {burst} a second, reached {}", pace(reached))
        }
    };
    let cpu = phase.cpu_us_per_publish.map(|cpu| format!(", {} of the server's CPU each", time(cpu)));
    Some(("publishing", format!("{messages} {how}{}", cpu.unwrap_or_default())))
}

fn deliveries(report: &Report) -> Option<(&'static str, String)> {
    let deliveries = report.deliveries.as_ref()?;
    if deliveries.expected == 0 && deliveries.received == 0 {
        return Some(("deliveries", "none was due, so there is no latency".to_owned()));
    }
    let cpu = deliveries.cpu_us.filter(|_| !is_sparse(report));
    let cpu = cpu.map(|cpu| format!(", {} of the server's CPU each", time(cpu))).unwrap_or_default();
    let (received, expected) = (count(deliveries.received), count(deliveries.expected));
    Some(("deliveries", format!("{received} of {expected}, {} a second{cpu}", whole(deliveries.rate))))
}

/// Whether there are fewer deliveries than messages: what the messages cost is then no cost of deliveries.
fn is_sparse(report: &Report) -> bool {
    let both = report.deliveries.as_ref().zip(report.publish_phase.as_ref());
    both.is_some_and(|(deliveries, phase)| deliveries.expected < phase.messages)
}

fn generator(report: &Report) -> Option<(&'static str, String)> {
    let generator = report.generator.as_ref()?;
    let busy = format!("its busiest thread {:.0} % busy", generator.busy * 100.0);
    let line =
        if is_sparse(report) { busy } else { format!("{} of its own CPU a delivery, {busy}", time(generator.cpu_us)) };
    Some(("generator", line))
}

fn stalling(stalled: &Stalled) -> String {
    let level = |name, level: Option<Level>| {
        let levels = level.map(|Level { before, peak, after }| [before, peak, after].map(bytes));
        levels.map(|[before, peak, after]| format!("; {name}: {before} before, {peak} at most, {after} after"))
    };
    let tcp = level("the kernel's memory for TCP", stalled.tcp_memory_bytes).unwrap_or_default();
    let server = level("the server's", stalled.memory_bytes).unwrap_or_default();
    let subscribers = counted(u64::from(stalled.subscribers), "subscriber");
    format!("{subscribers}, {} disconnected{tcp}{server}", count(stalled.disconnected as u64))
}

fn coming_back(storm: &Storm) -> String {
    let within = |seconds: Option<f64>| seconds.map_or("never".to_owned(), |seconds| format!("within {seconds:.2} s"));
    let (connected, caught_up) = (within(storm.connected_seconds), within(storm.caught_up_seconds));
    let (subscribers, replayed) = (counted(storm.subscribers.into(), "subscriber"), counted(storm.replayed, "message"));
    format!("{subscribers}, all connected {connected} and caught up {caught_up}, {replayed} replayed")
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

/// A rate that is compared with the one that was asked for.
fn pace(rate: f64) -> String {
    match rate {
        ..10.0 => format!("{rate:.3}"),
        ..1_000.0 => format!("{rate:.1}"),
        _ => whole(rate),
    }
}

fn whole(rate: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate that is not negative")]
    count(rate.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::report::{Connect, Deliveries, Generator, Idle, Latency, PublishPhase, Server};
    use super::super::tally::Faults;
    use super::*;

    fn report() -> Report {
        Report {
            ok: true,
            url: "http://127.0.0.1:8080/sse".to_owned(),
            server: Some(Server { pid: 7, processes: 1 }),
            subscribers: 1_000,
            topics: 1,
            size: 64,
            burst: 1,
            rate: None,
            threads: 1,
            tls: false,
            publish: "classic".to_owned(),
            connect: Connect { seconds: 0.059, rate: 16_989.2, cpu_us: Some(24.9), memory_bytes: Some(264.2) },
            idle: None,
            publish_phase: Some(PublishPhase {
                messages: 1_000,
                seconds: 4.21,
                rate: 237.6,
                unheard: 0,
                cpu_us_per_publish: Some(4_201.3),
            }),
            deliveries: Some(Deliveries {
                expected: 1_000_000,
                received: 1_000_000,
                rate: 237_600.4,
                cpu_us: Some(4.201),
                bytes: 98_000_000,
            }),
            latency_us: Some(Latency { p50: 2.5, p90: 371.0, p99: 4_120.0, p99_9: 44_000.0, max: 5e6, mean: 2e3 }),
            stalled: None,
            storm: None,
            faults: Faults::default(),
            remarks: Vec::new(),
            ended: None,
            generator: Some(Generator { cpu_us: 1.612, busy: 0.384, was_the_bottleneck: false }),
        }
    }

    #[test]
    fn a_run_is_told_in_a_few_lines() {
        let expected = "\
subscribers  1,000 subscribers of 1 topic at http://127.0.0.1:8080/sse, messages of 64 bytes
connecting   0.06 s, 16,989 a second, 25 µs of the server's CPU each and 264 B of its memory each
publishing   1,000 messages one by one in 4.21 s, 238 a second, 4.20 ms of the server's CPU each
deliveries   1,000,000 of 1,000,000, 237,600 a second, 4.20 µs of the server's CPU each
latency      half within 2.50 µs, 90 % 371 µs, 99 % 4.12 ms, 99.9 % 44 ms, all 5.00 s
generator    1.61 µs of its own CPU a delivery, its busiest thread 38 % busy
faults       none
";
        assert_eq!(text(&report(), false), expected);
        assert!(text(&report(), true).starts_with("\x1b[1msubscribers\x1b[0m  1,000 "));
    }

    #[test]
    fn what_has_to_be_known_is_a_sentence_of_its_own() {
        let bare = Report {
            server: None,
            publish_phase: None,
            deliveries: None,
            latency_us: None,
            generator: None,
            ended: Some("interrupted"),
            idle: Some(Idle { seconds: 1.5, cpu_us: Some(90.0), bytes_per_subscriber: Some(300.0) }),
            ..report()
        };
        let faulty = Report {
            ok: false,
            ended: Some("stalled"),
            faults: Faults { lost: 1_234, doubled: 1, ..Faults::default() },
            remarks: vec!["subscriber 3 \x1b".to_owned()],
            generator: Some(Generator { cpu_us: 1.0, busy: 0.95, was_the_bottleneck: true }),
            rate: Some(0.5),
            burst: 50,
            stalled: Some(Stalled {
                subscribers: 1_000,
                disconnected: 3,
                tcp_memory_bytes: Some(Level { before: 4_096, peak: 9_216, after: 8_192 }),
                memory_bytes: Some(Level { before: 1, peak: 2, after: 2 }),
            }),
            storm: Some(Storm {
                subscribers: 5_000,
                connected_seconds: Some(0.25),
                caught_up_seconds: None,
                replayed: 9_999,
            }),
            ..report()
        };
        let sparse = |expected| {
            let mut report = report();
            let deliveries = report.deliveries.as_mut().unwrap();
            (deliveries.expected, deliveries.received) = (expected, expected);
            report.publish_phase.as_mut().unwrap().unheard = 1_000 - expected;
            report
        };
        for (report, parts) in [
            (
                sparse(50),
                &[
                    "deliveries   50 of 50, 237,600 a second\n",
                    "generator    its busiest thread 38 % busy\n",
                    "\n950 of 1,000 messages went to topics without a subscriber.\n",
                ][..],
            ),
            (
                Report {
                    connect: Connect { seconds: 0.1, rate: 10.0, cpu_us: None, memory_bytes: Some(4.0) },
                    ..report()
                },
                &["connecting   0.10 s, 10 a second and 4 B of its memory each (a fresh daemon shows it right)\n"],
            ),
            (sparse(0), &["deliveries   none was due, so there is no latency\n"]),
            (
                bare,
                &[
                    "\nIt was interrupted before the measurement began: nothing was measured.\n",
                    "\nThe server's process is not known",
                    "idle         1.5 s, 90 µs of",
                ],
            ),
            (
                faulty,
                &[
                    "faults       1,234 lost, 1 doubled\n             subscriber 3 \\u{1b}\n",
                    "stalled      1,000 subscribers, 3 disconnected; the kernel's memory for TCP: 4.0 KiB before, 9.0 KiB at most, ",
                    "8.0 KiB after; the server's: 1 B before, 2 B at most, 2 B after\n",
                    "storm        5,000 subscribers, all connected within 0.25 s and caught up never, 9,999 messages replayed\n",
                    "1,000 messages in 4.21 s, asked for 0.5 bursts of 50 a second, reached 4.752, ",
                    "\nNothing came any more",
                    "\nMessages did not come as they should",
                    "\nThe generator was the bottleneck",
                ],
            ),
        ] {
            let text = text(&report, false);
            parts.iter().for_each(|part| assert!(text.contains(part), "{part} in {text}"));
        }
    }
}
