//! All integration tests, as one program: linked once, run in parallel.

#![expect(
    clippy::disallowed_methods,
    reason = "deadlines of tests, and what the caller of the tests asks for"
)]
#![cfg_attr(
    not(feature = "failpoints"),
    allow(
        dead_code,
        unused_imports,
        reason = "some of what drives the daemon serves faults alone"
    )
)]

mod architecture;
mod checkpoint_crash;
mod conformance;
mod corpus;
mod e2e;
mod examples;
mod formats;
mod generate;
mod journal_crash;
mod laws;
mod metrics;
mod model;
mod offline;
mod papers;
mod simulation;
mod tables;
mod told;
