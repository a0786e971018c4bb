//! A synthetic hospital: its people, and every message that its systems send in a year. Pure, and the
//! same for the same seed.
//!
//! For pilots, tests and benchmarks. Most of it is blood counts, chemistry and text; a few patients
//! have immunoglobulins measured, of these a few have isolated low IgM, and some are traps: messages
//! that look like it and are not. [`Feed`](feed::Feed) writes it as a stream of any length.

pub mod feed;
pub mod hospital;
pub mod message;
pub mod people;
pub mod random;

mod courses;
mod routine;
mod traps;
mod usual;
