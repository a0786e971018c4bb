//! The fold: facts become state, in journal order, by one function.
//!
//! [`apply`] takes results and identities from messages, but episodes, alerts and deliveries only from
//! the facts that recorded them. [`decide`] looks at the patients with news and yields what is to be
//! recorded. Folding the same facts twice is folding them once; how they are cut into batches does
//! not matter; a rebuilt state equals the live one.

mod apply;
mod codec;
mod continuation;
mod decide;
pub mod keys;
mod overlay;
pub mod pool;
pub mod state;
mod tables;
#[cfg(test)]
mod tests;
pub mod views;

pub use apply::{Applied, Effects, Extract, NewAlert, apply};
pub use decide::decide;
pub use overlay::Overlay;
pub use tables::{Cursor, Dirty, QuarantineEntry};
