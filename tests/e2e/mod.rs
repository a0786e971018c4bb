//! The real binary over real sockets.

pub mod harness;
pub mod lis;

mod backup;
mod brokers;
mod cache;
mod checkpoints;
mod cluster;
mod commands;
mod damage;
#[cfg(feature = "failpoints")]
mod deliver;
mod endpoint;
mod feeds;
mod fhir;
mod fire;
mod generate;
pub mod journal;
mod life;
mod limits;
mod load;
mod manager;
mod memory;
mod netns;
mod orders;
mod outage;
mod patient;
mod phi;
mod prometheus;
mod queue;
mod reassess;
mod receivers;
pub mod relay;
mod reload;
mod replay;
mod restart;
mod retention;
mod screen;
mod sealed;
mod secure;
mod service;
mod sinks;
mod soak;
mod tables;
pub mod tls;
mod trouble;
mod web;
