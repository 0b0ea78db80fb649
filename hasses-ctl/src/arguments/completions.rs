//! Completion scripts, written from what argh knows of the command line.
//!
//! `argh_complete` 0.1.19 was tried first: its fish script fails before fish 3.7 (`commandline -x`), its bash script takes a
//! message that is the name of a command for the command and leaves variables behind, and none of them knows the values
//! of positional arguments or that global flags may stand behind the command.

use std::fmt::Write as _;

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind};

use super::Arguments;
use super::manual::unescaped;

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The positional arguments that have only so many values.
const VALUES: &[(&str, &[&str])] = &[
    ("log-level", &["quiet", "normal", "debug"]),
    ("reinit", &["on", "off"]),
    ("completions", &["bash", "zsh", "fish"]),
];

impl std::str::FromStr for Shell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err(format!("{text:?} is none of bash, zsh, fish")),
        }
    }
}

impl Shell {
    /// The script that makes this shell complete `hasses-ctl`.
    pub(crate) fn script(self) -> String {
        let info = Arguments::get_args_info();
        let mut script = String::new();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Bash => bash(&mut script, &info),
            Self::Zsh => zsh(&mut script, &info),
            Self::Fish => fish(&mut script, &info),
        };
        script
    }
}

fn bash(out: &mut String, info: &CommandInfoWithArgs) -> std::fmt::Result {
    let names: Vec<_> = commands(info).map(|command| command.name).collect();
    let globals = longs(info.flags).collect::<Vec<_>>().join(" ");
    let with_value: Vec<_> = commands(info)
        .flat_map(|command| command.flags)
        .chain(info.flags)
        .filter(|flag| takes_value(flag))
        .map(|flag| flag.long)
        .collect();
    writeln!(
        out,
        "# bash completion for hasses-ctl\n\
         _hasses_ctl() {{\n\
         \x20   local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= i\n\
         \x20   for ((i = 1; i < COMP_CWORD; i++)); do\n\
         \x20       case ${{COMP_WORDS[i]}} in\n\
         \x20           --control) ((i++)) ;;\n\
         \x20           {}) command=${{COMP_WORDS[i]}}; break ;;\n\
         \x20       esac\n\
         \x20   done\n\
         \x20   COMPREPLY=()\n\
         \x20   case $previous in\n\
         \x20       {}) return ;;\n\
         \x20   esac\n\
         \x20   case $command in\n\
         \x20       '') words='{} {globals}' ;;",
        names.join("|"),
        with_value.join("|"),
        names.join(" "),
    )?;
    for command in commands(info) {
        let words: Vec<_> = values(command).iter().copied().chain(longs(command.flags)).collect();
        let globals = global_flags(info, command).map(|flag| flag.long).collect::<Vec<_>>().join(" ");
        writeln!(out, "        {}) words='{} {globals}' ;;", command.name, words.join(" "))?;
    }
    out.push_str(
        "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\ncomplete -F _hasses_ctl hasses-ctl\n",
    );
    Ok(())
}

fn zsh(out: &mut String, info: &CommandInfoWithArgs) -> std::fmt::Result {
    let spec = |flag: &FlagInfo<'_>| {
        let about = zsh_text(&unescaped(flag.description)).replace('[', "\\[").replace(']', "\\]");
        match &flag.kind {
            FlagInfoKind::Switch => format!("'{}[{about}]'", flag.long),
            FlagInfoKind::Option { arg_name } => format!("'{}=[{about}]:{arg_name}: '", flag.long),
        }
    };
    let specs = |flags: &mut dyn Iterator<Item = &FlagInfo<'_>>| flags.map(spec).collect::<Vec<_>>().join(" ");
    out.push_str("#compdef hasses-ctl\n_hasses_ctl() {\n    local curcontext=$curcontext state line\n");
    out.push_str("    local -A opt_args\n    local -a commands\n    commands=(\n");
    for command in commands(info) {
        writeln!(out, "        '{}:{}'", command.name, zsh_text(command.description))?;
    }
    writeln!(
        out,
        "    )\n    _arguments -C -S {} '1: :->command' '*:: :->rest' && return\n    case $state in\n        \
         command) _describe -t commands command commands ;;\n        rest)\n            case $words[1] in",
        specs(&mut visible(info.flags))
    )?;
    for command in commands(info) {
        let flags = specs(&mut visible(command.flags).chain(global_flags(info, command)));
        let values = match values(command) {
            // Nothing to offer, but flags are completed behind words as well.
            [] => "'*: :()'".to_owned(),
            values => format!("'1: :({})'", values.join(" ")),
        };
        writeln!(out, "                {}) _arguments -S {flags} {values} ;;", command.name)?;
    }
    out.push_str("            esac ;;\n    esac\n}\n");
    // Sourced it registers itself; from a folder of $fpath it is called at once.
    out.push_str("if [ \"$funcstack[1]\" = _hasses_ctl ] || [ \"$funcstack[1]\" = _hasses-ctl ]; then\n");
    out.push_str("    _hasses_ctl \"$@\"\nelse\n    compdef _hasses_ctl hasses-ctl\nfi\n");
    Ok(())
}

fn fish(out: &mut String, info: &CommandInfoWithArgs) -> std::fmt::Result {
    out.push_str(
        "# fish completion for hasses-ctl\n\
         function __hasses_ctl_within\n\
         \x20   set -l command ''\n\
         \x20   set -l skip no\n\
         \x20   for word in (commandline -opc)[2..-1]\n\
         \x20       if test $skip = yes\n\
         \x20           set skip no\n\
         \x20       else if test \"$word\" = --control\n\
         \x20           set skip yes\n\
         \x20       else if not string match -q -- '-*' $word\n\
         \x20           set command $word\n\
         \x20           break\n\
         \x20       end\n\
         \x20   end\n\
         \x20   test \"$command\" = \"$argv[1]\"\n\
         end\n\
         complete -c hasses-ctl -f\n",
    );
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let flag = |out: &mut String, condition: &str, flag: &FlagInfo<'_>| {
        let value = if takes_value(flag) { " -x" } else { "" };
        let name = flag.long.trim_start_matches('-');
        writeln!(
            out,
            "complete -c hasses-ctl{condition} -l {name}{value} -d '{}'",
            quoted(&unescaped(flag.description))
        )
    };
    for global in visible(info.flags) {
        flag(out, "", global)?;
    }
    for command in commands(info) {
        let about = quoted(command.description);
        writeln!(out, "complete -c hasses-ctl -n '__hasses_ctl_within \"\"' -a {} -d '{about}'", command.name)?;
        let condition = format!(" -n '__hasses_ctl_within {}'", command.name);
        for own in visible(command.flags).filter(|own| own.long != "--help") {
            flag(out, &condition, own)?;
        }
        if let values @ [_, ..] = values(command) {
            writeln!(out, "complete -c hasses-ctl{condition} -a '{}'", values.join(" "))?;
        }
    }
    Ok(())
}

fn commands(info: &CommandInfoWithArgs) -> impl Iterator<Item = &CommandInfoWithArgs> {
    info.commands.iter().map(|command| &command.command)
}

fn values(command: &CommandInfoWithArgs) -> &'static [&'static str] {
    VALUES.iter().find(|(name, _)| *name == command.name).map_or(&[], |(_, values)| values)
}

fn visible(flags: &'static [FlagInfo<'static>]) -> impl Iterator<Item = &'static FlagInfo<'static>> {
    flags.iter().filter(|flag| !flag.hidden)
}

/// The global flags that a command does not have itself (each has its own `--help`).
fn global_flags(
    info: &CommandInfoWithArgs,
    command: &CommandInfoWithArgs,
) -> impl Iterator<Item = &'static FlagInfo<'static>> {
    let own = command.flags;
    visible(info.flags).filter(move |global| !own.iter().any(|flag| flag.long == global.long))
}

fn longs(flags: &'static [FlagInfo<'static>]) -> impl Iterator<Item = &'static str> {
    visible(flags).map(|flag| flag.long)
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

/// Text within single quotes of a zsh specification, where `:` separates.
fn zsh_text(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_knows_every_command_and_no_hidden_flag() {
        let info = Arguments::get_args_info();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = shell.script();
            for command in commands(&info) {
                assert!(script.contains(command.name), "{shell:?} {}", command.name);
                for flag in visible(command.flags) {
                    assert!(script.contains(flag.long.trim_start_matches('-')), "{shell:?} {}", flag.long);
                }
            }
            assert!(!script.contains("{{"), "{shell:?}");
            assert!(!script.contains("stdin[") && !script.contains("--stdin") && !script.contains("-l stdin"));
        }
    }

    #[test]
    fn every_set_of_values_belongs_to_a_command() {
        let info = Arguments::get_args_info();
        for (name, values) in VALUES {
            assert!(commands(&info).any(|command| command.name == *name), "{name}");
            for value in *values {
                let words = [(*name).to_owned(), (*value).to_owned()];
                assert!(super::super::read(&words).is_ok(), "{name} {value}");
            }
        }
    }
}
