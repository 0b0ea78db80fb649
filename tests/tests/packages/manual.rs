//! The manual pages, as the programs print them.

use std::fs;
use std::process::Command;

use hasses_adapters::SOURCES;
use hasses_tests::{finish, required};

use crate::{flags_and_switches, printed};

/// The page as a terminal without colours shows it; `None` where groff was left out. Any warning fails.
fn set(page: &str) -> Option<String> {
    let groff = required("groff")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page");
    fs::write(&path, page).expect("the page");
    // -P-c: without escape sequences; -rLL: so wide that no line is broken.
    let ended = finish(Command::new(groff).args(["-man", "-ww", "-Tascii", "-P-cbou", "-rLL=1000n"]).arg(&path));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{page}");
    Some(ended.stdout)
}

fn lines_of<'a>(text: &'a str, section: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| *line != section);
    assert!(lines.next().is_some(), "there is no section {section} in\n{text}");
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).map(str::trim).collect()
}

#[test]
fn the_daemons_page_has_every_flag_switch_and_source_of_the_help_as_an_item_of_its_own() {
    let Some(text) = set(&printed("hasses", &["--man"])) else { return };
    let items: Vec<&str> = ["OPTIONS", "CLASSIC SWITCHES", "CONTROL SOURCES"]
        .into_iter()
        .flat_map(|section| lines_of(&text, section))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let sources = SOURCES.iter().map(|source| source.form.to_owned());
    for name in flags_and_switches().into_iter().chain(sources) {
        let is_there = items
            .iter()
            .any(|item| item.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || name.ends_with('=')));
        assert!(is_there, "{name} is no item of\n{text}");
    }
}

#[test]
fn the_daemons_page_has_the_sections_that_such_pages_have() {
    let Some(text) = set(&printed("hasses", &["--man"])) else { return };
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SIGNALS", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
        assert!(lines_of(&text, section).iter().any(|line| !line.is_empty()), "{section} is empty in\n{text}");
    }
    assert!(lines_of(&text, "SIGNALS").iter().any(|line| line.starts_with("SIGHUP")), "{text}");
    // What is to be typed must come out as it is typed: no typographic quotes and dashes.
    assert!(text.contains("curl -N 'http://127.0.0.1:8080/sse?subscribe=room624'"), "{text}");
}

#[test]
fn the_tools_page_has_every_command() {
    let Some(text) = set(&printed("hasses-ctl", &["manual"])) else { return };
    let help = printed("hasses-ctl", &["--help"]);
    let commands = help.split_once("\nCommands:\n").expect("a list of commands").1.lines();
    // What goes on below a command is set in further.
    let commands = commands.map_while(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"send") && commands.contains(&"completions"), "{commands:?}");
    let items = lines_of(&text, "COMMANDS");
    for command in commands {
        assert!(items.iter().any(|item| item.split_whitespace().next() == Some(command)), "{command} in\n{text}");
    }
}
