//! The names of a run's topics. No I/O.

use std::fmt;

/// Longest beginning of names; with a number behind it a topic stays far below what any server takes.
const MAX_BYTES: usize = 100;

/// The topics of one run. Nothing in their names means anything to a server, as a hyphen does in
/// classic text, or has to be escaped anywhere.
#[derive(Clone, Debug)]
pub(super) struct Names {
    beginning: String,
    /// How many there are.
    topics: u32,
}

/// The name of one topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    beginning: &'a str,
    /// `None` where it is the only one.
    number: Option<u32>,
}

impl Names {
    /// So many topics, whose names begin like this.
    ///
    /// # Errors
    /// What would have to be escaped, or is too long.
    pub(super) fn new(beginning: &str, topics: u32) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if beginning.is_empty() || beginning.len() > MAX_BYTES || !beginning.bytes().all(is_plain) {
            return Err(format!("{beginning:?}: it has to be 1 to {MAX_BYTES} letters, digits and _"));
        }
        Ok(Self { beginning: beginning.to_owned(), topics })
    }

    /// The name of the topic of this number.
    pub(super) fn of(&self, topic: u32) -> Name<'_> {
        Name { beginning: &self.beginning, number: (self.topics > 1).then_some(topic) }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.beginning)?;
        self.number.map_or(Ok(()), |number| write!(f, "_{number}"))
    }
}

#[cfg(test)]
impl Default for Names {
    fn default() -> Self {
        Self { beginning: "bench".to_owned(), topics: u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_numbered_where_there_are_several() {
        for (beginning, topics, topic, expected) in
            [("bench", 1, 0, "bench"), ("bench", 2, 0, "bench_0"), ("a_B9", 18, 17, "a_B9_17")]
        {
            assert_eq!(Names::new(beginning, topics).unwrap().of(topic).to_string(), expected);
        }
        for beginning in ["", "a b", "a/b", "a-b", "ä", "~~", "a*", &"x".repeat(101)] {
            assert!(Names::new(beginning, 1).unwrap_err().contains("1 to 100 letters"), "{beginning}");
        }
    }
}
