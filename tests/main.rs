//! All integration tests, as one program: linked once, run in parallel.

mod architecture;
mod journal_crash;
