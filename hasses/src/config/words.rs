//! The known word that somebody who mistyped one may have meant.

/// The known word that is nearest to an unknown one; `None` only where none is known.
///
/// Jaro-Winkler rather than a count of edits, since it favours a common beginning: `max-sub` is `max-subscribers`, not
/// `max-age`.
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let closeness = |word: &str| strsim::jaro_winkler(&unknown.to_ascii_lowercase(), word);
    known.into_iter().max_by(|one, other| closeness(one).total_cmp(&closeness(other)))
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
    }
}
