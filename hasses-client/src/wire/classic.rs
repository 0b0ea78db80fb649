//! Classic text: one message or command, without its delimiter.
//!
//! `TOPIC=MESSAGE`, `PREFIX*=MESSAGE`, `*=MESSAGE`, each with `-ID` before the `=` to leave out one subscriber id; or exactly
//! one of the commands in [`ClassicQuery`]. Everything else is malformed.

use super::command::{ClientsQuery, Command, Publish};
use super::event::{LogLevel, SubscriberId};
use super::reply::{ErrorCode, Failure};
use super::topic::TopicPattern;

/// A classic command that is answered: which one decides where the answer goes and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassicQuery {
    /// `status`: the status block to the log.
    Status,
    /// `tcpstatus`: JSON to the sender.
    TcpStatus,
    /// `clientlist`: the client list to the log.
    ClientList,
    /// `numberofclients`: a line to the log.
    NumberOfClients,
    /// `tcpnumberofclients`: JSON to the sender.
    TcpNumberOfClients,
    /// `subscribedclients:TOKEN`: a line to the log.
    SubscribedClients(String),
    /// `tcpsubscribedclients:TOKEN`: JSON to the sender.
    TcpSubscribedClients(String),
    /// `loglevel_quiet`, `loglevel_normal`, `loglevel_debug`: said in the log.
    LogLevel,
    /// `reinit_enable`, `reinit_disable`: said in the log.
    Reinit,
}

impl ClassicQuery {
    /// Whether the answer goes to the sender rather than to the log.
    #[must_use]
    pub fn answers_the_sender(&self) -> bool {
        matches!(self, Self::TcpStatus | Self::TcpNumberOfClients | Self::TcpSubscribedClients(_))
    }
}

/// Reads one part of classic text, neither empty nor with line ends around it.
pub(super) fn read(text: &str) -> Result<(Command, Option<ClassicQuery>), Failure> {
    if let Some((command, query)) = read_query(text)? {
        return Ok((command, Some(query)));
    }
    read_message(text).map(|publish| (Command::Publish(publish), None))
}

fn read_query(text: &str) -> Result<Option<(Command, ClassicQuery)>, Failure> {
    let whole_list = || Command::Clients(ClientsQuery { limit: Some(usize::MAX), ..ClientsQuery::default() });
    let level = |level| (Command::LogLevel(Some(level)), ClassicQuery::LogLevel);
    let reinit = |enabled| (Command::Reinit(Some(enabled)), ClassicQuery::Reinit);
    Ok(Some(match text {
        "status" => (Command::Status, ClassicQuery::Status),
        "tcpstatus" => (Command::Status, ClassicQuery::TcpStatus),
        "clientlist" => (whole_list(), ClassicQuery::ClientList),
        "numberofclients" => (Command::Status, ClassicQuery::NumberOfClients),
        "tcpnumberofclients" => (Command::Status, ClassicQuery::TcpNumberOfClients),
        "loglevel_quiet" => level(LogLevel::Quiet),
        "loglevel_normal" => level(LogLevel::Normal),
        "loglevel_debug" => level(LogLevel::Debug),
        "reinit_enable" => reinit(true),
        "reinit_disable" => reinit(false),
        _ => {
            let (token, query): (_, fn(String) -> ClassicQuery) =
                match (text.strip_prefix("subscribedclients:"), text.strip_prefix("tcpsubscribedclients:")) {
                    // A message may begin so as well: `subscribedclients:x=hi` is one to the topic before the `=`.
                    (Some(token), _) if !token.contains('=') => (token, ClassicQuery::SubscribedClients),
                    (_, Some(token)) if !token.contains('=') => (token, ClassicQuery::TcpSubscribedClients),
                    _ => return Ok(None),
                };
            (Command::CountExactly(TopicPattern::new(token)?), query(token.to_owned()))
        }
    }))
}

fn read_message(text: &str) -> Result<Publish, Failure> {
    let Some((address, data)) = text.split_once('=') else {
        return Err(Failure::new(
            ErrorCode::UnknownCommand,
            format!("{:?} is neither TOPIC=MESSAGE nor a command", beginning(text)),
        ));
    };
    if data.is_empty() {
        let error = format!("the message to {:?} is empty", beginning(address));
        return Err(Failure::new(ErrorCode::BadField, error));
    }
    let (topic, except) = match address.split_once('-') {
        Some((_, id)) if id.contains('*') => {
            let error = format!("{:?} has a '-' before the '*'", beginning(address));
            return Err(Failure::new(ErrorCode::BadTopic, error));
        }
        // An empty id excludes nobody: publishers build the text from a variable that may be empty.
        Some((topic, "")) => (topic, None),
        Some((topic, id)) => (topic, Some(SubscriberId::new(id)?)),
        None => (address, None),
    };
    Ok(Publish { except, ..Publish::new(TopicPattern::new(topic)?, data) })
}

/// Enough of a text to recognise it in an error.
fn beginning(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> (String, Option<String>, String) {
        let Ok((Command::Publish(publish), None)) = read(text) else { panic!("{text}") };
        let topic = publish.topics.single().unwrap().to_string();
        (topic, publish.except.map(|id| id.to_string()), publish.data)
    }

    #[test]
    fn every_row_of_the_grammar() {
        for (text, topic, except, data) in [
            ("room624=hi", "room624", None, "hi"),
            ("a=b=c=", "a", None, "b=c="),
            ("a= ", "a", None, " "),
            ("ro*=hi", "ro*", None, "hi"),
            ("*=hi", "*", None, "hi"),
            ("room-me=hi", "room", Some("me"), "hi"),
            ("room-4f1e-99=hi", "room", Some("4f1e-99"), "hi"),
            ("room-=hi", "room", None, "hi"),
            ("ro*-me=hi", "ro*", Some("me"), "hi"),
            ("*-me=hi", "*", Some("me"), "hi"),
            ("status=1", "status", None, "1"),
            ("subscribedclients:x=1", "subscribedclients:x", None, "1"),
            ("tcpstatus =1", "tcpstatus ", None, "1"),
        ] {
            assert_eq!(message(text), (topic.to_owned(), except.map(str::to_owned), data.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_says_why() {
        for (text, code) in [
            ("hello", ErrorCode::UnknownCommand),
            ("Status", ErrorCode::UnknownCommand),
            ("a=", ErrorCode::BadField),
            ("=hi", ErrorCode::BadTopic),
            ("-me=hi", ErrorCode::BadTopic),
            ("a-b*=hi", ErrorCode::BadTopic),
            ("a*b=hi", ErrorCode::BadTopic),
            ("a\rb=hi", ErrorCode::BadTopic),
            ("subscribedclients:", ErrorCode::BadTopic),
        ] {
            assert_eq!(read(text).expect_err(text).code, code, "{text}");
        }
    }

    #[test]
    fn every_command_is_known_and_only_whole() {
        for (text, query) in [
            ("status", ClassicQuery::Status),
            ("tcpstatus", ClassicQuery::TcpStatus),
            ("clientlist", ClassicQuery::ClientList),
            ("numberofclients", ClassicQuery::NumberOfClients),
            ("tcpnumberofclients", ClassicQuery::TcpNumberOfClients),
            ("subscribedclients:room", ClassicQuery::SubscribedClients("room".into())),
            ("tcpsubscribedclients:room", ClassicQuery::TcpSubscribedClients("room".into())),
            ("loglevel_quiet", ClassicQuery::LogLevel),
            ("loglevel_normal", ClassicQuery::LogLevel),
            ("loglevel_debug", ClassicQuery::LogLevel),
            ("reinit_enable", ClassicQuery::Reinit),
            ("reinit_disable", ClassicQuery::Reinit),
        ] {
            assert_eq!(read(text).unwrap().1, Some(query), "{text}");
            assert!(read(&format!(" {text}")).is_err() && read(&format!("{text}s")).map_or(true, |(_, q)| q.is_some()));
        }
    }
}
