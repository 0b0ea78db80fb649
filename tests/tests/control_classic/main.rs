//! The classic text of the control protocol: every row of its table, how a stream is cut into messages, what is answered and
//! what is logged, and the faults of the classic daemon that must not come back.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod answers;
mod framing;
mod hostile;
mod log;
mod messages;
