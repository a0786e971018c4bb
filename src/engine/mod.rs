//! The engine: one thread that folds what is durable, decides, and records what it decided.
//!
//! ```text
//! journal (durable facts) ▶ core::fold::apply ▶ state ▶ core::fold::decide ▶ Decided ▶ journal
//! ```
//! It works at its own pace behind the listeners; nothing waits for it but alerts. An alert exists
//! when its `Decided` comes back out of the journal, so a crash at any point decides once.

mod batch;
mod checkpointer;
mod folder;
mod handle;
pub mod prime;
mod source;
mod told;

pub use checkpointer::Checkpointing;
pub(crate) use checkpointer::{Beginning, begin};
pub(crate) use folder::extract_caught;
pub use folder::{Folder, FreshState, Progress, Settings};
pub use handle::StateHandle;
pub(crate) use source::Source;
pub use told::Told;
