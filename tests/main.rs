//! All integration tests, as one program: linked once, run in parallel.

mod architecture;
mod conformance;
mod corpus;
mod e2e;
mod journal_crash;
mod laws;
mod offline;
