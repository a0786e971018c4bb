//! The real binary over real sockets.

pub mod harness;

mod brokers;
mod cache;
mod commands;
mod damage;
#[cfg(feature = "failpoints")]
mod deliver;
mod endpoint;
mod fire;
pub mod journal;
mod life;
mod load;
mod memory;
mod patient;
mod receivers;
mod sinks;
mod soak;
mod tables;
mod trouble;
