//! The client against a daemon that the tests play themselves, over real sockets: answers, losses, time-outs, executors.

#![expect(clippy::unwrap_used, reason = "what goes wrong where a test plays the daemon is a failure of that test")]

mod backlog;
mod blocking;
mod calls;
mod daemon;
mod exactly_once;
mod executors;
mod greetings;
mod ledger;
mod losses;
mod retries;
mod timeouts;
