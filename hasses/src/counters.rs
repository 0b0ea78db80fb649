//! What is counted, process-wide. Every field is a field of the status report and is described there.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Counters that every thread adds to; relaxed, since each stands for itself.
#[derive(Debug, Default)]
pub struct Counters {
    /// Open connections on the SSE ports.
    pub connections: AtomicU64,
    /// The most at one time.
    pub connections_peak: AtomicU64,
    /// Subscribed connections.
    pub subscribers: Arc<AtomicU64>,
    /// Subscriptions since start.
    pub subscribed: AtomicU64,
    /// Of these, on a connection that had been subscribed.
    pub reinits: AtomicU64,
    /// Messages accepted.
    pub messages: AtomicU64,
    /// Events written, each subscriber counted.
    pub deliveries: AtomicU64,
    /// Messages that matched nobody.
    pub unmatched: AtomicU64,
    /// Answered with "come back later".
    pub refused: AtomicU64,
    /// Of these, because their address had as many as it may have.
    pub refused_by_address: AtomicU64,
    /// TLS handshakes that failed.
    pub handshake_failures: AtomicU64,
    /// Connections of proxies without a PROXY header that can be read.
    pub proxy_header_failures: AtomicU64,
    /// Answered with a status other than 200.
    pub bad_requests: AtomicU64,
    /// Heads not complete in time.
    pub head_timeouts: AtomicU64,
    /// Disconnected with a full outbox.
    pub slow_disconnects: AtomicU64,
    /// Subscribers that are behind now, for being slow.
    pub behind: AtomicU64,
    /// Times that a subscriber fell behind.
    pub behind_total: AtomicU64,
    /// Times that one of them had everything again.
    pub caught_up: AtomicU64,
    /// Disconnected because retention passed what they were owed.
    pub outrun: AtomicU64,
    /// Disconnected because their socket took nothing for the progress time-out.
    pub stalled: AtomicU64,
    /// Came back with an id from which nothing was missing.
    pub resumed: AtomicU64,
    /// Came back with an id that retention had passed.
    pub gaps: AtomicU64,
    /// Came back with an id that is not of this log.
    pub resets: AtomicU64,
    /// Events that those who came back had missed.
    pub replayed: AtomicU64,
    /// Publishes whose key had been accepted before.
    pub duplicates: AtomicU64,
    /// Publishes that the event log could not keep.
    pub not_stored: AtomicU64,
    /// Reached the maximum age.
    pub aged_out: AtomicU64,
    /// Disconnected by command.
    pub kicked: AtomicU64,
    /// Accepting paused for want of descriptors.
    pub accept_pauses: AtomicU64,
}
