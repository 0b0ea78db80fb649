//! What can change while the daemon runs: exchanged as a whole by a reload, never in part.
//!
//! Shards are told of new ones by a message and keep them at hand; others take those in force when they need them.

use std::io;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::config::{Config, Limits, Proxies, SlowRule};
use crate::http::Endpoint;
use crate::tls::{self, TlsConfig};

/// Descriptors kept back for epolls, listeners, log, FIFO and what the system libraries open.
const RESERVED_DESCRIPTORS: usize = 64;
/// Connections over the limit of subscribers, so that those can be told to come back later.
const REFUSAL_CONNECTIONS: usize = 64;

/// What can change while the daemon runs.
#[derive(Debug)]
pub struct Settings {
    /// What responses have in common.
    pub endpoint: Endpoint,
    /// The limits.
    pub limits: Limits,
    /// What becomes of slow subscribers, by topic.
    pub slow: Vec<SlowRule>,
    /// Subscribers are told where they stand and what they lost.
    pub notices: bool,
    /// Subscribers at one time, the descriptor limit taken into account.
    pub max_subscribers: usize,
    /// Connections at one time; some more than subscribers, so that those over the limit can be told.
    pub max_connections: usize,
    /// Who is believed about a client's address.
    pub proxies: Proxies,
    /// Certificates and keys, where something listens with TLS.
    pub tls: Option<Arc<TlsConfig>>,
}

impl Settings {
    /// What a configuration says. Reads certificates and keys.
    ///
    /// # Errors
    /// A certificate or key that cannot be used.
    pub fn new(config: &Config, descriptors: usize) -> Result<Self, tls::CertificateError> {
        let tls = if config.listen_tls.is_empty() { None } else { Some(tls::load(&config.certificates)?) };
        Ok(Self::with_tls(config, descriptors, tls))
    }

    /// The same with certificates and keys that have been read.
    #[must_use]
    pub fn with_tls(config: &Config, descriptors: usize, tls: Option<Arc<TlsConfig>>) -> Self {
        let kept_back = RESERVED_DESCRIPTORS + config.limits.max_control_connections;
        let max_connections = descriptors.saturating_sub(kept_back).max(1);
        let possible = max_connections.saturating_sub(REFUSAL_CONNECTIONS).max(1);
        let max_subscribers = config.limits.max_subscribers.unwrap_or(possible).min(possible);
        if let Some(asked) = config.limits.max_subscribers
            && asked > possible
        {
            warn!(
                "--max-subscribers {asked} is more than the limit of {descriptors} descriptors allows; {possible} it is \
                 (raise it with LimitNOFILE= or ulimit -n)"
            );
        }
        Self {
            endpoint: Endpoint { path: config.path.clone(), cors: config.cors.clone() },
            limits: config.limits.clone(),
            slow: config.slow.clone(),
            notices: config.notices,
            max_subscribers,
            max_connections,
            proxies: config.proxies.clone(),
            tls,
        }
    }
}

/// Raises the descriptor limit to what the process may have; gives it.
///
/// # Errors
/// What the system said.
pub fn raise_descriptor_limit() -> io::Result<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        info!("the descriptor limit is raised from {} to {}", shown(current), shown(maximum));
    }
    // "Unlimited" is bounded by the kernel (fs.nr_open, a million by default).
    Ok(maximum.and_then(|maximum| usize::try_from(maximum).ok()).unwrap_or(1 << 20))
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_bounded_by_what_was_asked_for_and_by_the_descriptors() {
        let settings = |asked, descriptors, control| {
            let mut config = Config::default();
            config.limits.max_subscribers = asked;
            config.limits.max_control_connections = control;
            let settings = Settings::new(&config, descriptors).unwrap();
            (settings.max_subscribers, settings.max_connections)
        };
        assert_eq!(settings(None, 1000, 256), (616, 680));
        assert_eq!(settings(Some(100), 1000, 256), (100, 680));
        assert_eq!(settings(Some(616), 1000, 256), (616, 680));
        assert_eq!(settings(Some(5000), 1000, 256), (616, 680));
        // So few that nothing is left: one is always served.
        assert_eq!(settings(None, 64, 256), (1, 1));
        assert_eq!(settings(None, 1000, 930), (1, 6));
    }
}
