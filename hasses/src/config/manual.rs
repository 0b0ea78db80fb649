//! `--man`: the manual page in roff, from the tables that `--help` is made of.
//!
//! What stands in no table (signals, files, examples) is text of this file. Only macros of man(7) are used, so that groff
//! and mandoc both set it.

use argh::{ArgsInfo as _, FlagInfo, FlagInfoKind};
use hasses_adapters::SOURCES;
use roff::{Inline, Roff, bold, italic, roman};

use super::arguments::Arguments;
use super::classic::{SWITCHES, form};
use super::help::{DEFAULT_CONTROL, EXIT_CODES, VALUES, help, version};
use super::reload::RELOADED;
use super::settings::{Value, setting, settings};

const ABOUT: &str = "Publishers connect to a control source and write TOPIC=MESSAGE, or a line of JSON that is answered; every \
    browser that subscribed to the topic has the message at once. hasses takes the place of the C daemon of the same name: \
    its switches, its control channel, its FIFO and its pages work as they are.";

const CLASSIC: &str = "They have one dash and work as they did with the classic daemon. They do not stand beside other flags \
    than --check and --classic-config; a switch of the command line wins over one of that file.";

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGTERM",
        "End the daemon: streams end one by one, spread over the time of --drain, each with its last chunk and a time after \
         which its browser comes back; then socket and pid files are removed. A second one ends them all at once.",
    ),
    ("SIGINT", "The same at once."),
    (
        "SIGHUP",
        "Read the files that the command line names (settings, certificates, keys) anew, and open the log file anew. Nobody \
         is disconnected. If there is a fault in them, it is logged and what was in force stays.",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("/etc/hasses.toml", "The configuration file of the systemd unit, which names it with --config."),
    ("/etc/hasses.conf", "The switches of the classic daemon; read where --classic-config names it."),
    ("/var/lib/hasses", "The event log, where --log-dir names it; the packaged configuration does."),
    ("/run/hasses/control.sock", "The control socket, unless --control names others."),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("hasses --control tcp://127.0.0.1:8085", "Serve this machine, with publishers on a TCP port."),
    ("curl -N 'http://127.0.0.1:8080/sse?subscribe=room624'", "Receive what the next line sends."),
    ("hasses-ctl --control tcp://127.0.0.1:8085 send room624 \"hi\"", "Send it."),
    ("hasses --check --config /etc/hasses.toml", "See whether a file is right, and what it says in full."),
    (
        "hasses --check --classic-config /etc/hasses.conf > hasses.toml",
        "Turn the switches of the classic daemon into a configuration file.",
    ),
];

/// The page, as `man -l` takes it.
pub(super) fn manual() -> String {
    let flags = Arguments::get_args_info().flags;
    let (usage, description) = usage_and_description();
    let mut page = Roff::new();
    page.control("TH", ["HASSES", "8", &day(), &version(), "System administration"]);
    // Names of settings are not to be broken, so lines cannot be filled either.
    page.control("nh", []).control("ad", ["l"]);
    heading(&mut page, "NAME");
    page.text([roman("hasses - pushes events from a web backend to browsers over Server-Sent Events")]);
    heading(&mut page, "SYNOPSIS");
    page.control("nf", []).text([roman(usage)]).control("fi", []);
    heading(&mut page, "DESCRIPTION");
    page.text([roman(description)]);
    paragraph(&mut page, ABOUT);
    heading(&mut page, "OPTIONS");
    page.text([roman(VALUES)]);
    for flag in flags {
        let name = flag.short.map_or_else(String::new, |short| format!("-{short}, ")) + flag.long;
        let value = match flag.kind {
            FlagInfoKind::Switch => None,
            FlagInfoKind::Option { arg_name } => Some(format!(" {arg_name}")),
        };
        item(&mut page, &name, value.as_deref(), flag.description);
    }
    heading(&mut page, "CONFIGURATION FILE");
    configuration_file(&mut page, flags);
    heading(&mut page, "CONTROL SOURCES");
    page.text([roman(DEFAULT_CONTROL)]);
    for kind in SOURCES {
        item(&mut page, kind.form, None, kind.about);
    }
    heading(&mut page, "CLASSIC SWITCHES");
    page.text([roman(CLASSIC)]);
    for switch in SWITCHES {
        let form = form(switch);
        let name = switch.1.and_then(|value| form.strip_suffix(value)).unwrap_or(&form);
        item(&mut page, name, switch.1, switch.2);
    }
    heading(&mut page, "SIGNALS");
    items(&mut page, SIGNALS);
    paragraph(
        &mut page,
        &format!("Settings that a reload changes: {}. All others need a restart.", RELOADED.join(", ")),
    );
    heading(&mut page, "FILES");
    items(&mut page, FILES);
    heading(&mut page, "EXIT STATUS");
    EXIT_CODES.iter().for_each(|(code, about)| item(&mut page, &code.to_string(), None, about));
    heading(&mut page, "EXAMPLES");
    items(&mut page, EXAMPLES);
    heading(&mut page, "SEE ALSO");
    page.text([
        bold("hasses-ctl"),
        roman("(1), "),
        bold("curl"),
        roman("(1), "),
        bold("systemd.service"),
        roman("(5)"),
    ]);
    page.render()
}

/// What `--help` begins with: the lines of usage, and the paragraph below.
fn usage_and_description() -> (String, String) {
    let help = help();
    let mut paragraphs = help.split("\n\n").map(str::to_owned);
    let usage = paragraphs.next().unwrap_or_default();
    let usage: Vec<_> = usage.lines().map(|line| line.trim_start_matches("Usage:").trim_start()).collect();
    (usage.join("\n"), paragraphs.next().unwrap_or_default())
}

/// The day of the build, as manual pages write it: that of C's `__DATE__` with a comma.
fn day() -> String {
    match env!("HASSES_COMPILED").split_whitespace().collect::<Vec<_>>()[..] {
        [month, day, year] => format!("{month} {day}, {year}"),
        _ => env!("HASSES_COMPILED").to_owned(),
    }
}

fn configuration_file(page: &mut Roff, flags: &[FlagInfo<'_>]) {
    let no_keys = flags.iter().map(|flag| flag.long).filter(|long| setting(long.trim_start_matches('-')).is_none());
    let no_keys = no_keys.collect::<Vec<_>>().join(", ");
    page.text([roman(format!(
        "What --config names is a file of TOML. Its keys are the flags without their dashes, all but {no_keys}. A flag wins \
         over its key."
    ))]);
    let names = |is_of_kind: fn(Value) -> bool| {
        let names = settings().filter(|setting| is_of_kind(setting.value)).map(|setting| setting.name);
        names.collect::<Vec<_>>().join(", ")
    };
    item(page, "Arrays of strings, or one string", None, &names(|value| matches!(value, Value::List { .. })));
    item(page, "Strings", None, &names(|value| matches!(value, Value::Text { .. })));
    item(page, "true or false", None, &names(|value| matches!(value, Value::Switch { .. })));
    item(page, "Numbers, or strings with a unit", None, &names(|value| matches!(value, Value::Number(_))));
}

fn heading(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

fn paragraph(page: &mut Roff, text: &str) {
    page.control("PP", []).text([roman(text)]);
}

/// Something with a name, with a value behind it if it takes one, and what is said about it.
fn item(page: &mut Roff, name: &str, value: Option<&str>, about: &str) {
    let mut title: Vec<Inline> = vec![bold(name)];
    title.extend(value.map(italic));
    page.control("TP", []).text(title).text([roman(about)]);
}

fn items(page: &mut Roff, items: &[(&str, &str)]) {
    items.iter().for_each(|(name, about)| item(page, name, None, about));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_every_flag_key_source_and_switch() {
        let page = manual().replace("\\-", "-");
        let flags = Arguments::get_args_info().flags.iter().map(|flag| flag.long.to_owned());
        let keys = settings().map(|setting| setting.name.to_owned());
        let sources = SOURCES.iter().map(|kind| kind.form.to_owned());
        let switches = SWITCHES.iter().map(|(name, _, _)| format!("-{name}"));
        for part in flags.chain(keys).chain(sources).chain(switches) {
            assert!(page.contains(&part), "{part} is missing in\n{page}");
        }
    }

    #[test]
    fn the_synopsis_and_the_description_are_those_of_the_help() {
        let (usage, description) = usage_and_description();
        assert!(usage.lines().count() > 1 && usage.lines().all(|line| line.starts_with("hasses ")), "{usage}");
        assert!(description.starts_with("Pushes events"), "{description}");
    }
}
