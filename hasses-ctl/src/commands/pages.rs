//! Lists come in pages; this asks for one after the other.

use hasses_client::wire::DEFAULT_PAGE_ROWS;

use crate::failure::Failure;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) rows: Vec<T>,
    /// There are more behind them.
    pub(crate) more: bool,
}

/// Asks for pages until there are no more, or `limit` rows have come. `ask` is told how many rows a page may have, and the
/// last row of the page before.
pub(crate) fn collect<T>(
    limit: Option<usize>,
    mut ask: impl FnMut(usize, Option<&T>) -> Result<Page<T>, Failure>,
) -> Result<Page<T>, Failure> {
    let mut all = Page { rows: Vec::new(), more: true };
    loop {
        let missing = limit.map_or(usize::MAX, |limit| limit.saturating_sub(all.rows.len()));
        let page = ask(missing.min(DEFAULT_PAGE_ROWS), all.rows.last())?;
        // A page that is empty although there should be more would be asked for again for ever.
        let last = !page.more || page.rows.is_empty();
        all.more = page.more;
        all.rows.extend(page.rows);
        if last || limit.is_some_and(|limit| all.rows.len() >= limit) {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon with the rows 1 to `total`; keeps what it was asked.
    fn asked(total: usize, limit: Option<usize>) -> (Page<usize>, Vec<(usize, Option<usize>)>) {
        let mut asked = Vec::new();
        let page = collect(limit, |rows, last: Option<&usize>| {
            asked.push((rows, last.copied()));
            let rows: Vec<_> = (last.copied().unwrap_or(0) + 1..=total).take(rows).collect();
            Ok(Page { more: rows.last().is_some_and(|last| *last < total), rows })
        });
        (page.unwrap(), asked)
    }

    #[test]
    fn pages_are_asked_for_until_there_are_no_more() {
        let (page, questions) = asked(2_500, None);
        assert_eq!((page.rows.len(), page.more), (2_500, false));
        assert_eq!(questions, [(1_000, None), (1_000, Some(1_000)), (1_000, Some(2_000))]);
        let (page, questions) = asked(0, None);
        assert_eq!((page.rows.len(), page.more, questions.len()), (0, false, 1));
    }

    #[test]
    fn a_limit_ends_the_list() {
        let (page, questions) = asked(2_500, Some(1_200));
        assert_eq!((page.rows.len(), page.more), (1_200, true));
        assert_eq!(questions, [(1_000, None), (200, Some(1_000))]);
        let (page, _) = asked(10, Some(10));
        assert_eq!((page.rows.len(), page.more), (10, false));
    }

    #[test]
    fn an_empty_page_that_promises_more_is_the_last() {
        let page = collect(None, |_, _: Option<&u8>| Ok(Page { rows: Vec::new(), more: true })).unwrap();
        assert!(page.rows.is_empty());
    }
}
