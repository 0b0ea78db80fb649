//! What can be said on the command line.
//!
//! argh reads it, and its structs are also where help and completions come from. Two things argh cannot do are done around
//! it: [`words`] turns what was typed into what argh takes, and every refusal becomes a usage failure with exit code 2.

mod bench;
mod completions;
mod manual;
mod numbers;
mod words;

use argh::{ArgsInfo, FromArgs};
use hasses_client::wire::LogLevel;

pub(crate) use bench::Bench;
pub(crate) use completions::Shell;
pub(crate) use manual::manual;
pub(crate) use words::{Invocation, read, wants_json};

/// Talks to the hasses daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    name = "hasses-ctl",
    help_triggers("--help"),
    example = "hasses-ctl send room624 \"hi\"\ntail -f app.log | hasses-ctl send log --lines\nhasses-ctl clients --topic room624\n\
               hasses-ctl listen room624 'order*'",
    usage = "[--control <url>] [--json] <command> [<args>]",
    note = "The daemon is looked for at --control, then at $HASSES_CONTROL, then at the default\n\
            sockets: /run/hasses/control.sock, $XDG_RUNTIME_DIR/hasses/control.sock,\n\
            <temporary folder>/hasses-<uid>/control.sock.\n\
            --control and --json may stand before or behind the command, a value may be joined\n\
            with `=`, and `--` ends the flags. Colour is used on a terminal only, and not where\n\
            NO_COLOR is set.",
    error_code(0, "done"),
    error_code(1, "refused by the daemon or the SSE port; a value that can never be right; input or output failed"),
    error_code(2, "usage: the command line cannot be understood"),
    error_code(3, "the daemon cannot be reached, or was lost before it answered")
)]
pub(crate) struct Arguments {
    /// where the daemon is: unix:///PATH or tcp://HOST:PORT
    #[argh(option, arg_name = "url")]
    pub(crate) control: Option<String>,
    /// answer in JSON, one object a line; errors too, on standard error
    #[argh(switch)]
    pub(crate) json: bool,
    /// print the version and end
    #[argh(switch)]
    pub(crate) version: bool,
    /// what to do
    #[argh(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it, and argh does not take a box")]
pub(crate) enum Command {
    Status(Status),
    Send(Send),
    Clients(Clients),
    Topics(Topics),
    Count(Count),
    Disconnect(Disconnect),
    LogLevel(SetLogLevel),
    Reinit(Reinit),
    Ping(Ping),
    Position(Position),
    Listen(Listen),
    Doctor(Doctor),
    Bench(Bench),
    Completions(Completions),
    Manual(Manual),
}

/// Show settings, figures and counters of the daemon.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "status", help_triggers("--help"))]
pub(crate) struct Status {}

/// Send a message to the subscribers of a topic.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "send",
    help_triggers("--help"),
    example = "hasses-ctl send room624 \"hi\"\nhasses-ctl send 'room*' \"to all rooms\" --also lobby\n\
               hasses-ctl send prices --event tick - < price.json\ntail -f app.log | hasses-ctl send log --lines\n\
               hasses-ctl send room624 -- \"--a message that begins with dashes--\"",
    usage = "<topic> <message> [--also <topic>...] [--event <type>] [--except <id>] [--retry <ms>]\n       \
             {command_name} <topic> --lines [<the same flags>]",
    note = "The message `-` is standard input as one message, without its last line end; behind\n\
            `--` it is a dash. With --lines a refused line does not keep the next ones back."
)]
pub(crate) struct Send {
    /// topic, or a beginning of topics with `*` behind it, or `*` for everybody
    #[argh(positional, arg_name = "topic")]
    pub(crate) topic: String,
    /// the message; `-` reads standard input
    #[argh(positional, arg_name = "message")]
    pub(crate) message: Vec<String>,
    /// send to this topic too; may be repeated
    #[argh(option, arg_name = "topic")]
    pub(crate) also: Vec<String>,
    /// type of the event, which the page listens for; without it `onmessage` gets it
    #[argh(option, arg_name = "type")]
    pub(crate) event: Option<String>,
    /// not to subscribers with this id
    #[argh(option, arg_name = "id")]
    pub(crate) except: Option<String>,
    /// milliseconds that browsers shall wait before they reconnect from now on
    #[argh(option, arg_name = "ms")]
    pub(crate) retry: Option<u64>,
    /// send every line of standard input as a message of its own, over one connection
    #[argh(switch)]
    pub(crate) lines: bool,
    /// what the message `-` becomes before argh sees it
    #[argh(switch, hidden_help)]
    pub(crate) stdin: bool,
}

/// List the connections on the SSE ports.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "clients", help_triggers("--help"))]
pub(crate) struct Clients {
    /// only those that a message to this topic would reach
    #[argh(option, arg_name = "topic")]
    pub(crate) topic: Option<String>,
    /// at most so many
    #[argh(option, arg_name = "n")]
    pub(crate) limit: Option<usize>,
}

/// List the topics that are subscribed to.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "topics", help_triggers("--help"))]
pub(crate) struct Topics {
    /// only those that begin so
    #[argh(option, arg_name = "text")]
    pub(crate) prefix: Option<String>,
    /// at most so many
    #[argh(option, arg_name = "n")]
    pub(crate) limit: Option<usize>,
}

/// Count the subscribers: all, or those that a message to a topic would reach.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "count", help_triggers("--help"), usage = "[<topic>]")]
pub(crate) struct Count {
    /// topic, or a beginning of topics with `*` behind it
    #[argh(positional, arg_name = "topic")]
    pub(crate) topic: Option<String>,
}

/// End connections: one by its number, or all that gave themselves an id.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "disconnect", help_triggers("--help"), usage = "--client <n> | --id <id>")]
pub(crate) struct Disconnect {
    /// number of the connection, as `clients` shows it
    #[argh(option, arg_name = "n")]
    pub(crate) client: Option<u64>,
    /// id that the subscribers gave themselves
    #[argh(option, arg_name = "id")]
    pub(crate) id: Option<String>,
}

/// Show the log level of the daemon, or set it.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "log-level", help_triggers("--help"), usage = "[quiet|normal|debug]")]
pub(crate) struct SetLogLevel {
    /// quiet, normal or debug
    #[argh(positional, arg_name = "level", from_str_fn(log_level))]
    pub(crate) level: Option<LogLevel>,
}

/// Show whether a subscribed connection may send a new request, or switch it.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "reinit", help_triggers("--help"), usage = "[on|off]")]
pub(crate) struct Reinit {
    /// on or off
    #[argh(positional, arg_name = "switch", from_str_fn(on_or_off))]
    pub(crate) enabled: Option<bool>,
}

/// Ask whether the daemon is there.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "ping", help_triggers("--help"))]
pub(crate) struct Ping {}

/// Show the id of the newest event.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "position", help_triggers("--help"))]
pub(crate) struct Position {}

/// Subscribe as a browser does, and print the events as they come.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "listen",
    help_triggers("--help"),
    example = "hasses-ctl listen room624 'order*'\nhasses-ctl listen '*' --url https://events.example.com/sse\n\
               hasses-ctl --json listen prices --count 1\nhasses-ctl listen room624 --from 1795471359018-0",
    usage = "<topic>... [--url <url>] [--ca <file>] [--id <id>] [--count <n>]\n              \
             [--from <id>] [--replay <n>]",
    note = "This speaks to the SSE port and needs no control socket. A lost connection is made\n\
            anew as a browser does it: after the time that `retry:` said, with the id of the\n\
            last event. A status other than 200 ends it. What becomes of the connection is said\n\
            on standard error: that it is lost and made anew, and the daemon's verdict on the id\n\
            of the last event: `resumed`, or that events are lost, `gap` or `reset`."
)]
pub(crate) struct Listen {
    /// topics, or beginnings of topics with `*` behind them
    #[argh(positional, arg_name = "topic")]
    pub(crate) topics: Vec<String>,
    /// where subscribers connect; http://127.0.0.1:8080/sse unless given
    #[argh(option, arg_name = "url", default = "DEFAULT_URL.to_owned()")]
    pub(crate) url: String,
    /// believe the authorities in this PEM file instead of the system's
    #[argh(option, arg_name = "file")]
    pub(crate) ca: Option<String>,
    /// id to subscribe under; messages sent with `--except` this id are not received
    #[argh(option, arg_name = "id")]
    pub(crate) id: Option<String>,
    /// end after so many events
    #[argh(option, arg_name = "n")]
    pub(crate) count: Option<u64>,
    /// go on behind this event: its id, as `listen`, `send` or `position` printed it
    #[argh(option, arg_name = "id")]
    pub(crate) from: Option<String>,
    /// the newest events of each topic first, so many
    #[argh(option, arg_name = "n")]
    pub(crate) replay: Option<usize>,
}

/// Check a public URL from outside, and say in plain words what is wrong and what to change.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "doctor",
    help_triggers("--help"),
    example = "hasses-ctl doctor https://example.com/sse --origin https://app.example.com\n\
               hasses-ctl doctor https://example.com/sse --wait 120\n\
               systemctl stop hasses; hasses-ctl doctor https://example.com/sse --backend-down",
    usage = "<url> [--origin <origin>] [--credentials] [--topic <name>] [--ca <file>]\n              \
             [--wait <seconds>] [--backend-down]",
    note = "It subscribes as a browser does, to a topic that nobody else listens to. Where the\n\
            daemon's control can be reached it sends events there and measures when they arrive,\n\
            and looks at the daemon itself; run it on the daemon's host, or give --control, to have\n\
            all checks. Longer waits find longer time-outs.\n\
            Each finding is `ok`, `warning`, `wrong` or `skipped`, with what to change below it.\n\
            Here the exit codes are: 0 nothing is wrong (there may be warnings); 1 something is;\n\
            2 usage; 3 the URL cannot be reached at all."
)]
pub(crate) struct Doctor {
    /// where browsers subscribe: `https://example.com/sse`
    #[argh(positional, arg_name = "url")]
    pub(crate) url: String,
    /// where the pages come from that subscribe, if from elsewhere: `https://app.example.com`
    #[argh(option, arg_name = "origin")]
    pub(crate) origin: Option<String>,
    /// the pages send cookies along (withCredentials)
    #[argh(switch)]
    pub(crate) credentials: bool,
    /// listen and send to this topic; whoever listens to it gets the events (type hasses-doctor)
    #[argh(option, arg_name = "name")]
    pub(crate) topic: Option<String>,
    /// believe the authorities in this PEM file instead of the system's
    #[argh(option, arg_name = "file")]
    pub(crate) ca: Option<String>,
    /// seconds of silence that the stream has to survive; unless given 20, or what the daemon's heartbeat needs; 0 is none
    #[argh(option, arg_name = "seconds")]
    pub(crate) wait: Option<u64>,
    /// the daemon is stopped: check what browsers are told meanwhile
    #[argh(switch)]
    pub(crate) backend_down: bool,
}

/// Print a completion script for a shell.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "completions",
    help_triggers("--help"),
    usage = "bash|zsh|fish",
    example = "source <(hasses-ctl completions bash)\nhasses-ctl completions zsh > \"${{fpath[1]}}/_hasses-ctl\"\n\
               hasses-ctl completions fish > ~/.config/fish/completions/hasses-ctl.fish"
)]
pub(crate) struct Completions {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "shell")]
    pub(crate) shell: Shell,
}

/// Print the manual page, in roff.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "manual", help_triggers("--help"), example = "hasses-ctl manual | man -l -")]
pub(crate) struct Manual {}

/// Where the daemon lets subscribers connect when nothing else was configured.
const DEFAULT_URL: &str = "http://127.0.0.1:8080/sse";

fn log_level(text: &str) -> Result<LogLevel, String> {
    text.parse().map_err(|failure: hasses_client::wire::Failure| failure.error)
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}
