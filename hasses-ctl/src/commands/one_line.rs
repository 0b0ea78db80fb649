//! The commands whose answer is one line.

use hasses_client::blocking::Client;
use hasses_client::wire::{Count, Disconnected, Level, Position, Reinit, Reply};
use hasses_client::{Disconnect, SubscriberId};

use crate::arguments;
use crate::failure::Failure;
use crate::output::{End, Output};
use crate::quantity::{count as number, counted};
use crate::table::legible;

/// `count`: how many subscribers there are.
pub(crate) fn count(arguments: &arguments::Count, client: &Client, out: &mut Output) -> Result<(), End> {
    let count = client.count(arguments.topic.as_deref())?;
    out.answer(&Reply::Count(Count { count }), || format!("{}\n", number(count)))
}

/// Whom `disconnect` is to end.
pub(crate) fn which(arguments: arguments::Disconnect) -> Result<Disconnect, Failure> {
    match (arguments.client, arguments.id) {
        (Some(client), None) => Ok(Disconnect::Client(client)),
        (None, Some(id)) => Ok(Disconnect::Id(SubscriberId::new(id)?)),
        _ => Err(Failure::usage("disconnect needs either --client <n> or --id <id>")
            .advise("`hasses-ctl clients` shows both")),
    }
}

/// `disconnect`: ends connections. Whoever asks for it expects that somebody is there.
pub(crate) fn disconnect(whom: Disconnect, client: &Client, out: &mut Output) -> Result<(), End> {
    let nobody = match &whom {
        Disconnect::Client(number) => format!("no connection has the number {number}"),
        Disconnect::Id(id) => format!("no connection has the id {:?}", id.as_str()),
    };
    let disconnected = client.disconnect(whom)?;
    if disconnected == 0 {
        return Err(Failure::refused("nobody", nobody).advise("`hasses-ctl clients` shows who is there").into());
    }
    let reply = Reply::Disconnected(Disconnected { disconnected });
    out.answer(&reply, || format!("{} disconnected\n", counted(disconnected, "connection")))
}

/// `log-level`: shows or sets it.
pub(crate) fn log_level(arguments: &arguments::SetLogLevel, client: &Client, out: &mut Output) -> Result<(), End> {
    let level = client.log_level(arguments.level)?;
    out.answer(&Reply::LogLevel(Level { level }), || format!("{level}\n"))
}

/// `reinit`: shows or switches it.
pub(crate) fn reinit(arguments: &arguments::Reinit, client: &Client, out: &mut Output) -> Result<(), End> {
    let enabled = client.reinit(arguments.enabled)?;
    out.answer(&Reply::Reinit(Reinit { enabled }), || if enabled { "on\n" } else { "off\n" }.to_owned())
}

/// `ping`: whether the daemon is there.
pub(crate) fn ping(client: &Client, out: &mut Output) -> Result<(), End> {
    let pong = client.ping()?;
    let text = format!("hasses {} is there, protocol {}\n", legible(&pong.version), pong.protocol);
    out.answer(&Reply::Pong(pong), || text)
}

/// `position`: the id of the newest event.
pub(crate) fn position(client: &Client, out: &mut Output) -> Result<(), End> {
    let id = client.position()?;
    out.answer(&Reply::Position(Position { id }), || format!("{id}\n"))
}
