//! The texts of `--help` and `--version`.

use argh::FromArgs as _;
use hasses_adapters::SOURCES;

use super::arguments::Arguments;
use super::classic::{SWITCHES, form};

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
    format!(
        "{}\n\n\
         Sizes take k, m or g (KiB, MiB, GiB); seconds take decimals. --flag VALUE and --flag=VALUE are the same.\n\n\
         Control sources (--control):\n{sources}\n\
         The default control socket is /run/hasses/control.sock for root, else hasses/control.sock in\n\
         XDG_RUNTIME_DIR, else hasses-UID/control.sock in TMPDIR or /tmp; hasses-ctl looks in the same places.\n\n\
         Classic switches (one dash; not beside flags other than --check and --classic-config, over which they win):\n\
         {switches}\n\
         Exit codes: 0 ended properly; 1 could not start as told, or a classic switch is wrong; 2 a flag or the\n\
         configuration file is wrong.",
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
