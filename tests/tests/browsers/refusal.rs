//! "Come back later".

use hasses_tests::{Browser, Page, Report, Subscriber};

use crate::{Daemon, PAGE, in_each_browser, receives_once_it_is_in};

in_each_browser!(a_page_that_is_told_to_come_back_later_comes_in_once_there_is_room);

fn a_page_that_is_told_to_come_back_later_comes_in_once_there_is_room(browser: Browser) {
    let daemon = Daemon::start(&["--max-subscribers", "1", "--retry", "200"]);
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    let somebody = Subscriber::connect(&daemon.address, "subscribe=somewhere");
    page.open(&[("url", &daemon.url("subscribe=room"))]);
    // To the page each refusal is a short success.
    for expected in [Report::Open, Report::Lost, Report::Open, Report::Lost] {
        assert_eq!(page.report(), expected);
    }
    assert!(daemon.publisher().status().refused_total >= 2);
    drop(somebody);
    receives_once_it_is_in(&mut page, &daemon);
}
