//! The real binary over real sockets.

pub mod harness;

mod backup;
mod commands;
mod endpoint;
mod life;
mod memory;
mod patient;
mod tables;
