//! The known word that somebody who mistyped one may have meant.

/// What is less alike than this was not meant.
const ALIKE: f64 = 0.7;

/// ` ` and a hint at the known word that is nearest to an unknown one, written as `form` says; empty where none is near.
pub(super) fn hint<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
    form: impl FnOnce(&'a str) -> String,
) -> String {
    nearest(unknown, known).map(|word| format!("; the nearest is {}", form(word))).unwrap_or_default()
}

/// The known word that is nearest to an unknown one; `None` where none is near.
///
/// Jaro-Winkler rather than a count of edits, since it favours a common beginning: `max-sub` is `max-subscribers`, not
/// `max-age`.
fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let closeness = |word: &str| strsim::jaro_winkler(&unknown.to_ascii_lowercase(), word);
    let best = known.into_iter().max_by(|one, other| closeness(one).total_cmp(&closeness(other)));
    best.filter(|word| closeness(word) >= ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_what_was_meant() {
        let known = ["listen", "log-level", "log-file", "max-age", "max-message", "max-subscribers", "cors-origin"];
        for (typed, meant) in [
            ("lisen", "listen"),
            ("max-mesage", "max-message"),
            ("max_message", "max-message"),
            ("max-sub", "max-subscribers"),
            ("cors", "cors-origin"),
            ("LOG-LEVEL", "log-level"),
        ] {
            assert_eq!(nearest(typed, known), Some(meant), "{typed}");
        }
        assert_eq!(nearest("x", []), None);
        for far in ["frob", "verbose", "workers"] {
            assert_eq!(nearest(far, known), None, "{far}");
        }
        assert_eq!(hint("lisen", known, |word| format!("--{word}")), "; the nearest is --listen");
        assert_eq!(hint("frob", known, str::to_owned), "");
    }
}
