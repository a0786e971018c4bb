//! The real binary over real sockets.

pub mod harness;

mod cache;
mod commands;
mod endpoint;
mod life;
mod memory;
mod patient;
mod tables;
