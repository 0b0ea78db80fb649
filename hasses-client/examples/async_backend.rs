//! An asynchronous backend: its tasks share one client, and each kind of failure gets what it deserves.
//!
//! ```text
//! cargo run -p hasses-client --example async_backend -- unix:///run/hasses/control.sock
//! ```
//!
//! Subscribe to see the events: `curl -N 'http://127.0.0.1:8080/sse?subscribe=clock-orders'`. The executor here is smol; under
//! tokio nothing would differ but the lines that spawn and sleep.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use hasses_client::{Client, Error, Message, Published};
use smol::Timer;

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "unix:///run/hasses/control.sock".to_owned());
    smol::block_on(async {
        let client = Client::connect(&url).await?;
        let clock = smol::spawn(clock(client.clone()));
        let orders: Vec<_> = (1..=20).map(|order| smol::spawn(pay(client.clone(), order))).collect();
        for order in orders {
            order.await?;
        }
        let status = client.status().await?;
        println!("{} subscribers, {} deliveries since start", status.subscribers, status.deliveries_total);
        clock.await
    })
}

/// Tells the time ten times. A tick that cannot be sent is worth nothing later, so it is dropped, and so is one for which the
/// queue has no room.
async fn clock(client: Client) -> Result<(), Error> {
    for tick in 1..=10 {
        let message = Message::new("clock", tick.to_string()).event("tick");
        match client.try_send(message).await {
            Ok(published) => println!("tick {tick} went to {} subscribers", published.matched),
            Err(error @ (Error::Invalid(_) | Error::Refused(_))) => return Err(error),
            Err(error) => println!("tick {tick} is lost: {error}"),
        }
        Timer::after(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Says that an order has been paid, and stays at it: the browser that paid knows already, everybody else must learn of it.
///
/// Over a lost connection the client sends it again by itself, for ten seconds. What goes on longer is made again here. For that
/// the message has a key of its own, which stays the same: so it cannot come twice either.
async fn pay(client: Client, order: u32) -> Result<Published, Error> {
    let key = format!("{}: order {order} is paid", std::process::id());
    loop {
        let message = Message::new("orders", format!("{{\"order\":{order},\"state\":\"paid\"}}"))
            .topics([format!("orders/{order}")])
            .event("order")
            .except(format!("browser-{order}"))
            .key(&key);
        match client.send(message).await {
            Err(
                error @ (Error::Unreachable { .. }
                | Error::TimedOut { .. }
                | Error::QueueFull { .. }
                | Error::FateUnknown { .. }),
            ) => println!("order {order}: {error}"),
            outcome => return outcome,
        }
    }
}
