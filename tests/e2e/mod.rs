//! The real binary over real sockets.

pub mod harness;
pub mod lis;

mod commands;
mod endpoint;
mod life;
mod limits;
mod memory;
mod patient;
pub mod relay;
mod tables;
pub mod tls;
