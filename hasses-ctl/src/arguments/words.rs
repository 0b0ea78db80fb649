//! From what was typed to what argh takes.
//!
//! argh 0.1.19 knows no `--flag=value` and no `-h`, takes every word that begins with a dash for a flag (also `-` and `-5`),
//! reads global flags only before the command, and names no similar flag. So the words are sorted before it sees them: first
//! the global flags, then the command, its flags, `--`, and everything else. What is left to argh is which values a command
//! needs and how they are read.

use argh::{ArgsInfo, CommandInfoWithArgs, EarlyExit, FlagInfoKind, FromArgs};

use super::Arguments;
use crate::failure::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Print this text, which was asked for.
    Print(String),
    /// Print this help, which was not asked for: nothing was.
    Nothing(String),
    /// Do this.
    Run(Box<Arguments>),
}

/// Reads the words behind the program's name.
///
/// # Errors
/// A usage failure that names the nearest known command or flag.
pub(crate) fn read(typed: &[String]) -> Result<Invocation, Failure> {
    if typed.is_empty() {
        return Ok(Invocation::Nothing(help(&["--help"])));
    }
    let words = sort(typed, &Arguments::get_args_info())?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Arguments::from_args(&[PROGRAM], &words) {
        Ok(arguments) if arguments.version => {
            Ok(Invocation::Print(concat!("hasses-ctl ", env!("CARGO_PKG_VERSION"), "\n").to_owned()))
        }
        Ok(arguments) if arguments.command.is_none() => {
            Err(Failure::usage("no command is given").advise("`hasses-ctl --help` lists the commands"))
        }
        Ok(arguments) => Ok(Invocation::Run(Box::new(arguments))),
        Err(EarlyExit { output, status: Ok(()) }) => Ok(Invocation::Print(output)),
        Err(EarlyExit { output, status: Err(()) }) => Err(told_by_argh(&output, &words)),
    }
}

/// Whether errors are to be JSON; asked also where the command line cannot be read.
pub(crate) fn wants_json(typed: &[String]) -> bool {
    typed.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

const PROGRAM: &str = "hasses-ctl";

fn help(words: &[&str]) -> String {
    match Arguments::from_args(&[PROGRAM], words) {
        Err(exit) => exit.output,
        Ok(_) => String::new(),
    }
}

/// The words sorted for argh.
fn sort(typed: &[String], info: &CommandInfoWithArgs) -> Result<Vec<String>, Failure> {
    let mut sorted = Sorted::default();
    let mut rest = typed.iter();
    let mut flags_ended = false;
    while let Some(word) = rest.next() {
        if flags_ended || !is_flag(word) {
            sorted.take_value(word, info, flags_ended)?;
        } else if word == "--" {
            flags_ended = true;
        } else {
            sorted.take_flag(word, &mut rest, info)?;
        }
    }
    Ok(sorted.into_words())
}

#[derive(Default)]
struct Sorted<'a> {
    globals: Vec<String>,
    command: Option<&'a CommandInfoWithArgs>,
    flags: Vec<String>,
    values: Vec<String>,
    help: bool,
}

impl<'a> Sorted<'a> {
    fn take_value(&mut self, word: &str, info: &'a CommandInfoWithArgs, flags_ended: bool) -> Result<(), Failure> {
        let Some(command) = self.command else {
            if word == "help" && !flags_ended {
                self.help = true;
                return Ok(());
            }
            self.command = Some(find_command(word, info)?);
            return Ok(());
        };
        let takes_stdin = command.flags.iter().any(|flag| flag.long == "--stdin");
        if word == "-" && takes_stdin && !flags_ended && self.values.len() == 1 {
            self.flags.push("--stdin".to_owned());
        } else {
            self.values.push(word.to_owned());
        }
        Ok(())
    }

    fn take_flag<'w>(
        &mut self,
        word: &'w str,
        rest: &mut impl Iterator<Item = &'w String>,
        info: &'a CommandInfoWithArgs,
    ) -> Result<(), Failure> {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let name = match name {
            "-h" => "--help",
            "-V" => "--version",
            name => name,
        };
        if name == "--help" && joined.is_none() {
            self.help = true;
            return Ok(());
        }
        let own = self.command.map_or(&[][..], |command| command.flags);
        let (flag, into) = if let Some(flag) = own.iter().find(|flag| flag.long == name && name != "--help") {
            (flag, &mut self.flags)
        } else if let Some(flag) = info.flags.iter().find(|flag| flag.long == name && name != "--help") {
            (flag, &mut self.globals)
        } else {
            return Err(self.unknown_flag(name, info));
        };
        match (&flag.kind, joined) {
            (FlagInfoKind::Switch, None) => into.push(name.to_owned()),
            (FlagInfoKind::Switch, Some(_)) => {
                return Err(Failure::usage(format!("{name} takes no value")).advise(self.see_help()));
            }
            (FlagInfoKind::Option { arg_name }, joined) => {
                let Some(value) = joined.or_else(|| rest.next().map(String::as_str)) else {
                    return Err(Failure::usage(format!("{name} needs a value: {name} <{arg_name}>")));
                };
                into.extend([name.to_owned(), value.to_owned()]);
            }
        }
        Ok(())
    }

    fn into_words(self) -> Vec<String> {
        let mut words = self.globals;
        words.extend(self.command.map(|command| command.name.to_owned()));
        if self.help {
            words.push("--help".to_owned());
            return words;
        }
        words.extend(self.flags);
        if self.command.is_some() {
            words.push("--".to_owned());
        }
        words.extend(self.values);
        words
    }

    fn unknown_flag(&self, name: &str, info: &CommandInfoWithArgs) -> Failure {
        let known = self
            .command
            .into_iter()
            .flat_map(|command| command.flags)
            .chain(info.flags)
            .filter(|flag| !flag.hidden)
            .map(|flag| flag.long);
        let failure = match nearest(name, known) {
            Some(known) => Failure::usage(format!("unknown flag {name:?}; did you mean {known:?}?")),
            None => Failure::usage(format!("unknown flag {name:?}")),
        };
        let failure = failure.advise(self.see_help());
        match self.command {
            Some(_) => failure.advise(format!("a value that begins with a dash needs `--` before it: -- {name}")),
            None => failure,
        }
    }

    fn see_help(&self) -> String {
        let command = self.command.map(|command| format!("{} ", command.name)).unwrap_or_default();
        format!("`hasses-ctl {command}--help` shows the flags")
    }
}

/// A dash with a letter or another dash behind it. `-`, `-5`, `->` are values: no flag of this program looks like them.
fn is_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

fn find_command<'a>(word: &str, info: &'a CommandInfoWithArgs) -> Result<&'a CommandInfoWithArgs, Failure> {
    let mut commands = info.commands.iter().map(|command| &command.command);
    if let Some(command) = commands.find(|command| command.name == word) {
        return Ok(command);
    }
    let names = || info.commands.iter().map(|command| command.name);
    Err(match nearest(word, names()) {
        Some(known) => Failure::usage(format!("unknown command {word:?}; did you mean {known:?}?")),
        None => Failure::usage(format!("unknown command {word:?}")),
    }
    .advise(format!("commands: {}", names().collect::<Vec<_>>().join(", "))))
}

/// The known name that looks most like what was typed, where one does.
fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Below this the two have no more than single letters in common ("foo" and "topics": 0.61).
    const ALIKE: f64 = 0.7;
    // The dashes are alike in all flags.
    let bare = |name: &'a str| name.trim_start_matches('-');
    let typed = typed.trim_start_matches('-');
    known
        .map(|known| (strsim::jaro_winkler(typed, bare(known)), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// What argh says is several lines; here it is one, like every other error.
fn told_by_argh(output: &str, words: &[&str]) -> Failure {
    let line = output.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut characters = line.strip_prefix("Error parsing ").unwrap_or(&line).chars();
    let error = characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect());
    let info = Arguments::get_args_info();
    let command = words.iter().find(|word| info.commands.iter().any(|command| command.name == **word));
    let command = command.map(|name| format!("{name} ")).unwrap_or_default();
    Failure::usage(error).advise(format!("`hasses-ctl {command}--help` shows what it takes"))
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::*;
    use crate::failure::Layout;

    fn typed(words: &str) -> Vec<String> {
        words.split(' ').map(ToOwned::to_owned).collect()
    }

    fn error(words: &str) -> String {
        read(&typed(words)).unwrap_err().render(Layout::Text { colour: false })
    }

    #[test]
    fn words_are_sorted_for_argh() {
        for (words, expected) in [
            ("status", "status --"),
            ("--json status", "--json status --"),
            ("status --json", "--json status --"),
            ("status --control tcp://h:1", "--control tcp://h:1 status --"),
            ("status --control=unix:///a=b", "--control unix:///a=b status --"),
            ("send room hi", "send -- room hi"),
            ("send room -", "send --stdin -- room"),
            ("send room -- -", "send -- room -"),
            ("send - hi", "send -- - hi"),
            ("send room -5", "send -- room -5"),
            ("send room ->", "send -- room ->"),
            ("send room help", "send -- room help"),
            ("send help room", "send -- help room"),
            ("send room -- --x", "send -- room --x"),
            ("send room -- --help", "send -- room --help"),
            ("send -- room -h", "send -- room -h"),
            ("send room -- --", "send -- room --"),
            ("send room hi --event=tick --retry 5", "send --event tick --retry 5 -- room hi"),
            ("send --event -x room hi", "send --event -x -- room hi"),
            ("send --event=-x room hi", "send --event -x -- room hi"),
            ("send --except= room hi", "send --except  -- room hi"),
            ("count -", "count -- -"),
            ("-h", "--help"),
            ("help", "--help"),
            ("help send", "send --help"),
            ("--help send", "send --help"),
            ("send -h", "send --help"),
            ("send room --help", "send --help"),
            ("-V", "--version"),
        ] {
            assert_eq!(sort(&typed(words), &Arguments::get_args_info()).unwrap().join(" "), expected, "{words}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_a_usage_error_that_names_the_nearest() {
        for (words, expected) in [
            ("stauts", "error: unknown command \"stauts\"; did you mean \"status\"?\n"),
            ("xyzzy", "error: unknown command \"xyzzy\"\n"),
            ("send room hi --evnt tick", "error: unknown flag \"--evnt\"; did you mean \"--event\"?\n"),
            ("send room hi -e tick", "error: unknown flag \"-e\"; did you mean \"--event\"?\n"),
            ("status --xyzzy", "error: unknown flag \"--xyzzy\"\n"),
            ("--jsn status", "error: unknown flag \"--jsn\"; did you mean \"--json\"?\n"),
            ("status --json=yes", "error: --json takes no value\n"),
            ("status --control", "error: --control needs a value: --control <url>\n"),
            ("--json", "error: no command is given\n"),
            ("send", "error: required positional arguments not provided: topic\n"),
            ("send room hi --retry soon", "error: option '--retry' with value 'soon': "),
            ("log-level loud", "error: positional argument 'level' with value 'loud': "),
            ("reinit maybe", "error: positional argument 'enabled' with value 'maybe': "),
            ("status now", "error: unrecognized argument: now\n"),
            ("status --control a --control b", "error: option '--control' with value 'b': duplicate"),
        ] {
            let error = error(words);
            assert!(error.starts_with(expected), "{words}: {error}");
        }
        assert!(error("send room -x").contains("\n  a value that begins with a dash needs `--` before it: -- -x\n"));
    }

    #[test]
    fn a_message_can_be_anything() {
        for (words, expected) in
            [("send t -5", "-5"), ("send t help", "help"), ("send t -- --x", "--x"), ("send t ", "")]
        {
            let Invocation::Run(arguments) = read(&typed(words)).unwrap() else { panic!("{words}") };
            let Some(Command::Send(send)) = arguments.command else { panic!("{words}") };
            assert_eq!((send.topic.as_str(), send.message.as_slice()), ("t", &[expected.to_owned()][..]));
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        for words in ["-h", "help", "--help", "status --help", "help listen", "--version", "status -V"] {
            assert!(matches!(read(&typed(words)), Ok(Invocation::Print(text)) if !text.is_empty()), "{words}");
        }
        assert!(matches!(read(&[]), Ok(Invocation::Nothing(help)) if help.contains("listen")));
    }

    #[test]
    fn json_is_seen_also_where_the_rest_is_wrong() {
        assert!(wants_json(&typed("stauts --json")));
        assert!(!wants_json(&typed("send room -- --json")));
    }
}
