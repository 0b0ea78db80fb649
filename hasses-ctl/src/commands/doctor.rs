//! `doctor`: what was found at a URL, and the exit code that follows from it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hasses_client::blocking::Client;
use hasses_client::web::{Trust, Url};
use hasses_client::wire::Topic;

use crate::arguments::Doctor;
use crate::doctor::{Cookies, Order, Origin, Outcome, Report, Sought, examine, examine_down};
use crate::failure::Failure;
use crate::output::{End, Output};

/// Something is wrong with what was looked at.
const WRONG: u8 = 1;
/// There is nobody at the URL.
const UNREACHABLE: u8 = 3;

/// Looks at a URL, and says what was found.
pub(crate) fn run(
    arguments: &Doctor,
    connect: impl FnOnce() -> Result<Client, Failure>,
    sought: Sought,
    out: &mut Output,
) -> Result<ExitCode, End> {
    let order = order(arguments)?;
    let url = order.url.to_string();
    let mut report = Report::begin(&url, out)?;
    let outcome = if arguments.backend_down {
        examine_down(&order, &mut report)?
    } else {
        examine(&order, connect, sought, &mut report)?
    };
    let any_wrong = report.any_wrong();
    report.end(&url)?;
    Ok(match (outcome, any_wrong) {
        (Outcome::Unreachable, _) => ExitCode::from(UNREACHABLE),
        (Outcome::Looked, true) => ExitCode::from(WRONG),
        (Outcome::Looked, false) => ExitCode::SUCCESS,
    })
}

fn order(arguments: &Doctor) -> Result<Order, Failure> {
    let url = Url::parse(&arguments.url)
        .map_err(|error| Failure::usage(error).advise("as in hasses-ctl doctor https://example.com/sse"))?;
    let page = arguments.origin.as_deref().map(Origin::parse).transpose().map_err(|error| {
        Failure::usage(format!("--origin: {error}"))
            .advise("as in --origin https://app.example.com, without a path or a slash")
    })?;
    if let Some(topic) = &arguments.topic {
        Topic::new(topic.as_str())?;
    }
    Ok(Order {
        url,
        page,
        cookies: if arguments.credentials { Cookies::Sent } else { Cookies::Kept },
        topic: arguments.topic.clone(),
        trust: trust(arguments.ca.as_deref())?,
        wait: arguments.wait.map(Duration::from_secs),
    })
}

/// The authorities in the file, or those of the system.
fn trust(ca: Option<&str>) -> Result<Trust, Failure> {
    match ca {
        Some(file) => Trust::in_file(Path::new(file)).map_err(|why| Failure::usage(format!("--ca {file}: {why}"))),
        None => Ok(Trust::of_system()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Layout;

    #[test]
    fn a_file_without_certificates_is_a_usage_error() {
        let failure = trust(Some("/nonexistent")).unwrap_err();
        assert_eq!(failure.exit_code(), ExitCode::from(2));
        let text = failure.render(Layout::Text { colour: false });
        assert!(text.contains("--ca /nonexistent: "), "{text}");
    }
}
