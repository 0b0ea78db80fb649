//! What the daemon says once it serves: where it listens, and two commands that show it at work.

use std::net::SocketAddr;

use tracing::{info, warn};

use crate::daemon::Daemon;
use crate::shared::Listening;

/// A limit of so many descriptors is one that nobody has chosen: 1,024 is what a login gives.
const FEW_DESCRIPTORS: usize = 4096;

/// Says it in the log. `default_control` is whether `hasses-ctl` finds the daemon by itself.
pub fn greet(daemon: &Daemon, default_control: bool) {
    let path = &daemon.config().path;
    info!("hasses {} (pid {})", env!("CARGO_PKG_VERSION"), std::process::id());
    for listening in daemon.listening() {
        info!("subscribers: {}", listening.url(path));
    }
    for source in daemon.sources() {
        info!("control: {source}");
    }
    info!("room for {} subscribers", daemon.max_subscribers());
    if daemon.descriptors() < FEW_DESCRIPTORS && daemon.config().limits.max_subscribers.is_none() {
        warn!(
            "only {} descriptors are allowed, one for each subscriber; for more: LimitNOFILE= in a unit, `ulimit -n` in a \
             shell or script, nofile in limits.conf",
            daemon.descriptors()
        );
    }
    if let Some(listening) = daemon.listening().first() {
        info!("try: {}", listen_command(listening, path));
    }
    if let Some(source) = daemon.sources().iter().find(|source| !source.starts_with("fifo:")) {
        let source =
            source.strip_prefix("tcp://").map_or_else(|| source.clone(), |at| format!("tcp://{}", reachable(at)));
        let control = if default_control { String::new() } else { format!("--control {source} ") };
        info!("and: {} {control}send room624 \"hi\"", ctl());
    }
}

fn listen_command(listening: &Listening, path: &str) -> String {
    let query = format!("{path}?subscribe=room624");
    // The certificate is for a name, which is not known here.
    let (insecure, scheme) = if listening.tls { ("-k ", "https") } else { ("", "http") };
    match listening.address.strip_prefix("unix:") {
        Some(socket) => format!("curl -N {insecure}--unix-socket {socket} '{scheme}://localhost{query}'"),
        None => format!("curl -N {insecure}'{scheme}://{}{query}'", reachable(&listening.address)),
    }
}

/// Every interface is reached through loopback.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_owned(),
    }
}

/// The tool beside this program, where it is there, since it may not be on the path yet; where cargo runs the daemon, cargo
/// builds the tool.
fn ctl() -> String {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("hasses-ctl"));
    match beside.filter(|path| path.is_file()) {
        Some(path) => path.display().to_string(),
        None if std::env::var_os("CARGO").is_some() => "cargo ctl".to_owned(),
        None => "hasses-ctl".to_owned(),
    }
}
