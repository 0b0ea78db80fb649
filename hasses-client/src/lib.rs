//! Client of the hasses daemon.
pub mod wire;
