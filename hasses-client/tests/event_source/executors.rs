//! The same program under smol, under tokio, and without an executor.

use std::pin::pin;

use hasses_client::EventSource;
use hasses_client::event_source::{Blocking, Builder, Error, Item};
use smol::stream::StreamExt as _;

use crate::heard::brisk;
use crate::server::Server;

const EVENTS: usize = 20_000;

/// A server that cuts the connection after every 5,000 events, and after the last says that there is nothing more.
fn serve() -> (Builder, std::thread::JoinHandle<()>) {
    let server = Server::open();
    let builder = brisk(&server.url("/sse")).topic("room");
    let serving = std::thread::spawn(move || {
        loop {
            let mut request = server.next();
            let next = request.last_event_id().map_or(0, |id| id.parse::<usize>().unwrap() + 1);
            if next == EVENTS {
                return request.answer("HTTP/1.1 204 No Content\r\n\r\n");
            }
            request.accept();
            for number in next..next + 5_000 {
                request.say(format!("id: {number}\ndata: {number}\n\n"));
            }
            // And one that is never whole.
            request.say(format!("id: {}\ndata: cut off", next + 5_000));
        }
    });
    (builder, serving)
}

/// Takes note of an item; `false` at the end, which must be that of the server.
fn take(item: Result<Item, Error>, expected: &mut usize) -> bool {
    match item {
        Ok(Item::Event(event)) => {
            assert_eq!((event.data.as_str(), event.last_event_id), (&*expected.to_string(), expected.to_string()));
            *expected += 1;
            true
        }
        Ok(Item::Open | Item::Lost { .. }) => true,
        Err(Error::Status { status: 204, .. }) => false,
        other => panic!("{other:?}"),
    }
}

async fn listen(mut source: EventSource) -> usize {
    let mut heard = 0;
    while let Some(item) = source.next().await {
        take(item, &mut heard);
    }
    heard
}

#[test]
fn under_smol() {
    let (builder, serving) = serve();
    assert_eq!(smol::block_on(smol::spawn(listen(builder.open().unwrap()))), EVENTS);
    serving.join().unwrap();
}

#[test]
fn under_tokio() {
    let (builder, serving) = serve();
    // Neither tokio's timers nor its I/O are compiled in, let alone enabled.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let heard = runtime.block_on(async { tokio::spawn(listen(builder.open().unwrap())).await.unwrap() });
    assert_eq!(heard, EVENTS);
    serving.join().unwrap();
}

#[test]
fn as_a_stream() {
    let (builder, serving) = serve();
    let mut heard = 0;
    smol::block_on(builder.open().unwrap().for_each(|item| {
        take(item, &mut heard);
    }));
    assert_eq!(heard, EVENTS);
    serving.join().unwrap();
}

#[test]
fn without_an_executor() {
    let (builder, serving) = serve();
    let mut source = builder.open().unwrap().blocking();
    let mut heard = 0;
    while heard < 7_000 {
        // What has come already, then what is waited for.
        while let Some(item) = source.try_next() {
            take(item, &mut heard);
        }
        take(source.next().unwrap(), &mut heard);
    }
    assert_eq!(source.last_event_id(), (heard - 1).to_string());
    for item in source.by_ref() {
        take(item, &mut heard);
    }
    assert_eq!(heard, EVENTS);
    assert!(source.try_next().is_none() && source.next().is_none());
    serving.join().unwrap();
}

#[test]
fn a_wait_that_is_given_up_loses_nothing() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut request = server.accept();
    let mut heard = 0;
    smol::block_on(async {
        for number in 0..1000 {
            request.say(format!("data: {number}\n\n"));
            while heard <= number {
                // Polled once and dropped, as often as it takes.
                if let Some(item) = smol::future::poll_once(pin!(source.next())).await
                    && let Ok(Item::Event(event)) = item.unwrap()
                {
                    assert_eq!(event.data, heard.to_string());
                    heard += 1;
                }
            }
        }
    });
}

#[test]
fn it_may_move_between_threads_and_its_errors_be_passed_on() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Send + Sync + 'static>() {}
    fn passed_on<T: std::error::Error + Send + Sync + 'static>() {}
    sent::<EventSource>();
    sent::<Blocking>();
    shared::<Builder>();
    shared::<Item>();
    passed_on::<Error>();
}
