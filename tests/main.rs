//! Integration tests, one binary.

mod journal_crash;
