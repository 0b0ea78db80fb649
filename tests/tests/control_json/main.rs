//! The JSON form of the control protocol: every command with every field, every refusal, and how a stream of commands behaves.

mod commands;
mod lists;
mod publish;
mod refusals;
mod stream;
