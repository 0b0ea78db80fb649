//! The flags, as argh declares them: names, `--help`, and what each takes.
//!
//! Values stay text here. What they mean is for the table of `settings`, which reads those of the configuration file as
//! well; tests hold names, ranges and defaults in the texts below against it.

use argh::{ArgsInfo, FromArgs};

/// The command line as argh reads it.
#[derive(ArgsInfo, Debug, Default, FromArgs)]
#[argh(
    name = "hasses",
    description = "Pushes events from a web backend to browsers over Server-Sent Events.\n\
                   Without any flag it serves http://127.0.0.1:8080/sse and takes commands\n\
                   on a Unix socket of the user's own.",
    help_triggers("-h", "--help"),
    usage = "[--listen ADDR:PORT]... [--control URL]... [--config FILE] [OPTIONS]\n       \
             hasses -p=PORT -murl=/PATH -cp=PORT -nodaemon [SWITCHES]   (classic)"
)]
pub(super) struct Arguments {
    /// ADDR:PORT where subscribers connect: IPv4, [IPV6]:PORT or unix:/PATH; may be repeated (default 127.0.0.1:8080)
    #[argh(option, arg_name = "ADDR:PORT")]
    listen: Vec<String>,

    /// ADDR:PORT where subscribers connect with TLS; may be repeated; without --listen it is the only one (default none)
    #[argh(option, arg_name = "ADDR:PORT")]
    listen_tls: Vec<String>,

    /// FILE with a certificate and its chain in PEM; repeated, the name that a client asks for chooses (default none)
    #[argh(option, arg_name = "FILE")]
    tls_cert: Vec<String>,

    /// FILE with the private key of the --tls-cert of the same rank in PEM: PKCS#8, PKCS#1 or SEC1 (default none)
    #[argh(option, arg_name = "FILE")]
    tls_key: Vec<String>,

    /// /PATH that subscribes, the only one there is (default /sse)
    #[argh(option, arg_name = "/PATH")]
    path: Option<String>,

    /// URL of a source of commands, see below; may be repeated (default: the control socket, see below)
    #[argh(option, arg_name = "URL")]
    control: Vec<String>,

    /// let TCP control be reached from other machines, although it has no authentication (default off)
    #[argh(switch)]
    allow_remote_control: bool,

    /// FILE with settings in TOML: keys are the flags without dashes; a flag wins (default none)
    #[argh(option, arg_name = "FILE")]
    pub(super) config: Option<String>,

    /// FILE with classic switches, one a line, as /etc/hasses.conf (default none)
    #[argh(option, arg_name = "FILE")]
    pub(super) classic_config: Option<String>,

    /// read everything, print what the daemon would do as a configuration file, and exit
    #[argh(switch)]
    pub(super) check: bool,

    /// ORIGIN of pages that may subscribe, scheme://host[:port]; may be repeated; * is every one (default *)
    #[argh(option, arg_name = "ORIGIN")]
    cors_origin: Vec<String>,

    /// let pages of the --cors-origin given send cookies along (default off)
    #[argh(switch)]
    cors_credentials: bool,

    /// ADDR[/BITS] of proxies whose X-Forwarded-For is believed, or unix for those on a Unix socket; may be repeated
    /// (default none)
    #[argh(option, arg_name = "ADDR[/BITS]")]
    trusted_proxy: Vec<String>,

    /// connections from a --trusted-proxy begin with a PROXY header, version 1 or 2 (default off)
    #[argh(switch)]
    proxy_protocol: bool,

    /// LEVEL of the log: quiet, normal or debug (default normal)
    #[argh(option, arg_name = "LEVEL")]
    log_level: Option<String>,

    /// PATH of the log file, appended to; it may be moved away at any time; - is standard output
    /// (default standard output)
    #[argh(option, arg_name = "PATH")]
    log_file: Option<String>,

    /// FORMAT of log lines: text, bare (without time and name) or json (default text)
    #[argh(option, arg_name = "FORMAT")]
    log_format: Option<String>,

    /// CHAR that alone ends a message of classic text, so that messages may hold newlines: an ASCII character,
    /// \n, \t, \0 or \xNN (default ; or a newline)
    #[argh(option, arg_name = "CHAR")]
    delimiter: Option<String>,

    /// let a subscribed connection subscribe anew by a new request (default off)
    #[argh(switch)]
    allow_reinit: bool,

    /// DIRECTORY that keeps events over restarts (default none: events are kept in memory)
    #[argh(option, arg_name = "DIRECTORY")]
    log_dir: Option<String>,

    /// WHAT an acknowledged event in --log-dir survives: os (the end of the process) or disk (that of the machine)
    /// (default os)
    #[argh(option, arg_name = "WHAT")]
    durability: Option<String>,

    /// PATTERN=POLICY for subscribers that are too slow for these topics: catch-up (they get everything later), latest
    /// (of each topic only the newest) or disconnect; may be repeated, the first that covers a topic holds
    /// (default: catch-up)
    #[argh(option, arg_name = "PATTERN=POLICY")]
    slow: Vec<String>,

    /// send no hasses.* events: neither where a subscriber stands nor what it lost (default off)
    #[argh(switch)]
    no_notices: bool,

    /// go to the background once it serves; faults up to then are told here (default off)
    #[argh(switch)]
    background: bool,

    /// PATH of a file that holds the process id while it runs (default none)
    #[argh(option, arg_name = "PATH")]
    pid_file: Option<String>,

    /// NAME[:GROUP] to become once ports are bound and keys are read (default the user who starts it)
    #[argh(option, arg_name = "NAME[:GROUP]")]
    user: Option<String>,

    /// COUNT of threads that hold subscribers, 1 to 256 (default 1 on up to two cores, else half of the cores)
    #[argh(option, arg_name = "COUNT")]
    shards: Option<String>,

    /// BYTES of the longest message on a control channel, 512 to 256m (default 1m)
    #[argh(option, arg_name = "BYTES")]
    max_message: Option<String>,

    /// BYTES of the longest request head, 1k to 1m (default 16k)
    #[argh(option, arg_name = "BYTES")]
    max_head: Option<String>,

    /// SECONDS in which a request head must be complete, 0.1 to 600 (default 20)
    #[argh(option, arg_name = "SECONDS")]
    head_timeout: Option<String>,

    /// COUNT of topics that one subscription may name, 1 to 100000 (default 256)
    #[argh(option, arg_name = "COUNT")]
    max_topics: Option<String>,

    /// COUNT of subscribers at one time, 1 to 10000000, or 0 (what the descriptor limit allows) (default 0)
    #[argh(option, arg_name = "COUNT")]
    max_subscribers: Option<String>,

    /// COUNT of subscribers of one client address (IPv6: one /64) at one time, 1 to 10000000, or 0 (no limit) (default 0)
    #[argh(option, arg_name = "COUNT")]
    max_subscribers_per_address: Option<String>,

    /// COUNT of control connections at one time, all sources together, 1 to 100000 (default 256)
    #[argh(option, arg_name = "COUNT")]
    max_control_connections: Option<String>,

    /// BYTES of events that are kept to be sent again, 64k to 64g (default 64m)
    #[argh(option, arg_name = "BYTES")]
    retain_bytes: Option<String>,

    /// SECONDS that an event is kept, 1 to 31536000, or 0 (no limit) (default 3600)
    #[argh(option, arg_name = "SECONDS")]
    retain_age: Option<String>,

    /// COUNT of events that are kept, 1 to 1000000000 (default 1000000)
    #[argh(option, arg_name = "COUNT")]
    retain_events: Option<String>,

    /// COUNT of newest events of each topic that a subscriber may ask for with replay=, 1 to 1000000 (default 1000)
    #[argh(option, arg_name = "COUNT")]
    max_replay: Option<String>,

    /// BYTES that may wait for one subscriber before it is behind, 4k to 1g; one event always fits (default 256k)
    #[argh(option, arg_name = "BYTES")]
    outbox: Option<String>,

    /// BYTES that may wait for all subscribers together, 64k to 64g; one event for each always fits (default 128m)
    #[argh(option, arg_name = "BYTES")]
    outbox_total: Option<String>,

    /// BYTES that the kernel may hold for one subscriber, 4k to 16m (default 64k)
    #[argh(option, arg_name = "BYTES")]
    send_buffer: Option<String>,

    /// BYTES of publishes on their way to the shards, 64k to 4g (default 16m)
    #[argh(option, arg_name = "BYTES")]
    in_flight: Option<String>,

    /// SECONDS after which a comment goes to a subscriber that nothing else went to, 0.1 to 3600 (default 15)
    #[argh(option, arg_name = "SECONDS")]
    heartbeat: Option<String>,

    /// SECONDS after which a subscriber is disconnected that takes nothing of what waits for it, 1 to 3600 (default 60)
    #[argh(option, arg_name = "SECONDS")]
    progress_timeout: Option<String>,

    /// SECONDS over which the ends of all streams are spread at SIGTERM, 0.1 to 3600, or 0 (at once) (default 10)
    #[argh(option, arg_name = "SECONDS")]
    drain: Option<String>,

    /// SECONDS after which a subscriber is ended, 1 to 31536000, or 0 (never) (default 0)
    #[argh(option, arg_name = "SECONDS")]
    max_age: Option<String>,

    /// MILLISECONDS that browsers wait when told to come back later, plus up to as much again, 100 to 3600000
    /// (default 5000)
    #[argh(option, arg_name = "MILLISECONDS")]
    retry: Option<String>,

    /// MILLISECONDS of silence that end a classic message without terminator on a Unix socket, a FIFO or loopback,
    /// 1 to 10000 (default 2)
    #[argh(option, arg_name = "MILLISECONDS")]
    quiet_time: Option<String>,

    /// MILLISECONDS of silence that do so on other TCP, 1 to 60000 (default 250)
    #[argh(option, arg_name = "MILLISECONDS")]
    quiet_time_remote: Option<String>,

    /// print the manual page, in roff, and exit
    #[argh(switch)]
    pub(super) man: bool,

    /// SHELL whose completions to print, bash, zsh or fish, and exit
    #[argh(option, arg_name = "SHELL")]
    pub(super) completions: Option<String>,

    /// print the version and exit
    #[argh(switch)]
    #[expect(dead_code, reason = "it is declared for --help; the command line answers it before argh sees it")]
    version: bool,
}

impl Arguments {
    /// The settings that were given, by name; those that were not are left out.
    pub(super) fn settings(&self) -> Vec<(&'static str, Vec<String>)> {
        let one = |value: &Option<String>| value.iter().cloned().collect();
        let switch = |on: bool| if on { vec!["true".to_owned()] } else { Vec::new() };
        let all = [
            ("listen", self.listen.clone()),
            ("listen-tls", self.listen_tls.clone()),
            ("tls-cert", self.tls_cert.clone()),
            ("tls-key", self.tls_key.clone()),
            ("path", one(&self.path)),
            ("control", self.control.clone()),
            ("allow-remote-control", switch(self.allow_remote_control)),
            ("cors-origin", self.cors_origin.clone()),
            ("cors-credentials", switch(self.cors_credentials)),
            ("trusted-proxy", self.trusted_proxy.clone()),
            ("proxy-protocol", switch(self.proxy_protocol)),
            ("log-level", one(&self.log_level)),
            ("log-file", one(&self.log_file)),
            ("log-format", one(&self.log_format)),
            ("delimiter", one(&self.delimiter)),
            ("allow-reinit", switch(self.allow_reinit)),
            ("log-dir", one(&self.log_dir)),
            ("durability", one(&self.durability)),
            ("slow", self.slow.clone()),
            ("no-notices", switch(self.no_notices)),
            ("background", switch(self.background)),
            ("pid-file", one(&self.pid_file)),
            ("user", one(&self.user)),
            ("shards", one(&self.shards)),
            ("max-message", one(&self.max_message)),
            ("max-head", one(&self.max_head)),
            ("head-timeout", one(&self.head_timeout)),
            ("max-topics", one(&self.max_topics)),
            ("max-subscribers", one(&self.max_subscribers)),
            ("max-subscribers-per-address", one(&self.max_subscribers_per_address)),
            ("max-control-connections", one(&self.max_control_connections)),
            ("retain-bytes", one(&self.retain_bytes)),
            ("retain-age", one(&self.retain_age)),
            ("retain-events", one(&self.retain_events)),
            ("max-replay", one(&self.max_replay)),
            ("outbox", one(&self.outbox)),
            ("outbox-total", one(&self.outbox_total)),
            ("send-buffer", one(&self.send_buffer)),
            ("in-flight", one(&self.in_flight)),
            ("heartbeat", one(&self.heartbeat)),
            ("progress-timeout", one(&self.progress_timeout)),
            ("drain", one(&self.drain)),
            ("max-age", one(&self.max_age)),
            ("retry", one(&self.retry)),
            ("quiet-time", one(&self.quiet_time)),
            ("quiet-time-remote", one(&self.quiet_time_remote)),
        ];
        all.into_iter().filter(|(_, values)| !values.is_empty()).collect()
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
