//! Pentamer: from a laboratory's MLLP feed to one page for immunology.
//!
//! Follow a message: `listen` (socket, frames, ACK) → `journal` (the truth) → `engine` (the fold) →
//! `core` (what it means) → `cache` (state) → `deliver` (sinks). See ARCHITECTURE.md.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod config;
pub mod core;
pub mod journal;
