//! How answers to classic commands look: the blocks and lines in the log, and the JSON for the `tcp…` commands.
//!
//! Scripts read these, so the layout is classic's to the letter.

use serde::Serialize;

use super::classic::ClassicQuery;
use super::event::LogLevel;
use super::reply::Reply;
use super::report::{ClientInfo, ClientState, StatusReport};

/// The lines that an answer puts into the log, without their ends; none where the answer goes to the sender.
#[must_use]
pub fn classic_lines(query: &ClassicQuery, reply: &Reply) -> Vec<String> {
    match (query, reply) {
        (_, Reply::Failed(failure)) => {
            vec![format!("Wrong formatted message from communication channel, ignored: {failure}")]
        }
        (ClassicQuery::Status, Reply::Status(status)) => status_block(status),
        (ClassicQuery::ClientList, Reply::Clients(list)) => {
            let mut lines = vec!["------- requested client list -------".to_owned(), "List of clients:".to_owned()];
            for (nth, client) in list.clients.iter().enumerate() {
                client_lines(nth + 1, client, &mut lines);
            }
            lines.push("---------------- end ----------------".to_owned());
            lines
        }
        (ClassicQuery::NumberOfClients, Reply::Status(status)) => {
            vec![format!("Number of connected clients: {}", status.connections)]
        }
        (ClassicQuery::SubscribedClients(token), Reply::Count(count)) => {
            vec![format!("Client count subscribed for \"{token}\": {}", count.count)]
        }
        (ClassicQuery::LogLevel, Reply::LogLevel(level)) => vec![
            match level.level {
                LogLevel::Quiet => "Set loglevel to the minimum.",
                LogLevel::Normal => "Set loglevel to normal.",
                LogLevel::Debug => "Set loglevel to the maximum.",
            }
            .to_owned(),
        ],
        (ClassicQuery::Reinit, Reply::Reinit(reinit)) => {
            vec![format!("Reinit {}.", if reinit.enabled { "enabled" } else { "disabled" })]
        }
        _ => Vec::new(),
    }
}

/// The line that a `tcp…` command answers its sender with, without its end; `None` for every other command.
#[must_use]
pub fn classic_answer(query: &ClassicQuery, reply: &Reply) -> Option<String> {
    #[derive(Serialize)]
    struct TcpStatus<'a> {
        version: &'a str,
        runningtime: String,
        mode: &'static str,
        loglevel: u8,
        allconncli: u64,
        sseconncli: u64,
        maxconncli: u64,
        msgproccnt: u64,
        msgsendcnt: u64,
    }
    match (query, reply) {
        (ClassicQuery::TcpStatus, Reply::Status(status)) => serde_json::to_string(&TcpStatus {
            version: &status.version,
            runningtime: running_time(status.uptime_seconds),
            mode: mode(status),
            loglevel: status.log_level.map_or(1, LogLevel::number),
            allconncli: status.connections,
            sseconncli: status.subscribers,
            maxconncli: status.connections_peak,
            msgproccnt: status.messages_total,
            msgsendcnt: status.deliveries_total,
        })
        .ok(),
        (ClassicQuery::TcpNumberOfClients, Reply::Status(status)) => {
            Some(format!("{{\"numberofclients\": {}}}", status.connections))
        }
        (ClassicQuery::TcpSubscribedClients(token), Reply::Count(count)) => Some(format!(
            "{{\"subscribedclients\": {}, \"subscribedfor\": {}}}",
            count.count,
            serde_json::Value::from(token.as_str())
        )),
        _ => None,
    }
}

/// A duration as classic writes it: `HH:MM:SS`, from one day on `Nday HH:MM:SS`.
#[must_use]
pub fn running_time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60);
    if days > 0 { format!("{days}day {clock}") } else { clock }
}

fn mode(status: &StatusReport) -> &'static str {
    if status.tls { "SSL encrypted (https)" } else { "unencrypted (http)" }
}

fn status_block(status: &StatusReport) -> Vec<String> {
    let cors = status.cors_origins.join(" ");
    vec![
        "------- status of hasses -------".to_owned(),
        format!("Version: {}", status.version),
        format!("Compiled: {}", status.compiled),
        format!("Pid: {}", status.pid),
        format!("Uid: {} (not set)", status.uid),
        format!("Running time: {}", running_time(status.uptime_seconds)),
        format!("Mode: {}", mode(status)),
        format!("Loglevel: {}", status.log_level.map_or(1, LogLevel::number)),
        format!("Reinit allowed: {}", if status.reinit { "yes" } else { "no" }),
        format!("CORS-base url: {cors}"),
        format!("Count of connected clients: {}", status.connections),
        format!("Current registred SSE clients: {}", status.subscribers),
        format!("Maximum number of connections: {}", status.connections_peak),
        format!("Total client handshaked: {}", status.subscribed_total),
        format!("Total reinit connection: {}", status.reinits_total),
        format!("Total message processed: {}", status.messages_total),
        format!("Total message sent: {}", status.deliveries_total),
        "------------- end --------------".to_owned(),
    ]
}

fn client_lines(number: usize, client: &ClientInfo, lines: &mut Vec<String>) {
    let state = match client.state {
        ClientState::New => "NEW",
        ClientState::Tls => "SSL",
        ClientState::Head => "HEA",
        ClientState::Subscribed => "SSE",
        ClientState::Ending => "END",
    };
    lines.push(format!(
        "#{number} - <{}> info: {} S:{state} Err: 0 Messages: {} Reinit: {} SSL:{}",
        client.descriptor,
        client.address,
        client.delivered,
        client.reinits,
        if client.tls.is_some() { "Yes" } else { "No" },
    ));
    lines.push(format!(
        "  Connection time: {}  Handshaked time: {} UniqId:{}",
        running_time(client.connected_seconds),
        running_time(client.subscribed_seconds),
        client.id.as_deref().unwrap_or(""),
    ));
    if let Some(agent) = &client.agent {
        lines.push(format!("  Agent: {agent}"));
    }
    if let Some(tls) = &client.tls {
        lines.push(format!("  SSL state: established {} {}", tls.protocol, tls.cipher));
    }
    lines.push(format!("  Subscribes: {}", client.topics.join(",")));
}

#[cfg(test)]
mod tests {
    use super::super::report::{ClientList, Count};
    use super::*;

    fn status() -> Reply {
        Reply::Status(Box::new(StatusReport {
            version: "0.1.0".into(),
            compiled: "May  7 2020".into(),
            pid: 3217,
            uptime_seconds: 90_061,
            log_level: Some(LogLevel::Debug),
            cors_origins: vec!["*".into()],
            connections: 3,
            subscribers: 2,
            connections_peak: 9,
            messages_total: 4,
            deliveries_total: 8,
            ..StatusReport::default()
        }))
    }

    #[test]
    fn the_status_block_is_classic_to_the_letter() {
        let expected = "\
------- status of hasses -------
Version: 0.1.0
Compiled: May  7 2020
Pid: 3217
Uid: 0 (not set)
Running time: 1day 01:01:01
Mode: unencrypted (http)
Loglevel: 2
Reinit allowed: no
CORS-base url: *
Count of connected clients: 3
Current registred SSE clients: 2
Maximum number of connections: 9
Total client handshaked: 0
Total reinit connection: 0
Total message processed: 4
Total message sent: 8
------------- end --------------";
        assert_eq!(classic_lines(&ClassicQuery::Status, &status()).join("\n"), expected);
    }

    #[test]
    fn the_client_list_is_classic_to_the_letter() {
        let reply = Reply::Clients(ClientList {
            clients: vec![ClientInfo {
                client: 77,
                descriptor: 6,
                address: "192.168.1.151:50190".into(),
                id: None,
                agent: Some("Mozilla/5.0".into()),
                topics: vec!["room624".into(), "ro*".into()],
                state: ClientState::Subscribed,
                connected_seconds: 180,
                subscribed_seconds: 179,
                delivered: 3,
                queued_bytes: 0,
                reinits: 0,
                tls: None,
                http: None,
            }],
            more: false,
        });
        let expected = "\
------- requested client list -------
List of clients:
#1 - <6> info: 192.168.1.151:50190 S:SSE Err: 0 Messages: 3 Reinit: 0 SSL:No
  Connection time: 00:03:00  Handshaked time: 00:02:59 UniqId:
  Agent: Mozilla/5.0
  Subscribes: room624,ro*
---------------- end ----------------";
        assert_eq!(classic_lines(&ClassicQuery::ClientList, &reply).join("\n"), expected);
    }

    #[test]
    fn tcp_answers_have_exactly_the_classic_fields_and_are_escaped() {
        assert_eq!(
            classic_answer(&ClassicQuery::TcpStatus, &status()).unwrap(),
            "{\"version\":\"0.1.0\",\"runningtime\":\"1day 01:01:01\",\"mode\":\"unencrypted (http)\",\"loglevel\":2,\
             \"allconncli\":3,\"sseconncli\":2,\"maxconncli\":9,\"msgproccnt\":4,\"msgsendcnt\":8}"
        );
        let query = ClassicQuery::TcpSubscribedClients("a\"b".into());
        assert_eq!(
            classic_answer(&query, &Reply::Count(Count { count: 2 })).unwrap(),
            "{\"subscribedclients\": 2, \"subscribedfor\": \"a\\\"b\"}"
        );
        assert!(classic_answer(&ClassicQuery::Status, &status()).is_none());
    }
}
