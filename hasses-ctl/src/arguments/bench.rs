//! What `bench` takes.

use argh::{ArgsInfo, FromArgs};

use super::numbers::{count, process, rate, seconds, size};
use crate::bench::Mix;

/// Load an SSE server with subscribers and messages, check every delivery, and say what it cost.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "bench",
    help_triggers("--help"),
    example = "hasses-ctl bench --subscribers 1000\n\
               hasses-ctl bench --subscribers 15000 --topics each --burst 50 --messages 50000\n\
               hasses-ctl bench --rate 100 --duration 30 --json\n\
               hasses-ctl bench --rate 50 --stalled 1000 --storm 5000\n\
               hasses-ctl bench 'http://127.0.0.1:8090/sub?id={{topic}}' --publish post \\\n    \
               --post 'http://127.0.0.1:8090/pub?id={{topic}}'",
    usage = "[<url>] [--subscribers <n>] [--topics <mix>] [--topic <name>] [--stalled <n>] [--storm <n>]\n             \
             [--publish <how>]\n             \
             [--post <url> [--post-body <text>] [--post-header <line>...]] [--burst <n>] [--rate <n>]\n             \
             [--messages <n> | --duration <seconds>] [--warm-up <n>] [--size <bytes>] [--threads <n>]\n             \
             [--spin] [--cores <list>] [--idle <seconds>] [--pid <pid>] [--ca <file>]\n             \
             [--connect-rate <n>] [--patience <seconds>]",
    note = "<url> is where subscribers connect; unless given, where the daemon behind --control listens,\n\
            else http://127.0.0.1:8080/sse. `{{topic}}` in it becomes the topic; without it\n\
            `subscribe=TOPIC` is added, as hasses takes it.\n\
            Numbers may be written as 20k or 1m, of bytes in KiB and MiB.\n\
            Without --rate the next burst goes out when everybody has the one before. Every\n\
            subscriber's messages are checked: each once, in order, intact. The server's CPU and\n\
            memory are measured where its process is known and on this machine.\n\
            Here the exit codes are: 0 all messages came as they should; 1 some did not, or a\n\
            subscriber or a message was refused; 2 usage; 3 the server cannot be reached.\n\
            hasses-ctl/docs/bench.md in the sources says how to read the figures."
)]
pub(crate) struct Bench {
    /// where subscribers connect, with `{topic}` where another server wants the topic
    #[argh(positional, arg_name = "url")]
    pub(crate) url: Option<String>,
    /// connections; 100 unless given
    #[argh(option, arg_name = "n", default = "100", from_str_fn(count))]
    pub(crate) subscribers: u64,
    /// topics: one; each (a topic for each subscriber); a number (alike); zipf:N (N topics by Zipf's law); one unless given
    #[argh(option, arg_name = "mix", default = "Mix::One")]
    pub(crate) topics: Mix,
    /// the topic, or what the topics' names begin with; bench unless given
    #[argh(option, arg_name = "name", default = "\"bench\".to_owned()")]
    pub(crate) topic: String,
    /// further connections of the same topics that read nothing, from before the measurement to its end
    #[argh(option, arg_name = "n", default = "0", from_str_fn(count))]
    pub(crate) stalled: u64,
    /// further connections that come back all at once in the middle of the measurement, and want all from its first event on
    #[argh(option, arg_name = "n", default = "0", from_str_fn(count))]
    pub(crate) storm: u64,
    /// how messages go to the server: classic or json on the control channel, post by HTTP; classic unless given
    #[argh(option, arg_name = "how", default = "\"classic\".to_owned()")]
    pub(crate) publish: String,
    /// where to POST messages, with `{topic}`
    #[argh(option, arg_name = "url")]
    pub(crate) post: Option<String>,
    /// body of a POST, with `{message}` and `{topic}`; the message alone unless given
    #[argh(option, arg_name = "text")]
    pub(crate) post_body: Option<String>,
    /// header line of a POST, as 'Name: value'; may be repeated
    #[argh(option, arg_name = "line")]
    pub(crate) post_header: Vec<String>,
    /// messages that are written at once; 1 unless given
    #[argh(option, arg_name = "n", default = "1", from_str_fn(count))]
    pub(crate) burst: u64,
    /// bursts a second, whether the ones before have arrived or not; latency counts from when each was due
    #[argh(option, arg_name = "n", from_str_fn(rate))]
    pub(crate) rate: Option<f64>,
    /// messages that are measured, rounded up to whole bursts; 1000 unless given
    #[argh(option, arg_name = "n", from_str_fn(count))]
    pub(crate) messages: Option<u64>,
    /// seconds to measure, instead of a number of messages; with --rate so many bursts as are due in them
    #[argh(option, arg_name = "seconds", from_str_fn(seconds))]
    pub(crate) duration: Option<f64>,
    /// messages before, which are not measured; unless given a tenth of --messages, or 100 within a tenth of --duration
    #[argh(option, arg_name = "n", from_str_fn(count))]
    pub(crate) warm_up: Option<u64>,
    /// bytes of a message, at least 16; 64 unless given
    #[argh(option, arg_name = "bytes", default = "64", from_str_fn(size))]
    pub(crate) size: u64,
    /// receiving threads; 1 unless given
    #[argh(option, arg_name = "n", default = "1", from_str_fn(count))]
    pub(crate) threads: u64,
    /// receive without sleeping, so that the server never pays for waking a receiver; takes a whole core a thread
    #[argh(switch)]
    pub(crate) spin: bool,
    /// cores to run on, as in 1,4-7; all unless given
    #[argh(option, arg_name = "list")]
    pub(crate) cores: Option<String>,
    /// seconds of silence between subscribing and publishing, in which the server's CPU is measured
    #[argh(option, arg_name = "seconds", from_str_fn(seconds))]
    pub(crate) idle: Option<f64>,
    /// process of the server, whose CPU and memory are measured; the daemon's own unless given
    #[argh(option, arg_name = "pid", from_str_fn(process))]
    pub(crate) pid: Option<u32>,
    /// believe the authorities in this PEM file instead of the system's
    #[argh(option, arg_name = "file")]
    pub(crate) ca: Option<String>,
    /// connections opened a second, at most
    #[argh(option, arg_name = "n", from_str_fn(count))]
    pub(crate) connect_rate: Option<u64>,
    /// seconds without any delivery after which what is due counts as lost; 20 unless given
    #[argh(option, arg_name = "seconds", default = "20.0", from_str_fn(seconds))]
    pub(crate) patience: f64,
}
