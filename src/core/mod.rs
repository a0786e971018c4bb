//! The functional core: no clock, socket, disk, async or logging. Time is an argument.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod alert;
pub mod audit;
pub mod clinical;
pub mod delivery;
pub mod episode;
pub mod extract;
pub mod fact;
pub mod feed;
pub mod fold;
pub mod hl7;
pub mod identity;
pub mod lookback;
pub mod mend;
pub mod message;
pub mod mllp;
pub mod patient;
pub mod phi;
pub mod policy;
pub mod record;
pub mod spread;
pub mod time;
pub mod worklist;
