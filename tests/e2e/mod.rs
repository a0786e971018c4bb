//! The real binary over real sockets.

pub mod harness;

mod cache;
mod commands;
mod damage;
#[cfg(feature = "failpoints")]
mod deliver;
mod endpoint;
mod feeds;
mod fire;
pub mod journal;
mod life;
mod load;
mod manager;
mod memory;
mod patient;
mod reload;
mod restart;
mod service;
mod soak;
mod tables;
mod trouble;
