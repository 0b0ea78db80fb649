//! Fan-out benchmark.
fn main() {}
