//! The manual page in roff, written from what argh knows of the command line.
//!
//! Only macros of man(7) are used, so that groff and mandoc both set it.

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, FromArgs as _};
use roff::{Inline, Roff, bold, italic, roman};

use super::Arguments;

const ENVIRONMENT: &[(&str, &str)] = &[
    ("HASSES_CONTROL", "Where the daemon is, unless --control says so."),
    ("XDG_RUNTIME_DIR, TMPDIR", "Where its default sockets are looked for, after /run/hasses."),
    ("NO_COLOR", "If it is set, nothing is coloured."),
];

/// The page, as `man -l` takes it.
pub(crate) fn manual() -> String {
    let info = Arguments::get_args_info();
    let mut page = Roff::new();
    let version = concat!("hasses ", env!("CARGO_PKG_VERSION"));
    // The version also stands where pages have a day, since the program does not know that of its build.
    page.control("TH", ["HASSES-CTL", "1", version, version, "User commands"]);
    // Names of flags are not to be broken, so lines cannot be filled either.
    page.control("nh", []).control("ad", ["l"]);
    page.control("SH", ["NAME"]).text([roman("hasses-ctl - talks to the hasses daemon from the command line")]);
    page.control("SH", ["SYNOPSIS"]);
    lines(&mut page, &usage(&[]));
    page.control("SH", ["DESCRIPTION"]).text([roman(info.description)]);
    paragraphs(&mut page, info.notes);
    page.control("SH", ["OPTIONS"]);
    flags(&mut page, info.flags);
    page.control("SH", ["COMMANDS"]).text([roman("Each takes --help.")]);
    info.commands.iter().for_each(|command| about_command(&mut page, &command.command));
    page.control("SH", ["ENVIRONMENT"]);
    ENVIRONMENT.iter().for_each(|(name, about)| item(&mut page, name, None, about));
    page.control("SH", ["EXIT STATUS"]);
    info.error_codes.iter().for_each(|code| item(&mut page, &code.code.to_string(), None, code.description));
    page.control("SH", ["EXAMPLES"]);
    info.examples.iter().for_each(|example| lines(&mut page, example));
    page.control("SH", ["SEE ALSO"]).text([bold("hasses"), roman("(8)")]);
    page.render()
}

fn about_command(page: &mut Roff, command: &CommandInfoWithArgs) {
    page.control("SS", [command.name]).text([roman(command.description)]);
    page.control("PP", []);
    lines(page, &usage(&[command.name]));
    for positional in command.positionals.iter().filter(|positional| !positional.hidden) {
        item(page, &format!("<{}>", positional.name), None, positional.description);
    }
    flags(page, command.flags);
    paragraphs(page, command.notes);
    for example in command.examples {
        page.control("PP", []);
        lines(page, &unescaped(example));
    }
}

/// The lines of usage of the program, or of a command, from its help.
fn usage(command: &[&str]) -> String {
    let words = [command, &["--help"]].concat();
    let help = Arguments::from_args(&["hasses-ctl"], &words).err().map(|exit| exit.output).unwrap_or_default();
    let usage = help.split("\n\n").next().unwrap_or_default();
    let lines = usage.trim_start_matches("Usage:").lines().map(str::trim_start);
    // What belongs to the line above is set in below it.
    let lines = lines.map(|line| if line.starts_with("hasses-ctl") { line.to_owned() } else { format!("    {line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// The flags, without `--help`, which every command has.
fn flags(page: &mut Roff, flags: &[FlagInfo<'_>]) {
    for flag in flags.iter().filter(|flag| !flag.hidden && flag.long != "--help") {
        let value = match &flag.kind {
            FlagInfoKind::Switch => None,
            FlagInfoKind::Option { arg_name } => Some(format!(" <{arg_name}>")),
        };
        item(page, flag.long, value.as_deref(), flag.description);
    }
}

fn paragraphs(page: &mut Roff, texts: &[&str]) {
    for text in texts {
        page.control("PP", []).text([roman(unescaped(text))]);
    }
}

/// Braces, which argh doubles in what becomes a template of its own.
pub(super) fn unescaped(template: &str) -> String {
    template.replace("{{", "{").replace("}}", "}")
}

/// Something with a name, with a value behind it if it takes one, and what is said about it.
fn item(page: &mut Roff, name: &str, value: Option<&str>, about: &str) {
    let mut title: Vec<Inline> = vec![bold(name)];
    title.extend(value.map(italic));
    page.control("TP", []).text(title).text([roman(unescaped(about))]);
}

/// Lines as they are.
fn lines(page: &mut Roff, lines: &str) {
    page.control("nf", []).text([roman(lines)]).control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_every_command_and_every_flag_but_hidden_ones() {
        let page = manual().replace("\\-", "-");
        let info = Arguments::get_args_info();
        for command in info.commands.iter().map(|command| &command.command) {
            assert!(page.contains(&format!("\n.SS {}\n", command.name)), "{} is missing in\n{page}", command.name);
            for flag in command.flags.iter().filter(|flag| flag.long != "--help") {
                assert_eq!(page.contains(&format!("\\fB{}\\fR", flag.long)), !flag.hidden, "{}", flag.long);
            }
            assert!(usage(&[command.name]).starts_with(&format!("hasses-ctl {}", command.name)), "{}", command.name);
        }
        assert!(!page.contains("{{") && !page.contains("{command_name}"), "{page}");
    }
}
