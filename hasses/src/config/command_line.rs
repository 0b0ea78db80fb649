//! The command line, sorted into modern flags (two dashes) and classic switches (one).
//!
//! argh does not know `--flag=value`, takes some values for its own words, and suggests nothing: so the line is walked
//! here first, and argh gets what it can read.

use std::collections::BTreeSet;
use std::ffi::OsString;

use argh::{ArgsInfo as _, FlagInfo, FlagInfoKind, FromArgs as _, Optionality};

use super::arguments::Arguments;
use super::classic::takes_value;
use super::error::ConfigError;
use super::words::hint;

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum CommandLine {
    /// The help text.
    Help,
    /// The version.
    Version,
    /// Modern flags and classic switches; whether they may stand together is not decided here.
    Flags { arguments: Box<Arguments>, switches: Vec<String> },
}

/// Sorts the arguments that follow the program's name.
pub(super) fn read<A: Into<OsString>>(words: impl IntoIterator<Item = A>) -> Result<CommandLine, ConfigError> {
    let info = Arguments::get_args_info();
    let mut words = words.into_iter().map(Into::into).map(text);
    let mut given = BTreeSet::new();
    let mut flags: Vec<String> = Vec::new();
    let mut switches = Vec::new();
    while let Some(word) = words.next().transpose()? {
        match word.as_str() {
            "--help" | "-help" | "-h" | "help" => return Ok(CommandLine::Help),
            "--version" | "-version" | "-v" | "-V" => return Ok(CommandLine::Version),
            _ if word.len() > 2 && word.starts_with("--") => {}
            _ if word.len() > 1 && !word.starts_with("--") && word.starts_with('-') => {
                switches.push(word);
                continue;
            }
            _ => return Err(usage(&unexpected(&word, switches.last()))),
        }
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let flag = known(info.flags, name)?;
        if !given.insert(flag.long) && flag.optionality != Optionality::Repeating {
            return Err(usage(&format!("{name} is given twice")));
        }
        flags.push(name.to_owned());
        flags.extend(match flag.kind {
            FlagInfoKind::Switch => no_value(name, joined)?,
            FlagInfoKind::Option { arg_name } => match joined {
                Some(value) => Some(value),
                None => Some(next_value(name, arg_name, words.next().transpose()?)?),
            },
        });
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // The walk has found every fault that argh could name, so its own text is only the last resort.
    let arguments = Box::<Arguments>::from_args(&["hasses"], &flags).map_err(|exit| usage(exit.output.trim()))?;
    Ok(CommandLine::Flags { arguments, switches })
}

fn unexpected(word: &str, before: Option<&String>) -> String {
    match before.filter(|switch| takes_value(switch)) {
        Some(switch) => format!("unexpected argument {word:?}; if it is the value of {switch}, write {switch}={word}"),
        None => format!("unexpected argument {word:?}: flags begin with two dashes"),
    }
}

fn text(word: OsString) -> Result<String, ConfigError> {
    word.into_string().map_err(|word| usage(&format!("argument {word:?} is not UTF-8")))
}

fn known<'a>(flags: &'a [FlagInfo<'a>], name: &str) -> Result<&'a FlagInfo<'a>, ConfigError> {
    if let Some(flag) = flags.iter().find(|flag| flag.long == name) {
        return Ok(flag);
    }
    let names = flags.iter().map(|flag| flag.long.trim_start_matches('-'));
    let hint = hint(name.trim_start_matches('-'), names, |name| format!("--{name}"));
    Err(usage(&format!("unknown flag {name}{hint}")))
}

fn no_value(name: &str, joined: Option<String>) -> Result<Option<String>, ConfigError> {
    match joined {
        Some(value) => Err(usage(&format!("{name} takes no value, but got {value:?}"))),
        None => Ok(None),
    }
}

fn next_value(name: &str, wanted: &str, next: Option<String>) -> Result<String, ConfigError> {
    match next {
        Some(value) if value.starts_with("--") => Err(usage(&format!(
            "{name} needs a value, {wanted}, but {value} follows; if that is the value, write {name}={value}"
        ))),
        Some(value) => Ok(value),
        None => Err(usage(&format!("{name} needs a value: {wanted}"))),
    }
}

fn usage(text: &str) -> ConfigError {
    ConfigError::usage(format!("{text} (--help lists all flags)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str]) -> (Vec<(&'static str, Vec<String>)>, Vec<String>) {
        match read(words.iter().copied()).expect("a command line") {
            CommandLine::Flags { arguments, switches } => (arguments.settings(), switches),
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn values_are_joined_or_follow_and_switches_are_told_apart() {
        for words in [
            &["--listen=[::1]:1", "--path", "/x=y", "--listen", "b", "--allow-reinit", "-p=80", "-q"][..],
            &["-p=80", "--listen", "[::1]:1", "-q", "--listen=b", "--path=/x=y", "--allow-reinit"],
        ] {
            let (settings, switches) = flags(words);
            assert_eq!(
                settings,
                [
                    ("listen", vec!["[::1]:1".to_owned(), "b".to_owned()]),
                    ("path", vec!["/x=y".to_owned()]),
                    ("allow-reinit", vec!["true".to_owned()]),
                ]
            );
            assert_eq!(switches, ["-p=80", "-q"]);
        }
    }

    #[test]
    fn words_that_argh_takes_as_its_own_are_values() {
        for value in ["help", "-", "-5", "-h", ""] {
            assert_eq!(flags(&["--delimiter", value]).0, [("delimiter", vec![value.to_owned()])]);
        }
        assert_eq!(flags(&["--delimiter=--check"]).0, [("delimiter", vec!["--check".to_owned()])]);
    }

    #[test]
    fn help_and_version_are_answered_wherever_they_stand() {
        for word in ["--help", "-h", "-help", "help"] {
            for words in [&[word][..], &["-p=80", word], &["--path=/x", word, "--check"]] {
                assert!(matches!(read(words.iter().copied()), Ok(CommandLine::Help)), "{words:?}");
            }
        }
        for word in ["--version", "-v", "-V", "-version"] {
            assert!(matches!(read(["--path", "/x", word]), Ok(CommandLine::Version)), "{word}");
        }
    }

    #[test]
    fn usage_errors_name_the_flag_and_exit_2() {
        use std::os::unix::ffi::OsStringExt as _;
        for (words, part) in [
            (&["--lisen", "x"][..], "unknown flag --lisen; the nearest is --listen"),
            (&["--max_message=1"], "unknown flag --max_message; the nearest is --max-message"),
            (&["--path"], "--path needs a value: /PATH"),
            (&["--path", "--check"], "but --check follows; if that is the value, write --path=--check"),
            (&["--path=/a", "--path=/b"], "--path is given twice"),
            (&["--check=yes"], "--check takes no value, but got \"yes\""),
            (&["8080"], "unexpected argument \"8080\""),
            (&["-p", "8080"], "unexpected argument \"8080\"; if it is the value of -p, write -p=8080"),
            (&["--"], "unexpected argument \"--\""),
            (&["-"], "unexpected argument \"-\""),
            (&[""], "unexpected argument \"\""),
            (&["--=x"], "unknown flag -- ("),
            (&["--frob"], "unknown flag --frob ("),
        ] {
            let error = read(words.iter().copied()).expect_err("an error");
            assert!(error.text.contains(part), "{words:?}: {error}");
            assert!(error.text.ends_with("(--help lists all flags)") && error.exit_code == 2, "{error:?}");
        }
        let error = read([OsString::from_vec(vec![b'-', b'-', 0xff])]).expect_err("an error");
        assert!(error.text.contains("is not UTF-8") && error.exit_code == 2, "{error:?}");
    }
}
