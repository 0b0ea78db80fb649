//! What a page is told that comes back, if it listens for it.

use hasses_tests::{Browser, Page, Report, Seen, wait_for};
use serde_json::{Value, json};

use crate::count::number_of;
use crate::forwarder::Forwarder;
use crate::{Daemon, PAGE, in_each_browser, soon};

in_each_browser!(a_page_is_told_what_became_of_its_place_if_it_listens);

/// Two sources of one page: one with nothing but `onmessage`, one that listens for verdicts.
struct Both {
    page: Page,
    forwarder: Forwarder,
}

/// What both saw when they were back.
struct Saw {
    plain: Vec<u64>,
    listening: Vec<u64>,
    verdict: Value,
}

impl Both {
    fn open(browser: Browser, forwarder: Forwarder) -> Option<Self> {
        let mut page = Page::new(browser, PAGE)?;
        let url = forwarder.url("subscribe=room");
        page.open(&[("url", &url), ("url", &url), ("listen", "hasses.resume")]);
        let mut both = Self { page, forwarder };
        both.open_once();
        Some(both)
    }

    fn open_once(&mut self) {
        let mut sources = [(); 2].map(|()| {
            let (source, report) = self.page.report_of_any();
            assert_eq!(report, Report::Open);
            source
        });
        sources.sort_unstable();
        assert_eq!(sources, [0, 1]);
    }

    /// Takes both away while something happens; gives what they see up to this number.
    fn away(&mut self, daemon: &mut Daemon, happens: impl FnOnce(&mut Daemon), last: u64) -> Saw {
        self.forwarder.part(daemon);
        happens(daemon);
        self.forwarder.mend();
        self.up_to(last)
    }

    fn up_to(&mut self, last: u64) -> Saw {
        let mut numbers = [(); 2].map(|()| Vec::new());
        let mut verdicts = Vec::new();
        while numbers.iter().any(|numbers| numbers.last() != Some(&last)) {
            match self.page.report_of_any() {
                (source, Report::Event(Seen { listener, data, .. })) if listener == "hasses.resume" => {
                    assert_eq!((source, numbers[1].len()), (1, 0), "it comes first, and to whom listens for it");
                    verdicts.push(serde_json::from_str(&data).expect("JSON"));
                }
                (source, Report::Event(seen)) => {
                    assert_eq!((seen.listener.as_str(), seen.event.as_str()), ("onmessage", "message"));
                    numbers[source].push(number_of(&seen));
                }
                (_, Report::Open | Report::Lost) => {}
                (source, Report::Failed) => panic!("{source} has given up"),
            }
        }
        let [plain, listening] = numbers;
        assert!(verdicts.len() <= 1, "{verdicts:?}");
        Saw { plain, listening, verdict: verdicts.pop().unwrap_or_default() }
    }
}

fn a_page_is_told_what_became_of_its_place_if_it_listens(browser: Browser) {
    let mut daemon = Daemon::start(&["--retry", "100", "--retain-events", "5"]);
    let Some(mut both) = Both::open(browser, Forwarder::to(&daemon.address)) else { return };
    daemon.publish_to(2, &soon(1));
    let saw = both.up_to(1);
    assert_eq!((saw.plain, saw.listening, saw.verdict), (vec![1], vec![1], Value::Null));

    let saw = both.away(&mut daemon, |daemon| daemon.publish_numbers(0, 2..=4), 4);
    let expected: Vec<u64> = (2..=4).collect();
    assert_eq!((&saw.plain, &saw.listening), (&expected, &expected));
    assert_eq!(saw.verdict, json!({"status": "resumed", "replayed": 3}));

    // More than is kept.
    let mut oldest = None;
    let lose = |daemon: &mut Daemon| {
        daemon.publish_numbers(0, 5..=20);
        oldest = Some(daemon.publisher().status().oldest.to_string());
    };
    let saw = both.away(&mut daemon, lose, 20);
    let expected: Vec<u64> = (16..=20).collect();
    assert_eq!((&saw.plain, &saw.listening), (&expected, &expected));
    assert_eq!(saw.verdict, json!({"status": "gap", "oldest": oldest, "replayed": 5}));

    // A log in memory ends with the daemon.
    both.forwarder.part(&daemon);
    daemon.kill();
    daemon.start_again();
    daemon.publish_numbers(0, 21..=23);
    both.forwarder.mend();
    let mut publisher = daemon.publisher();
    wait_for("both to be back", || (publisher.status().subscribers == 2).then_some(()));
    daemon.publish_numbers(2, 24..=24);
    let saw = both.up_to(24);
    assert_eq!((saw.plain, saw.listening), (vec![24], vec![24]));
    assert_eq!(saw.verdict, json!({"status": "reset"}));
}
