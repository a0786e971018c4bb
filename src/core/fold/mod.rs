//! The fold: facts become state, in journal order, by one function.
//!
//! [`apply`] takes facts onto a state: results and identities from messages, but episodes, alerts
//! and deliveries only from the facts that recorded them. [`decide`] proposes the next such fact.
//! [`views`] reads the state for everyone else. Laws, each tested:
//! - folding a fact twice is folding it once;
//! - fold(a ++ b) = fold(fold(a), b), so a rebuild equals what was folded live;
//! - the order of messages does not change what a patient's record or pool says.

pub mod audit;
pub mod codec;
pub mod dossier;
pub mod effects;
pub mod keys;
pub mod lists;
pub mod overlay;
pub mod pool;
pub mod records;
pub mod state;
pub mod tables;
pub mod values;
pub mod views;

mod answers;
mod apply;
mod continuation;
mod decide;
mod feeds;
mod identities;
mod lookback;
mod sinks;
mod withdrawals;

#[cfg(test)]
pub(crate) mod testing;

pub use apply::{Extract, apply};
pub use codec::VERSION as STATE_VERSION;
pub use continuation::next_deadline;
pub use decide::{AT_ONCE, decide};
pub use effects::{Applied, Effects, NewAlert};
pub use lookback::{Preview, WouldTell, preview};
