//! The program itself, against a daemon that is a thread of the test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod answers;
mod certificates;
mod daemon;
mod doctor;
mod endpoint;
mod faults;
mod listen;
mod program;
mod send;
mod site;
