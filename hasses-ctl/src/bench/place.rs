//! Where a run goes: the server that subscribers connect to, where messages go in, and who is behind that.

use std::path::Path;

use hasses_client::web::Trust;

use super::daemon::Daemon;
use super::outlet::{self, Outlet};
use super::target::Target;
use crate::arguments::Bench;
use crate::failure::Failure;

/// Where a run goes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) outlet: Outlet,
    /// Who is behind the outlet, where that is a daemon that says so.
    pub(super) daemon: Option<Daemon>,
    /// Who is believed, where TLS is spoken.
    pub(super) trust: Option<Trust>,
    /// What to ask where nothing arrives.
    pub(super) doubt: Option<String>,
}

impl Place {
    /// Looks for everything; `control` finds the control channel, where one is needed.
    ///
    /// # Errors
    /// Usage; unreachable where a name has no address.
    pub(super) fn find(arguments: &Bench, control: impl FnOnce() -> Result<String, Failure>) -> Result<Self, Failure> {
        let outlet = outlet::find(arguments, control)?;
        let daemon = Daemon::behind(&outlet);
        let url = arguments.url.clone().map_or_else(|| Daemon::url(daemon.as_ref()), Ok)?;
        let trust = trust(arguments, &url)?;
        let target = Target::find(&url, trust.as_ref())?;
        let doubt = arguments.url.is_some().then(|| doubt(&outlet, daemon.as_ref(), &url)).flatten();
        Ok(Self { target, outlet, daemon, trust, doubt })
    }
}

/// What was given may belong to two servers.
fn doubt(outlet: &Outlet, daemon: Option<&Daemon>, url: &str) -> Option<String> {
    let flag = match outlet {
        Outlet::Control(..) => "--control",
        Outlet::Post(..) => "--post",
    };
    let question = format!("nothing arrived: does {flag} belong to {url}?");
    match daemon.map(|daemon| daemon.listen.as_slice()) {
        None | Some([]) => Some(question),
        Some(listen) if listen.iter().any(|own| own == url) => None,
        Some(listen) => Some(format!("{question} the daemon behind it listens at {}", listen.join(" and "))),
    }
}

/// Who is believed; the system is asked only where TLS is spoken, since reading all it knows takes a while.
fn trust(arguments: &Bench, url: &str) -> Result<Option<Trust>, Failure> {
    if let Some(file) = &arguments.ca {
        let trust = Trust::in_file(Path::new(file));
        return trust.map(Some).map_err(|why| Failure::usage(format!("--ca {file}: {why}")));
    }
    let secure = arguments.post.iter().map(String::as_str).chain([url]).any(|url| !url.starts_with("http://"));
    Ok(secure.then(Trust::of_system))
}
