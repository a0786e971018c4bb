//! The engine: one thread that folds what is durable, decides, and records what it decided.
//!
//! ```text
//! journal (durable facts) ▶ core::fold::apply ▶ state ▶ core::fold::decide ▶ Decided ▶ journal
//! ```
//! It works at its own pace behind the listeners; nothing waits for it but alerts. An alert exists
//! when its `Decided` comes back out of the journal, so a crash at any point decides once.

mod batch;
mod folder;
mod handle;

pub(crate) use batch::read_batch;
pub(crate) use folder::extract_caught;
pub use folder::{Folder, FreshState, Progress, Settings};
pub use handle::StateHandle;
