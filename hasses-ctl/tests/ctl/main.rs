//! The program itself, against a daemon that is a thread of the test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod answers;
mod bench;
mod certificates;
mod daemon;
mod doctor;
mod endpoint;
mod faults;
mod hub;
mod listen;
mod program;
mod send;
mod site;
