//! Cases of delivery: a real shard with subscribers on sockets.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;

use hasses_client::wire::{Command, Publish};
use smol::future::{block_on, poll_once};

use crate::case::Case;
use crate::meter::Meter;
use crate::stage::{Hub, Stage, pattern};

pub(crate) const CASES: &[Case] = &[
    Case { name: "subscribe/browser", per: "a subscriber", run: subscribe },
    Case { name: "deliver/alone-to-1000", per: "a delivery", run: |meter| deliver(meter, 1, 20) },
    Case { name: "deliver/burst-of-50-to-1000", per: "a delivery", run: |meter| deliver(meter, 50, 3) },
    Case { name: "publish/topic-each-of-100", per: "a publish", run: |meter| topic_each(meter, 100) },
    Case { name: "publish/topic-each-of-5000", per: "a publish", run: |meter| topic_each(meter, 5000) },
];

/// What Chromium sends.
const BROWSER: &str = "GET /sse?topic=room624&topic=user77 HTTP/1.1\r\n\
    Host: www.example.org\r\nConnection: keep-alive\r\nsec-ch-ua-platform: \"Linux\"\r\nCache-Control: no-cache\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
    Referer: https://www.example.org/rooms/624\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\r\n";

/// From a connection that was accepted to one that has its head.
fn subscribe(meter: &mut Meter) {
    const SUBSCRIBERS: usize = 500;
    let mut stage = Stage::new();
    (0..SUBSCRIBERS).for_each(|_| stage.connect(BROWSER));
    meter.count(SUBSCRIBERS, || stage.turn_until_idle());
    assert_eq!(stage.shared.counters.subscribed.load(Relaxed), SUBSCRIBERS as u64);
}

/// The shard alone: from the batch in its channel to the last write.
fn deliver(meter: &mut Meter, burst: usize, bursts: usize) {
    const SUBSCRIBERS: usize = 1000;
    let mut stage = Stage::new();
    let mut hub = stage.take_hub();
    stage.subscribe(SUBSCRIBERS, |_| "room624".to_owned());
    let publishes = || (0..burst).map(|_| publish("room624")).collect();
    // The first has queues to allocate, which the pool has from then on.
    submit(&stage, &mut hub, publishes());
    stage.turn_until_idle();
    for _ in 0..bursts {
        let before = stage.deliveries();
        submit(&stage, &mut hub, publishes());
        meter.count(burst * SUBSCRIBERS, || stage.turn_until_idle());
        assert_eq!(stage.deliveries() - before, (burst * SUBSCRIBERS) as u64);
    }
}

/// Hub, log and shard: publishes in batches of 50, each to a topic with one subscriber.
fn topic_each(meter: &mut Meter, subscribers: usize) {
    const BATCH: usize = 50;
    const BATCHES: usize = 20;
    let mut stage = Stage::new();
    let mut hub = stage.take_hub();
    let topic = |nth: usize| format!("user{}", nth * 7919 % subscribers);
    stage.subscribe(subscribers, topic);
    // Every topic stands in the log, as after some time.
    for nth in 0..subscribers.div_ceil(BATCH) {
        submit(&stage, &mut hub, (nth * BATCH..(nth + 1) * BATCH).map(|nth| publish(&topic(nth))).collect());
        stage.turn_until_idle();
    }
    let before = stage.deliveries();
    for nth in 0..BATCHES {
        let mut publishes = Some((nth * BATCH..(nth + 1) * BATCH).map(|nth| publish(&topic(nth))).collect());
        meter.count(BATCH, || {
            submit(&stage, &mut hub, publishes.take().expect("counted once"));
            stage.turn_until_idle();
        });
    }
    assert_eq!(stage.deliveries() - before, (BATCH * BATCHES) as u64);
}

fn publish(topic: &str) -> Command {
    Command::Publish(Publish::new(pattern(topic), "x".repeat(64)))
}

/// Takes publishes through hub and log; they wait for the shard then.
fn submit(stage: &Stage, hub: &mut Hub, commands: Vec<Command>) {
    let mut submission = pin!(stage.inbox.submit_all(commands));
    assert!(block_on(poll_once(&mut submission)).is_none(), "the shard has not had it");
    assert!(block_on(poll_once(hub)).is_none(), "the hub goes on");
}
