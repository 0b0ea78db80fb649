//! Whether a page of another origin may read the stream, by the rules of the Fetch standard ("CORS check").

use hasses_client::web::Head;

use super::finding::{Check, Finding};
use super::origin::Origin;

/// Whether pages send cookies along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// `withCredentials: true`.
    Sent,
    /// As an `EventSource` does by itself.
    Kept,
}

/// What the head allows.
#[derive(Debug, PartialEq, Eq)]
enum Allowed<'a> {
    /// No header.
    Nobody,
    /// `*`
    Everybody,
    /// This origin.
    Only(&'a str),
    /// Several headers, or several origins in one: browsers take none.
    Several(String),
}

fn allowed(head: &Head) -> Allowed<'_> {
    let values: Vec<&str> = head.all("access-control-allow-origin").map(str::trim).collect();
    match values.as_slice() {
        [] => Allowed::Nobody,
        ["*"] => Allowed::Everybody,
        [one] if !one.contains([',', ' ']) => Allowed::Only(one),
        several => Allowed::Several(several.join(", ")),
    }
}

fn takes_cookies(head: &Head) -> bool {
    // Case-sensitive in the standard.
    head.first("access-control-allow-credentials") == Some("true")
}

/// Judges whether pages of this origin may read the answer.
pub(crate) fn judge(head: &Head, page: &Origin, cookies: Cookies) -> Finding {
    let wrong = |seen: String| Finding::wrong(Check::Cors, seen);
    let allow = |finding: Finding| {
        finding
            .change(
                "tell the daemon who may read (several: repeat it; as browsers write it, without a slash at the end):",
            )
            .change(format!("  --cors-origin {page}"))
    };
    match allowed(head) {
        Allowed::Several(values) => twice(wrong(format!(
            "Access-Control-Allow-Origin says {values:?}: browsers take one value alone, so no page may read it"
        ))),
        Allowed::Nobody => {
            let finding = allow(wrong(format!(
                "pages of {page} may not read it: there is no Access-Control-Allow-Origin for them"
            )));
            finding.change("and let the proxy leave the header as it comes (nginx: no proxy_hide_header)")
        }
        Allowed::Only(other) if other != page.as_str() => allow(wrong(format!(
            "pages of {page} may not read it: Access-Control-Allow-Origin is {other:?}, and has to be the same to \
             the letter"
        ))),
        Allowed::Everybody if cookies == Cookies::Sent => {
            let finding =
                wrong(format!("pages of {page} that send cookies may not read it: Access-Control-Allow-Origin is *"));
            finding
                .change("name the origins, and allow cookies:")
                .change(format!("  --cors-origin {page} --cors-credentials"))
        }
        Allowed::Only(_) if cookies == Cookies::Sent && !takes_cookies(head) => {
            let finding = wrong(format!(
                "pages of {page} may not read it if they send cookies: Access-Control-Allow-Credentials is not true"
            ));
            finding.change("allow it: --cors-credentials")
        }
        Allowed::Everybody => {
            Finding::ok(Check::Cors, format!("pages of {page} may read it, as may those of any origin"))
        }
        Allowed::Only(_) => {
            let with = if cookies == Cookies::Sent { ", with cookies" } else { "" };
            Finding::ok(Check::Cors, format!("pages of {page} may read it{with}"))
        }
    }
}

/// Says what pages of other origins may do, where nobody asked for one. `stranger` is an origin that cannot be.
pub(crate) fn tell(head: &Head, own: &Origin, stranger: &Origin) -> Finding {
    let ok = |seen: String| Finding::ok(Check::Cors, seen);
    match allowed(head) {
        Allowed::Several(values) => twice(Finding::warning(
            Check::Cors,
            format!(
                "Access-Control-Allow-Origin says {values:?}: pages of {own} may read it, and no others, as browsers \
                 take one value alone"
            ),
        )),
        Allowed::Everybody => {
            ok(format!("pages of {own} may read it, and so may those of any other origin, without cookies"))
        }
        Allowed::Nobody => ok(format!("pages of {own} may read it; --origin checks whether those of another may")),
        Allowed::Only(echo) if echo == stranger.as_str() && takes_cookies(head) => Finding::warning(
            Check::Cors,
            "whoever asks is allowed, with the visitor's cookies: any page in the world may read what the visitor may",
        )
        .change(
            "name the origins: --cors-origin, and no `add_header Access-Control-Allow-Origin $http_origin` in the \
             proxy",
        ),
        Allowed::Only(echo) if echo == stranger.as_str() => {
            ok(format!("pages of {own} may read it, and so may those of any other origin, without cookies"))
        }
        Allowed::Only(other) => ok(format!("pages of {own} may read it, and so may those of {other}")),
    }
}

/// Judges the answer to a preflight, which `EventSource` does not need and clients made with `fetch` do.
pub(crate) fn judge_preflight(head: &Head, page: &Origin, cookies: Cookies) -> Finding {
    let header = "last-event-id";
    let headers_allowed = head.lists("access-control-allow-headers", header)
        || (cookies == Cookies::Kept && head.lists("access-control-allow-headers", "*"));
    let reason = if !(200..300).contains(&head.status) {
        format!("it was answered {}", head.status_text())
    } else if judge(head, page, cookies).verdict != super::finding::Verdict::Ok {
        "the origin is not allowed".to_owned()
    } else if !headers_allowed {
        format!("Access-Control-Allow-Headers does not name {header}")
    } else {
        return Finding::ok(Check::Preflight, format!("pages of {page} that use fetch may send headers of their own"));
    };
    Finding::warning(
        Check::Preflight,
        format!("a preflight (OPTIONS) fails: {reason}; EventSource needs none, clients that use fetch do"),
    )
    .change("let OPTIONS through to the daemon, which answers it")
}

fn twice(finding: Finding) -> Finding {
    finding
        .change(
            "only one may say it, the daemon or the proxy: take `add_header Access-Control-Allow-Origin` out of the \
             proxy, or",
        )
        .change("  proxy_hide_header Access-Control-Allow-Origin;      # nginx")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn head(origins: &[&str], cookies: bool) -> Head {
        let mut headers: Vec<_> = origins.iter().map(|origin| ("Access-Control-Allow-Origin", *origin)).collect();
        headers.extend(cookies.then_some(("Access-Control-Allow-Credentials", "true")));
        Head::new(200, &headers)
    }

    #[test]
    fn a_page_is_let_in_or_kept_out() {
        const APP: &str = "https://app.example";
        let page = Origin::parse(APP).unwrap();
        for (origins, allows, cookies, verdict, part) in [
            (&["*"][..], false, Cookies::Kept, Verdict::Ok, "those of any origin"),
            (&[APP], false, Cookies::Kept, Verdict::Ok, "pages of https://app.example may read it"),
            (&[APP], true, Cookies::Sent, Verdict::Ok, "with cookies"),
            (&[], false, Cookies::Kept, Verdict::Wrong, "there is no Access-Control-Allow-Origin"),
            (&["https://other.example"], false, Cookies::Kept, Verdict::Wrong, "to the letter"),
            (&["https://app.example/"], false, Cookies::Kept, Verdict::Wrong, "to the letter"),
            (&["*", "*"], false, Cookies::Kept, Verdict::Wrong, "\"*, *\""),
            (&["https://app.example, https://b.example"], false, Cookies::Kept, Verdict::Wrong, "one value alone"),
            (&["*"], true, Cookies::Sent, Verdict::Wrong, "is *"),
            (&[APP], false, Cookies::Sent, Verdict::Wrong, "not true"),
        ] {
            let finding = judge(&head(origins, allows), &page, cookies);
            assert_eq!(finding.verdict, verdict, "{origins:?}: {finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
            assert_eq!(finding.change.is_empty(), verdict == Verdict::Ok);
        }
    }

    #[test]
    fn without_an_origin_it_is_told_who_may() {
        let own = Origin::parse("https://own.example").unwrap();
        let stranger = Origin::parse("https://stranger.invalid").unwrap();
        for (origins, cookies, verdict, part) in [
            (&["*"][..], false, Verdict::Ok, "any other origin"),
            (&[], false, Verdict::Ok, "--origin checks"),
            (&["https://app.example"], true, Verdict::Ok, "those of https://app.example"),
            (&["https://stranger.invalid"], false, Verdict::Ok, "any other origin"),
            (&["https://stranger.invalid"], true, Verdict::Warning, "any page in the world"),
            (&["*", "*"], false, Verdict::Warning, "no others"),
        ] {
            let finding = tell(&head(origins, cookies), &own, &stranger);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
        }
    }

    #[test]
    fn a_preflight_has_to_allow_the_header() {
        let page = Origin::parse("https://app.example").unwrap();
        let origin = ("Access-Control-Allow-Origin", "*");
        for (status, headers, verdict) in [
            (200, vec![origin, ("Access-Control-Allow-Headers", "cache-control, Last-Event-ID")], Verdict::Ok),
            (204, vec![origin, ("Access-Control-Allow-Headers", "*")], Verdict::Ok),
            (200, vec![origin], Verdict::Warning),
            (200, vec![("Access-Control-Allow-Headers", "*")], Verdict::Warning),
            (405, vec![origin, ("Access-Control-Allow-Headers", "*")], Verdict::Warning),
        ] {
            let finding = judge_preflight(&Head::new(status, &headers), &page, Cookies::Kept);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }
}
