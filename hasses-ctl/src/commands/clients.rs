//! `clients`: the connections as a table, page after page until there are no more.

use hasses_client::blocking::Client;
use hasses_client::wire::Reply;
use hasses_client::{ClientInfo, ClientList, ClientState, ClientsQuery, TopicPattern};

use super::pages::{self, Page};
use crate::arguments::Clients;
use crate::failure::Failure;
use crate::output::{End, Output};
use crate::quantity::{bytes, count, duration};
use crate::table::{Column, Table};

/// Lists the connections.
pub(crate) fn run(arguments: &Clients, client: &Client, out: &mut Output) -> Result<(), End> {
    let list = all(arguments, client)?;
    if out.is_json() {
        return out.answer(&Reply::Clients(list), String::new);
    }
    for line in table(&list.clients).render(out.colour()) {
        out.text(&line)?;
    }
    if list.more { out.text("(there are more)\n") } else { Ok(()) }
}

fn all(arguments: &Clients, client: &Client) -> Result<ClientList, Failure> {
    let topic = arguments.topic.as_deref().map(TopicPattern::new).transpose()?;
    let page = pages::collect(arguments.limit, |rows, last: Option<&ClientInfo>| {
        let query = ClientsQuery { topic: topic.clone(), limit: Some(rows), after: last.map(|client| client.client) };
        let page = client.clients(query)?;
        Ok(Page { rows: page.clients, more: page.more })
    })?;
    Ok(ClientList { clients: page.rows, more: page.more })
}

fn table(clients: &[ClientInfo]) -> Table {
    let mut table = Table::new([
        Column::Right("CLIENT"),
        Column::Left("ADDRESS"),
        Column::Left("ID"),
        Column::Left("STATE"),
        Column::Right("CONNECTED"),
        Column::Right("DELIVERED"),
        Column::Right("QUEUED"),
        Column::Right("RE-INITS"),
        Column::Left("TLS"),
        Column::Left("TOPICS"),
        Column::Left("AGENT"),
    ]);
    for client in clients {
        table.push([
            client.client.to_string(),
            client.address.clone(),
            client.id.clone().unwrap_or_default(),
            state(client.state).to_owned(),
            duration(client.connected_seconds),
            count(client.delivered),
            bytes(client.queued_bytes),
            if client.reinits == 0 { String::new() } else { count(client.reinits.into()) },
            client.tls.as_ref().map(|tls| format!("{} {}", tls.protocol, tls.cipher)).unwrap_or_default(),
            client.topics.join(" "),
            client.agent.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn state(state: ClientState) -> &'static str {
    match state {
        ClientState::New => "new",
        ClientState::Tls => "tls",
        ClientState::Head => "head",
        ClientState::Subscribed => "subscribed",
        ClientState::Ending => "ending",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_a_table() {
        let client = ClientInfo {
            client: 7,
            descriptor: 12,
            address: "127.0.0.1:50190".into(),
            id: Some("anna".into()),
            agent: Some("curl/8\x1b[2J".into()),
            topics: vec!["room624".into(), "ro*".into()],
            state: ClientState::Subscribed,
            connected_seconds: 303,
            subscribed_seconds: 303,
            delivered: 1_200,
            queued_bytes: 0,
            reinits: 0,
            tls: None,
            http: None,
        };
        let other = ClientInfo { client: 1_000, id: None, topics: vec!["x".into()], agent: None, ..client.clone() };
        let expected = "\
CLIENT  ADDRESS          ID    STATE       CONNECTED  DELIVERED  QUEUED  TOPICS       AGENT
     7  127.0.0.1:50190  anna  subscribed      5m 3s      1,200     0 B  room624 ro*  curl/8\\u{1b}[2J
  1000  127.0.0.1:50190        subscribed      5m 3s      1,200     0 B  x
";
        assert_eq!(table(&[client, other]).render(false).collect::<String>(), expected);
    }
}
