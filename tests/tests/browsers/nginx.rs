//! Through nginx as `hasses/docs/proxies.md` has it: TLS and HTTP/2 towards the browser, and an answer while the daemon is away.

use std::fs;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::Command;

use hasses_tests::{Authority, Browser, Configuration, Page, Proxy, Report, own_address, required};
use serde_json::json;
use tempfile::TempDir;

use crate::count::{Count, Numbers};
use crate::stalls::{LONG, NARROW, falls_behind};
use crate::{Daemon, PAGE, in_each_browser};

in_each_browser!(a_page_of_the_same_host_counts_on, a_page_of_another_origin_counts_on);

/// nginx in front of a daemon and of the server of a page.
struct Nginx {
    address: SocketAddrV4,
    folder: TempDir,
    proxy: Proxy,
}

impl Nginx {
    fn start(nginx: &Path, authority: &Authority, daemon: &Daemon, page: &Page) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let address = own_address();
        let certificate = authority.issue(&[&address.ip().to_string()]).save(folder.path(), "server");
        let mut site = Configuration::of("hasses/docs/proxies.md", "nginx site")
            .with("listen 443 ssl", format!("listen {address} ssl"))
            .with("server_name www.example.org;", "")
            .with("/etc/ssl/www.example.org/fullchain.pem", certificate.certificate.display())
            .with("/etc/ssl/www.example.org/privkey.pem", certificate.key.display())
            .with("127.0.0.1:8080", &daemon.address)
            // What else the host has.
            .with(
                "location = /sse {",
                format!("location / {{ proxy_pass http://{}; }}\n    location = /sse {{", page.server()),
            );
        for pause in ["5000", "6500", "8000", "9500"] {
            site = site.with(&format!(" {pause};"), " 200;");
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        let configuration = format!(
            "master_process off; daemon off; pid {}; error_log stderr;\nevents {{}}\n\
             http {{\naccess_log {};\n{temporary}{site}}}\n",
            path("nginx.pid"),
            path("access.log"),
        );
        fs::write(path("nginx.conf"), configuration).expect("a file");
        let mut command = Command::new(nginx);
        let proxy = Proxy::start(command.args(["-e", "stderr", "-c", &path("nginx.conf")]), folder.path(), &[address]);
        Self { address, folder, proxy }
    }

    fn origin(&self) -> String {
        format!("https://{}", self.address)
    }
}

fn a_page_of_the_same_host_counts_on(browser: Browser) {
    counts_on(browser, |page, nginx| page.through(nginx.origin()));
}

fn a_page_of_another_origin_counts_on(browser: Browser) {
    counts_on(browser, |page, nginx| assert_ne!(page.origin(), nginx.origin()));
}

/// Whether nginx stands still, or the daemon goes and comes back.
fn counts_on(browser: Browser, place: impl FnOnce(&mut Page, &Nginx)) {
    let Some((program, _)) = required("nginx").zip(required("certutil")) else { return };
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    let authority = Authority::default();
    page.trust(&authority);
    let flags = [&NARROW[..], &["--trusted-proxy", "127.0.0.1", "--retry", "200"]].concat();
    let mut daemon = Daemon::lasting(&flags);
    let nginx = Nginx::start(&program, &authority, &daemon, &page);
    place(&mut page, &nginx);
    page.open(&[("url", &format!("{}/sse?subscribe=room", nginx.origin()))]);
    assert_eq!(page.report(), Report::Open);
    daemon.publish(&json!({"topic": "room", "data": "Grüße 🎉\nüber nginx"}));
    assert_eq!(page.event().data, "Grüße 🎉\nüber nginx");
    let (mut count, numbers) = (Count::of(page), Numbers::start(&daemon, LONG));
    count.on(&numbers);
    nginx.proxy.halt();
    falls_behind(&daemon);
    nginx.proxy.go_on();
    count.on(&numbers);
    assert_eq!(count.lost(), 0);
    for end in [Daemon::stop as fn(&mut Daemon), Daemon::kill] {
        let lost = count.lost();
        end(&mut daemon);
        // The end of the stream; then nginx tells it to come back later, which to the page is a short success.
        count.until_lost(lost + 3);
        daemon.start_again();
        count.on(&numbers);
    }
    count.up_to(numbers.stop());
    let log = fs::read_to_string(nginx.folder.path().join("access.log")).expect("nginx has logged");
    assert!(log.contains("\"GET /sse?subscribe=room HTTP/2.0\" 200 "), "not over HTTP/2: {log}");
}
