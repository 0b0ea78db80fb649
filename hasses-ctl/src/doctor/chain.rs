//! The certificates that a server sends: until when, for whom, from whom.
//!
//! Whether they hold is for rustls to say; this finds the words for it.

use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use x509_cert::der::Decode as _;
use x509_cert::name::Name;
use x509_cert::{Certificate, TbsCertificate};

use super::finding::{Check, Finding};
use super::reach::list;

/// Below this a renewal that should have happened by itself has not: Let's Encrypt's clients renew 30 days before the end.
const WARNING_DAYS: u64 = 21;
const DAY: u64 = 86_400;

/// What a server presented, and what rustls thinks of it.
#[derive(Debug)]
pub(crate) struct Presented {
    /// Its own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Whether it holds.
    pub(crate) verdict: Result<(), rustls::Error>,
}

/// Who was asked for, and who is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The host of the URL.
    pub(crate) host: &'a str,
    /// There is nobody who could be believed: the system has no list of authorities.
    pub(crate) no_roots: bool,
}

/// Judges the certificates.
pub(crate) fn judge(presented: &Presented, asked: Asked<'_>, now: SystemTime) -> Finding {
    let chain: Vec<Certificate> =
        presented.chain.iter().filter_map(|certificate| Certificate::from_der(certificate).ok()).collect();
    let Some(own) = chain.first() else {
        return wrong("the certificate cannot be read".to_owned()).change("replace it");
    };
    let own = own.tbs_certificate();
    match &presented.verdict {
        Ok(()) => valid(own, asked.host, now),
        Err(rustls::Error::InvalidCertificate(error)) => invalid(error, &chain, asked, now),
        Err(error) => wrong(format!("the certificate was refused: {error}")),
    }
}

fn valid(own: &TbsCertificate, host: &str, now: SystemTime) -> Finding {
    let end = own.validity().not_after.to_system_time();
    let days = end.duration_since(now).unwrap_or_default().as_secs() / DAY;
    let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let seen =
        format!("it holds for {host}, comes from {}, and has {left} left (until {})", common(own.issuer()), date(end));
    if days >= WARNING_DAYS {
        return Finding::ok(Check::Certificate, seen);
    }
    Finding::warning(Check::Certificate, seen)
        .change("renew it; where that should happen by itself it has not (certbot renew --dry-run says why)")
        .change(RELOAD)
}

const RELOAD: &str = "the server reads a new file only when told to: nginx -s reload, or kill -HUP for hasses itself";

fn invalid(error: &CertificateError, chain: &[Certificate], asked: Asked<'_>, now: SystemTime) -> Finding {
    let own = chain[0].tbs_certificate();
    let host = asked.host;
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => expired(chain, now),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let begin = date(own.validity().not_before.to_system_time());
            wrong(format!("it is not valid before {begin}")).change(
                "is the clock of this machine right? If so the certificate was made for a later day: use the one \
                 before",
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = list(presented.iter().map(|name| plain_name(name)));
            let names = if names.is_empty() { "no name at all".to_owned() } else { names };
            wrong(format!("it is for {names}, not for {host}"))
                .change(format!("get one that names {host}: certbot --expand, or another server block"))
                .change(format!(
                    "with several sites on one address, the one for {host} has to say so (nginx: server_name {host};)"
                ))
        }
        CertificateError::NotValidForName => {
            wrong(format!("it is not for {host}")).change(format!("get one that names {host}"))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => unknown_issuer(chain, asked),
        CertificateError::Revoked => wrong("it was revoked".to_owned()).change("get a new one, with a new key"),
        // Among them that a certificate of an authority is used as a server's, which self-signed ones often are.
        error if is_self_signed(own) => self_signed().change(format!("rustls says: {error}")),
        error => wrong(format!("it was refused: {error}")).change("get a new one"),
    }
}

fn expired(chain: &[Certificate], now: SystemTime) -> Finding {
    let ended = |certificate: &&Certificate| certificate.tbs_certificate().validity().not_after.to_system_time() < now;
    let Some(certificate) = chain.iter().find(ended) else {
        return wrong("a certificate on its way to a known authority has expired".to_owned())
            .change("replace the intermediate certificates by those that the authority hands out now");
    };
    let certificate = certificate.tbs_certificate();
    let end = certificate.validity().not_after.to_system_time();
    let days = now.duration_since(end).unwrap_or_default().as_secs() / DAY;
    let ago = match days {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        _ => format!("{days} days ago"),
    };
    let which = if certificate.subject() == chain[0].tbs_certificate().subject() {
        "it".to_owned()
    } else {
        format!("the intermediate certificate {}", common(certificate.subject()))
    };
    wrong(format!("{which} expired {ago} ({}): browsers refuse it", date(end)))
        .change("renew it (certbot renew)")
        .change(RELOAD)
}

fn unknown_issuer(chain: &[Certificate], asked: Asked<'_>) -> Finding {
    if asked.no_roots {
        return Finding::skipped(
            Check::Certificate,
            "this machine has no list of authorities, so nobody can be believed",
        )
        .change("install it (Debian: ca-certificates), or name a file with --ca");
    }
    let own = chain[0].tbs_certificate();
    if is_self_signed(own) {
        return self_signed();
    }
    // From the server's own certificate upwards, as far as what it sent reaches.
    let mut top = own;
    for _ in chain {
        let issuer = chain.iter().map(Certificate::tbs_certificate).find(|above| above.subject() == top.issuer());
        match issuer {
            Some(above) if !is_self_signed(top) => top = above,
            _ => break,
        }
    }
    let authority = common(top.issuer());
    let private =
        format!("if {authority} is an authority of your own, name its certificate with --ca; browsers need it too");
    if is_self_signed(top) {
        return wrong(format!("it comes from {authority}, which is no authority that this machine knows"))
            .change(private);
    }
    let seen = if chain.len() == 1 {
        format!(
            "the chain is incomplete: the server sends its own certificate alone, without that of {authority}, who \
             signed it"
        )
    } else if top == own {
        format!(
            "the chain is incomplete: none of the other certificates sent is that of {authority}, who signed the \
             server's"
        )
    } else {
        format!("the chain is incomplete: it ends below {authority}, which is no authority that this machine knows")
    };
    wrong(format!("{seen}; browsers that met that one elsewhere carry on, all others refuse"))
        .change("let the server send the whole chain, its own certificate first, then the intermediate ones:")
        .change("  ssl_certificate     /etc/letsencrypt/live/NAME/fullchain.pem;   # nginx; not cert.pem")
        .change("  --tls-cert          /etc/letsencrypt/live/NAME/fullchain.pem    # hasses itself")
        .change(private)
}

fn self_signed() -> Finding {
    wrong("it is self-signed: nobody vouches for it, and browsers refuse it".to_owned())
        .change("get one from an authority (Let's Encrypt is free: certbot), or name this one with --ca for a trial")
}

fn wrong(seen: String) -> Finding {
    Finding::wrong(Check::Certificate, seen)
}

fn is_self_signed(certificate: &TbsCertificate) -> bool {
    certificate.subject() == certificate.issuer()
}

/// The name that people know an authority by.
fn common(name: &Name) -> String {
    match name.common_name() {
        Ok(Some(common)) => format!("\u{201c}{}\u{201d}", common.value()),
        _ => format!("\u{201c}{name}\u{201d}"),
    }
}

/// `DnsName("a.example")` is how webpki writes it.
fn plain_name(presented: &str) -> String {
    presented.split('"').nth(1).unwrap_or(presented).to_owned()
}

/// The day, in UTC.
fn date(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    x509_cert::der::DateTime::from_unix_duration(since).map_or_else(
        |_| "an unknown day".to_owned(),
        |day| format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()),
    )
}
