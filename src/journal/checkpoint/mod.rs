//! Checkpoints: the whole folded state at one position, and what the journal itself has to know of
//! the facts before it (DESIGN.md, Shape 4).
//!
//! # Invariants
//!
//! 1. The truth is the newest good checkpoint and the segments behind it.
//! 2. A checkpoint has its name only when all of it is synced; the one before it is kept.
//! 3. What is in it depends on the facts alone, not on what holds the state or when it was written.
//! 4. It is used only if every byte of it is as written. One that is not is set aside and named, and
//!    the one before it serves: no segment behind the older of the two is ever dropped.
//!
//! `docs/journal-format.md` has the fields.

mod choose;
mod copy;
mod format;
mod read;
mod take;

pub use choose::{Kept, Unfit, remove_checkpoints};
pub(crate) use choose::{checkpoints_dir, choose, survey};
pub use copy::Arriving;
pub(crate) use format::Known;
pub use format::{CHECKPOINT_VERSION, TakeError};
pub use read::Checkpoint;
pub use take::{Taking, Window};

#[cfg(test)]
mod tests;
