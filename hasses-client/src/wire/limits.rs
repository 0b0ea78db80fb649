//! The limits that belong to the protocol itself; they are the same for every daemon and are not configurable.

/// Longest topic in bytes of UTF-8. Classic cut at 31; 255 is what a file name may have, and NATS and MQTT users rarely pass 100.
pub const MAX_TOPIC_BYTES: usize = 255;
/// Longest event type in bytes.
pub const MAX_EVENT_TYPE_BYTES: usize = 255;
/// Longest subscriber id in bytes. Classic's own limit; a UUID has 36.
pub const MAX_SUBSCRIBER_ID_BYTES: usize = 61;
/// Longest publisher's key in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// Most topics one publish may name.
pub const MAX_TOPICS_A_PUBLISH: usize = 1024;
/// Longest message in bytes unless configured otherwise: one command line, or one part of classic text.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Rows that `clients` and `topics` answer with unless `limit` says otherwise.
pub const DEFAULT_PAGE_ROWS: usize = 1000;
/// Most rows that one `clients` or `topics` answer holds.
pub const MAX_PAGE_ROWS: usize = 10_000;
/// Version of the JSON form, as `ping` answers it.
pub const PROTOCOL: u32 = 1;
