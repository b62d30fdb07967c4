//! Every chore of the house: test, lint, bench.
fn main() {}
