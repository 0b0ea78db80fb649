//! The findings as people and scripts read them.
//!
//! People get each as it is found, since some take their time; scripts get one object at the end.

use serde::Serialize;

use super::finding::{Check, Finding, Verdict};
use crate::output::{End, Output, note};
use crate::quantity::counted;
use crate::table::legible;

/// Columns of verdict and check, with two spaces before each and behind the last.
const VERDICT: usize = 7;
const CHECK: usize = 12;
const INDENT: usize = 2 + VERDICT + 2 + CHECK + 2;
/// Width of the sentences beside them, so that a line fits into 100 columns.
const WIDTH: usize = 100 - INDENT;

/// The findings so far.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    out: &'a mut Output,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// A report on a URL.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn begin(url: &str, out: &'a mut Output) -> Result<Self, End> {
        if !out.is_json() {
            let (bold, plain) = if out.colour() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            out.text(&format!("{bold}{}{plain}\n\n", legible(url)))?;
            out.flush()?;
        }
        Ok(Self { out, findings: Vec::new() })
    }

    /// Adds a finding.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn add(&mut self, finding: Finding) -> Result<(), End> {
        if !self.out.is_json() {
            let text = text(&finding, self.out.colour());
            self.out.text(&text)?;
            self.out.flush()?;
        }
        self.findings.push(finding);
        Ok(())
    }

    /// Tells whoever sits at a terminal what takes its time.
    pub(crate) fn progress(&self, check: Check, text: &str) {
        note(&format!("  {:<VERDICT$}  {:<CHECK$}  {text}", "...", check.name()));
    }

    /// Whether something was wrong with any of what was checked.
    pub(crate) fn any_wrong(&self) -> bool {
        self.count(Verdict::Wrong) > 0
    }

    /// Ends the report.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn end(self, url: &str) -> Result<(), End> {
        if self.out.is_json() {
            #[derive(Serialize)]
            struct Line<'a> {
                ok: bool,
                url: &'a str,
                findings: &'a [Finding],
            }
            let line = Line { ok: !self.any_wrong(), url, findings: &self.findings };
            // Strings, names and a bool always have a JSON form.
            let line = serde_json::to_string(&line).unwrap_or_default() + "\n";
            return self.out.text(&line);
        }
        let summary = self.summary();
        self.out.text(&format!("\n{summary}\n"))
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count() as u64
    }

    fn summary(&self) -> String {
        let mut parts = vec![match self.count(Verdict::Wrong) {
            0 => "nothing wrong".to_owned(),
            wrong => format!("{wrong} wrong"),
        }];
        let warnings = self.count(Verdict::Warning);
        parts.extend((warnings > 0).then(|| counted(warnings, "warning")));
        parts.push(format!("{} ok", self.count(Verdict::Ok)));
        let skipped = self.count(Verdict::Skipped);
        parts.extend((skipped > 0).then(|| format!("{skipped} skipped")));
        parts.join(", ")
    }
}

/// A finding: verdict, check and what was seen on one line, what to change below.
fn text(finding: &Finding, colour: bool) -> String {
    let (mark, plain) = match (colour, finding.verdict) {
        (false, _) => ("", ""),
        (true, Verdict::Ok) => ("\x1b[32m", "\x1b[0m"),
        (true, Verdict::Warning) => ("\x1b[33m", "\x1b[0m"),
        (true, Verdict::Wrong) => ("\x1b[1;31m", "\x1b[0m"),
        (true, Verdict::Skipped) => ("\x1b[2m", "\x1b[0m"),
    };
    let (verdict, check) = (finding.verdict.word(), finding.check.name());
    let mut text = format!("  {mark}{verdict:<VERDICT$}{plain}  {check:<CHECK$}  ");
    let indent = " ".repeat(INDENT);
    text.push_str(&wrap(&finding.seen, WIDTH).join(&format!("\n{indent}")));
    for change in &finding.change {
        if change.starts_with("  ") {
            // A line of configuration, to be copied as it is.
            text.push_str(format!("\n{indent}  {}", legible(change)).trim_end_matches(' '));
        } else {
            let lines = wrap(change, WIDTH - 2);
            text.push_str(&format!("\n{indent}> {}", lines.join(&format!("\n{indent}  "))));
        }
    }
    text.push('\n');
    text
}

/// Lines of at most `width` characters, where words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in legible(text).split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_aligned_and_configuration_stays_as_it_is() {
        let sentence = "a sentence that is long enough to need a second line beside the columns of verdict and check";
        let finding = Finding::wrong(Check::Compression, sentence)
            .change("switch it off:")
            .change("  gzip off;   # here")
            .change("and\nreload");
        assert_eq!(
            text(&finding, false),
            "  wrong    compression   a sentence that is long enough to need a second line beside the columns of\n\
             \x20                        verdict and check\n\
             \x20                        > switch it off:\n\
             \x20                            gzip off;   # here\n\
             \x20                        > and\\nreload\n"
        );
        let ok = Finding::ok(Check::Tls, "TLS 1.3\x1b[2J");
        assert_eq!(text(&ok, false), "  ok       tls           TLS 1.3\\u{1b}[2J\n");
        assert!(text(&ok, true).starts_with("  \x1b[32mok     \x1b[0m  tls  "));
    }

    #[test]
    fn the_columns_hold_every_word() {
        assert!(
            [Check::Certificate, Check::Compression, Check::Descriptors, Check::BackendDown]
                .iter()
                .all(|check| check.name().len() <= CHECK)
        );
        assert!([Verdict::Warning, Verdict::Skipped].iter().all(|verdict| verdict.word().len() <= VERDICT));
    }

    #[test]
    fn long_words_stand_on_lines_of_their_own() {
        assert_eq!(wrap("a bb ccc https://example.com/a/b d", 6), ["a bb", "ccc", "https://example.com/a/b", "d"]);
        assert_eq!(wrap("", 6), [""]);
    }
}
