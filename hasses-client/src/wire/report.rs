//! The bodies of the answers: what each command reports, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{EventId, LogLevel};

/// The answer to an accepted publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The id the event was given.
    pub id: EventId,
    /// Subscribers that matched at the event's place in the order, each once however many of its topics match.
    pub matched: u64,
    /// The publish carried a key that had been accepted already; nothing was sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// How many subscribers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Number of subscribers.
    pub count: u64,
}

/// How many subscribers were disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// Number of connections ended.
    pub disconnected: u64,
}

/// The log level in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The level.
    pub level: LogLevel,
}

/// Whether re-init is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reinit {
    /// A subscribed connection may send a new request.
    pub enabled: bool,
}

/// Where the order of events stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Id of the newest event; before the first, that of the log's birth.
    pub id: EventId,
}

/// The daemon is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Version of the daemon.
    pub version: String,
    /// Version of the JSON form.
    pub protocol: u32,
}

/// The state of the daemon: settings, current figures and counters since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusReport {
    /// Version of the daemon.
    pub version: String,
    /// Day on which the daemon was compiled, as `May 7 2020`.
    pub compiled: String,
    /// Process id.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Start of the daemon, RFC 3339 in UTC.
    pub started_at: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// An SSE port speaks TLS.
    pub tls: bool,
    /// Log level in force.
    pub log_level: Option<LogLevel>,
    /// A subscribed connection may send a new request.
    pub reinit: bool,
    /// Values for `Access-Control-Allow-Origin`.
    pub cors_origins: Vec<String>,
    /// Where subscribers connect, with the path.
    pub listen: Vec<String>,
    /// Control sources, as URLs.
    pub sources: Vec<String>,
    /// Threads that hold subscribers.
    pub shards: u64,
    /// Open connections on the SSE ports.
    pub connections: u64,
    /// Of these, subscribed.
    pub subscribers: u64,
    /// The most connections at one time so far.
    pub connections_peak: u64,
    /// Distinct topics and prefixes subscribed now.
    pub topics: u64,
    /// Bytes that wait in outboxes, with what they cost beside.
    pub queued_bytes: u64,
    /// Open control connections.
    pub control_connections: u64,
    /// Subscriptions accepted since start.
    pub subscribed_total: u64,
    /// Of these, by a new request on a subscribed connection.
    pub reinits_total: u64,
    /// Messages accepted from publishers.
    pub messages_total: u64,
    /// Events written to subscribers, each subscriber counted.
    pub deliveries_total: u64,
    /// Messages that matched nobody.
    pub unmatched_total: u64,
    /// Requests answered with "come back later".
    pub refused_total: u64,
    /// Of these, because their address had as many subscribers as it may have.
    pub refused_by_address_total: u64,
    /// TLS handshakes that failed or were not complete in time.
    pub handshake_failures_total: u64,
    /// Connections of trusted proxies that did not begin with a PROXY header that can be read.
    pub proxy_header_failures_total: u64,
    /// Requests answered with a status other than 200.
    pub bad_requests_total: u64,
    /// Connections ended because the head was not complete in time.
    pub head_timeouts_total: u64,
    /// Subscribers that were too slow for a topic whose policy is to disconnect them.
    pub slow_disconnects_total: u64,
    /// Slow subscribers disconnected because what they had not been sent was no longer kept.
    pub outrun_total: u64,
    /// Subscribers disconnected because their socket took nothing for the progress time-out.
    pub stalled_total: u64,
    /// Slow subscribers that are being served from the event log, or will be once their socket takes more.
    pub behind: u64,
    /// Times that a subscriber was too slow for its outbox.
    pub behind_total: u64,
    /// Times that one of those had everything again.
    pub caught_up_total: u64,
    /// Subscriptions with a last event id from which nothing was missing.
    pub resumed_total: u64,
    /// Subscriptions with a last event id that retention had passed: they were told of a gap.
    pub gaps_total: u64,
    /// Subscriptions with a last event id that is not of this log.
    pub resets_total: u64,
    /// Events that those who came back had missed and were sent.
    pub replayed_total: u64,
    /// Publishes whose key had been accepted already.
    pub duplicates_total: u64,
    /// Publishes that the event log could not keep.
    pub not_stored_total: u64,
    /// Directory of the event log; absent where it is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_directory: Option<String>,
    /// Events in the event log.
    pub log_events: u64,
    /// Memory that the event log takes, about.
    pub log_bytes: u64,
    /// Events that the event log has let go of since start.
    pub log_evicted_total: u64,
    /// Id of the oldest event in the event log; where there is none, as `position`.
    pub oldest: EventId,
    /// The daemon is ending its streams.
    pub draining: bool,
    /// Connections ended because they reached the maximum age.
    pub aged_out_total: u64,
    /// Subscribers disconnected by command.
    pub kicked_total: u64,
    /// Times accepting paused because descriptors were used up.
    pub accept_pauses_total: u64,
    /// Commands refused, in either form.
    pub refused_commands_total: u64,
    /// Classic messages in which invalid UTF-8 was replaced by U+FFFD.
    pub repaired_utf8_total: u64,
    /// Id of the newest event; before the first, that of the log's birth.
    pub position: EventId,
    /// Every limit by the name of its flag; 0 is off.
    pub limits: BTreeMap<String, u64>,
}

/// One page of connections, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientList {
    /// The connections.
    pub clients: Vec<ClientInfo>,
    /// There are more; ask again with `after` set to the last number.
    #[serde(default)]
    pub more: bool,
}

/// One connection on an SSE port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Number of the connection, never used twice in one run of the daemon.
    pub client: u64,
    /// Descriptor of its socket in the daemon.
    pub descriptor: i32,
    /// Address and port of the peer; `unix` for a Unix socket.
    pub address: String,
    /// The id it gave itself.
    pub id: Option<String>,
    /// Its `User-Agent`.
    pub agent: Option<String>,
    /// What it subscribed to.
    pub topics: Vec<String>,
    /// How far it is.
    pub state: ClientState,
    /// Seconds since it connected.
    pub connected_seconds: u64,
    /// Seconds since it subscribed.
    pub subscribed_seconds: u64,
    /// Events written to it.
    pub delivered: u64,
    /// Bytes that wait for it.
    pub queued_bytes: u64,
    /// How often it subscribed anew on this connection.
    pub reinits: u32,
    /// Protocol and cipher where it came over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsInfo>,
    /// Version of HTTP that it subscribed by, `1.1` or `1.0`; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
}

/// What a TLS connection agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsInfo {
    /// Protocol version.
    pub protocol: String,
    /// Cipher suite.
    pub cipher: String,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientState {
    /// Nothing was read from it yet.
    New,
    /// In the TLS handshake.
    Tls,
    /// Its request head is incomplete.
    Head,
    /// It receives events.
    Subscribed,
    /// Its last bytes are being sent.
    Ending,
}

/// One page of topics, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicList {
    /// The topics that somebody subscribed to; prefixes end in `*`.
    pub topics: Vec<TopicInfo>,
    /// There are more; ask again with `after` set to the last name.
    #[serde(default)]
    pub more: bool,
}

/// One topic or prefix that somebody subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicInfo {
    /// Its name.
    pub topic: String,
    /// Subscribers of exactly this name.
    pub subscribers: u64,
}
