//! The control protocol: what a publisher or an operator says to the daemon, and what it answers.
//!
//! This module does no I/O and reads no clock. Bytes go into a [`Decoder`], [`Frame`]s come out; a [`Command`] becomes a
//! [`Reply`]; a reply becomes a line. The client, the daemon and its control sources share it, so both ends of a connection
//! are the same code.
//!
//! Values that end up in somebody's event stream ([`Topic`], [`EventType`], [`EventId`], [`SubscriberId`]) can only be
//! built valid, so a line cannot be injected into a stream.

mod classic;
mod command;
mod decoder;
mod event;
mod layout;
mod limits;
mod reply;
mod report;
mod text;
mod topic;

pub use classic::ClassicQuery;
pub use command::{ClientsQuery, Command, Disconnect, Publish, Topics, TopicsQuery};
pub use decoder::{Answer, Decoder, Delimiter, Form, Frame, Framing};
pub use event::{EventId, EventType, LogLevel, PublishKey, SubscriberId};
pub use layout::{classic_answer, classic_lines, running_time};
pub use limits::*;
pub use reply::{ErrorCode, Failure, Reply, ReplyBody};
pub use report::{
    ClientInfo, ClientList, ClientState, Count, Disconnected, Level, Pong, Position, Published, Reinit, StatusReport,
    TlsInfo, TopicInfo, TopicList,
};
pub use topic::{Topic, TopicPattern, TopicPrefix};
