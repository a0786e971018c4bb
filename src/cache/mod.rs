//! The state on disk and in memory: a cache that may be lost at any moment.
//!
//! `Sled` is opened only through [`open_guarded`]: sled 0.34 can panic, hang or refuse damaged files,
//! so a child process with a time limit looks at every value first, and on any doubt the directory
//! is moved aside and the state is built again from the journal. In use it is `Guarded`: a call that
//! does not return is left behind, and nobody waits for it. `Memory` is its oracle in tests,
//! and what is left when the disk cannot be used. Where there is a key, what sled gets is sealed.

mod guard;
mod guarded;
mod memory;
mod sealing;
mod sled;
#[cfg(test)]
mod tests;

pub use guard::{Opened, Opening, fresh, open_guarded, set_aside, verify};
pub use guarded::Guarded;
pub use memory::Memory;
pub use sled::Sled;
