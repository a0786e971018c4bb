//! Pentamer: from a laboratory's MLLP feed to one page for immunology.
//!
//! Follow a message: `listen` (socket, frames, ACK) → `journal` (the truth) → `engine` (the fold) →
//! `core` (what it means) → `cache` (state) → `deliver` (sinks). See ARCHITECTURE.md.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod archive;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod core;
pub mod daemon;
pub mod deliver;
pub mod engine;
pub mod failpoints;
pub mod generate;
pub mod index;
pub mod journal;
pub mod listen;
pub mod notice;
pub mod plot;
pub mod pulse;
pub mod screen;
pub mod seal;
pub mod service;
pub mod telemetry;
pub mod tls;
pub mod users;
pub mod web;

/// Messages are read on one thread and folded on another, results come and go by the million: an allocator that
/// takes this better than the C library's (`cargo bench --bench recovery`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
