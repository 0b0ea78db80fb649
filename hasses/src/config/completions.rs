//! `--completions`: scripts that make shells complete the daemon's command line, from the tables that `--help` is made of.
//!
//! The tool has more to complete (commands, their values) and its own writer; here everything is a flat list of flags and
//! classic switches.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use argh::{ArgsInfo as _, FlagInfo, FlagInfoKind};

use super::arguments::Arguments;
use super::classic::{SWITCHES, form};

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err(format!("{text:?} is no shell that is known here (bash, zsh, fish)")),
        }
    }
}

/// What a shell can offer as a value.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// One of these.
    Words(&'static [&'static str]),
    /// The path of a file.
    Files,
    /// Nothing that it could know.
    Unknown,
}

/// What can be offered, by the name that `--help` gives the value.
const VALUES: &[(&str, Values)] = &[
    ("LEVEL", Values::Words(&["quiet", "normal", "debug"])),
    ("FORMAT", Values::Words(&["text", "bare", "json"])),
    ("SHELL", Values::Words(&["bash", "zsh", "fish"])),
    ("FILE", Values::Files),
    ("PATH", Values::Files),
    ("PEM", Values::Files),
];

/// Classic switches whose value is a file, although `/PATH` does not say so: `-murl` takes one of a URL.
const FILE_SWITCHES: &[&str] = &["fifo", "l", "pidfile"];

/// The script for this shell.
pub(super) fn script(shell: Shell) -> String {
    let mut script = String::new();
    let flags = Arguments::get_args_info().flags;
    // Writing to a String cannot fail.
    let _ = match shell {
        Shell::Bash => bash(&mut script, flags),
        Shell::Zsh => zsh(&mut script, flags),
        Shell::Fish => fish(&mut script, flags),
    };
    script
}

fn bash(out: &mut String, flags: &[FlagInfo<'_>]) -> std::fmt::Result {
    // bash takes `=` for a word of its own, so that the flag is one or two words back.
    out.push_str(
        "# bash completion for hasses\n\
         _hasses() {\n\
         \x20   local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n\
         \x20   if [[ $current == '=' ]]; then\n\
         \x20       current=\n\
         \x20   elif [[ $previous == '=' ]]; then\n\
         \x20       previous=${COMP_WORDS[COMP_CWORD-2]}\n\
         \x20   fi\n\
         \x20   COMPREPLY=()\n\
         \x20   case $previous in\n",
    );
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut put = |name: String, values| {
        let offer = match values {
            Values::Words(words) => format!("COMPREPLY=($(compgen -W '{}' -- \"$current\")); return", words.join(" ")),
            // Outside of a completion there is nothing to set the option for.
            Values::Files => "compopt -o default 2>/dev/null; return".to_owned(),
            Values::Unknown => "return".to_owned(),
        };
        after.entry(offer).or_default().push(name);
    };
    for flag in flags {
        values(flag).into_iter().for_each(|values| put(flag.long.to_owned(), values));
    }
    for switch in SWITCHES {
        switch_values(switch).into_iter().for_each(|values| put(format!("-{}", switch.0), values));
    }
    for (offer, names) in after {
        writeln!(out, "        {}) {offer} ;;", names.join("|"))?;
    }
    let words: Vec<_> = flags.iter().map(|flag| flag.long.to_owned()).chain(switches()).collect();
    writeln!(
        out,
        "    esac\n    COMPREPLY=($(compgen -W '{}' -- \"$current\"))\n    \
         if [[ ${{COMPREPLY[0]-}} == *= ]]; then compopt -o nospace 2>/dev/null; fi\n}}\n\
         complete -F _hasses hasses",
        words.join(" ")
    )
}

fn zsh(out: &mut String, flags: &[FlagInfo<'_>]) -> std::fmt::Result {
    // The message names the value; what follows it is offered.
    let action = |name: &str, values| match values {
        Values::Words(words) => format!(":{}:({})", zsh_text(name), words.join(" ")),
        Values::Files => format!(":{}:_files", zsh_text(name)),
        Values::Unknown => format!(":{}: ", zsh_text(name)),
    };
    out.push_str("#compdef hasses\n_hasses() {\n    _arguments");
    for flag in flags {
        let repeated = if flag.optionality == argh::Optionality::Repeating { "*" } else { "" };
        let value = match flag.kind {
            FlagInfoKind::Switch => String::new(),
            FlagInfoKind::Option { arg_name } => action(arg_name, offered(arg_name)),
        };
        let joint = if value.is_empty() { "" } else { "=" };
        write!(out, " \\\n        '{repeated}{}{joint}[{}]{value}'", flag.long, zsh_about(flag.description))?;
    }
    for switch @ (name, value, about) in SWITCHES {
        // `=-`: the value of a classic switch stands in the same word.
        let (joint, value) = match (value, switch_values(switch)) {
            (Some(value), Some(values)) => ("=-", action(value, values)),
            _ => ("", String::new()),
        };
        write!(out, " \\\n        '-{name}{joint}[{}]{value}'", zsh_about(about))?;
    }
    // Sourced it registers itself; from a folder of $fpath it is called at once.
    out.push_str(
        "\n}\nif [ \"$funcstack[1]\" = _hasses ]; then\n    _hasses \"$@\"\nelse\n    compdef _hasses hasses\nfi\n",
    );
    Ok(())
}

fn fish(out: &mut String, flags: &[FlagInfo<'_>]) -> std::fmt::Result {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    out.push_str("# fish completion for hasses\ncomplete -c hasses -f\n");
    for flag in flags {
        let value = match values(flag) {
            None => String::new(),
            Some(Values::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
            Some(Values::Files) => " -r -F".to_owned(),
            Some(Values::Unknown) => " -x".to_owned(),
        };
        let name = flag.long.trim_start_matches('-');
        writeln!(out, "complete -c hasses -l {name}{value} -d '{}'", quoted(flag.description))?;
    }
    for switch @ (name, _, about) in SWITCHES {
        let value = match switch_values(switch) {
            None => "",
            Some(Values::Files) => " -r -F",
            Some(_) => " -x",
        };
        writeln!(out, "complete -c hasses -o {name}{value} -d '{}'", quoted(about))?;
    }
    Ok(())
}

/// What can be offered as the flag's value; `None` where it takes none.
fn values(flag: &FlagInfo<'_>) -> Option<Values> {
    match flag.kind {
        FlagInfoKind::Switch => None,
        FlagInfoKind::Option { arg_name } => Some(offered(arg_name)),
    }
}

fn offered(value: &str) -> Values {
    VALUES.iter().find(|(name, _)| *name == value).map_or(Values::Unknown, |(_, values)| *values)
}

/// The same for a classic switch.
fn switch_values((name, value, _): &(&str, Option<&str>, &str)) -> Option<Values> {
    let value = (*value)?;
    Some(if FILE_SWITCHES.contains(name) { Values::Files } else { offered(value) })
}

/// Classic switches up to their `=`.
fn switches() -> impl Iterator<Item = String> {
    SWITCHES.iter().map(|switch| {
        let form = form(switch);
        form.find('=').map_or(form.clone(), |at| form[..=at].to_owned())
    })
}

/// Text within single quotes of a zsh specification, where `:` separates.
fn zsh_text(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

fn zsh_about(text: &str) -> String {
    zsh_text(text).replace('[', "\\[").replace(']', "\\]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::setting;
    use crate::config::{Config, Environment, load};

    const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    #[test]
    fn every_script_knows_every_flag_and_every_switch() {
        for shell in SHELLS {
            let script = script(shell);
            let flags = Arguments::get_args_info().flags.iter().map(|flag| flag.long.trim_start_matches('-'));
            for name in flags.chain(SWITCHES.iter().map(|(name, _, _)| *name)) {
                assert!(script.contains(name), "{shell:?} {name}");
            }
        }
    }

    #[test]
    fn every_word_that_is_offered_is_accepted() {
        let words = |wanted| match offered(wanted) {
            Values::Words(words) => words,
            other => panic!("{wanted}: {other:?}"),
        };
        for (name, value) in [("log-level", "LEVEL"), ("log-format", "FORMAT")] {
            for word in words(value) {
                let setting = setting(name).unwrap();
                assert_eq!(setting.apply(&mut Config::default(), &[(*word).to_owned()]), Ok(()), "{name} {word}");
            }
        }
        for shell in words("SHELL") {
            assert!(load(["--completions", shell], &Environment::of_this_process()).is_ok(), "{shell}");
        }
        let error = load(["--completions=tcsh"], &Environment::of_this_process()).unwrap_err();
        assert!(error.text.contains("\"tcsh\" is no shell") && error.exit_code == 2, "{error:?}");
    }

    #[test]
    fn every_name_of_a_value_is_that_of_a_flag_or_a_switch() {
        let flags = Arguments::get_args_info().flags;
        for (name, _) in VALUES {
            let is_flags = flags.iter().any(|flag| flag.kind == FlagInfoKind::Option { arg_name: name });
            assert!(is_flags || SWITCHES.iter().any(|(_, value, _)| *value == Some(*name)), "{name}");
        }
        assert!(FILE_SWITCHES.iter().all(|name| SWITCHES.iter().any(|(known, _, _)| known == name)));
    }
}
