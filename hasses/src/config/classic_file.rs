//! The classic configuration file (`/etc/hasses.conf`): one switch a line, `#` begins a comment.
//!
//! Classic's own script joined the lines and let the shell split them into words. So several switches on a line are as
//! good, and a `#` is a comment only where a word begins: `-sep=#` is a switch.

use super::classic::Switch;
use super::error::ConfigError;

/// Reads the text of the file called `name`.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Switch>, ConfigError> {
    let mut switches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}: ", number + 1);
        for word in line.split_whitespace().take_while(|word| !word.starts_with('#')) {
            if word.starts_with("--") {
                let what =
                    "is a modern flag, and this file holds classic switches; modern settings go into --config FILE";
                return Err(ConfigError::classic(format!("{place}{word:?} {what}")));
            }
            if !word.starts_with('-') || word.len() == 1 {
                return Err(ConfigError::classic(format!("{place}{word:?} is no switch: switches begin with a dash")));
            }
            switches.push(Switch { text: word.to_owned(), place: place.clone() });
        }
    }
    Ok(switches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped_and_lines_are_counted() {
        let text = "# hasses\n\n-p=8080\r\n  -murl=/sse -q # quiet\n\t# -debug\n-sep=#\n-cp=8085#x\n";
        let read: Vec<_> = read("f", text).unwrap().into_iter().map(|switch| switch.place + &switch.text).collect();
        assert_eq!(read, ["f:3: -p=8080", "f:4: -murl=/sse", "f:4: -q", "f:6: -sep=#", "f:7: -cp=8085#x"]);
    }

    #[test]
    fn faults_name_file_and_line() {
        for (text, part) in [
            ("-q\nlisten", "f:2: \"listen\" is no switch"),
            ("-", "f:1: \"-\" is no switch"),
            ("\n\n--listen=x", "f:3: \"--listen=x\" is a modern flag"),
        ] {
            let error = read("f", text).expect_err(text);
            assert!(error.text.contains(part) && error.exit_code == 1, "{error:?}");
        }
    }
}
