//! The real daemon with its log on disk, killed at any moment, on disks that are full or fail, and over what such an end leaves.
//!
//! One publisher numbers its events from 1 on, so that whatever is missing, doubled or out of order shows as a number.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod chance;
mod client;
mod clock;
mod damage;
mod errors;
mod failing_disk;
mod follower;
mod full;
mod kill;
mod over;
mod pipeline;
mod place;
mod small_disk;
mod stream;
