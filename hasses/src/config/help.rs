//! The texts of `--help` and `--version`.

use argh::FromArgs as _;
use hasses_adapters::SOURCES;

use super::arguments::Arguments;
use super::classic::{SWITCHES, form};

/// How values are written.
pub(super) const VALUES: &str =
    "Sizes take k, m or g (KiB, MiB, GiB); seconds take decimals. --flag VALUE and --flag=VALUE are the same.";

/// Where commands come from without `--control`.
pub(super) const DEFAULT_CONTROL: &str = "The default control socket is control.sock in RUNTIME_DIRECTORY (which systemd sets for a service), else\n\
     /run/hasses/control.sock for root, else hasses/control.sock in XDG_RUNTIME_DIR, else hasses-UID/control.sock in\n\
     TMPDIR or /tmp; hasses-ctl looks in the same places.";

/// Exit codes, and what each says.
pub(super) const EXIT_CODES: [(u8, &str); 3] = [
    (0, "ended properly"),
    (1, "could not start as told, or a classic switch is wrong"),
    (2, "a flag or the configuration file is wrong"),
];

/// What `--version` prints.
pub(super) fn version() -> String {
    format!("hasses {}", env!("CARGO_PKG_VERSION"))
}

/// What `--help` prints: the flags, and what they are too short to say.
pub(super) fn help() -> String {
    // argh gives its text as an early exit; that of other faults cannot come, for there is nothing else on this line.
    let flags = Arguments::from_args(&["hasses"], &["--help"]).err().map(|exit| exit.output).unwrap_or_default();
    let sources: String = SOURCES.iter().map(|kind| row(kind.form, kind.about)).collect();
    let switches: String = SWITCHES.iter().map(|switch| row(&form(switch), switch.2)).collect();
    let exit_codes = EXIT_CODES.map(|(code, about)| format!("{code} {about}")).join("; ");
    format!(
        "{}\n\n\
         {VALUES}\n\n\
         Control sources (--control):\n{sources}\n\
         {DEFAULT_CONTROL}\n\n\
         Classic switches (one dash; not beside flags other than --check and --classic-config, over which they win):\n\
         {switches}\n\
         Exit codes: {exit_codes}.",
        flags.trim_end()
    )
}

fn row(form: &str, about: &str) -> String {
    format!("  {form:<40} {about}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_flag_source_and_switch() {
        let help = help();
        for part in
            ["--max-control-connections", "--help", "tcp://ADDR:PORT", "fifo:///PATH", "-murl=/PATH", "-nodaemon "]
        {
            assert!(help.contains(part), "{part} is missing in\n{help}");
        }
        assert!(help.starts_with("Usage: hasses [--listen"), "{help}");
    }
}
