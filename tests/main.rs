//! All integration tests, as one program: linked once, run in parallel.

#![expect(
    clippy::disallowed_methods,
    reason = "deadlines of tests, and what the caller of the tests asks for"
)]

mod architecture;
mod conformance;
mod corpus;
mod e2e;
mod journal_crash;
mod laws;
mod offline;
mod simulation;
