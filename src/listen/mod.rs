//! Listeners: sockets in, frames to the journal, acknowledgements out (endpoint mode).
//!
//! ```text
//! accept ▶ connection (bytes ▶ core::mllp) ▶ intake (frame ▶ drafts) ▶ journal ▶ answers (ACK, in order)
//! ```
//! Nothing here understands a result: before the acknowledgement only framing and the MSH are looked at.

mod answers;
mod connection;
mod endpoint;
mod intake;
mod memory;

pub use endpoint::{Bound, Listener, Reloadable, bind};
pub use memory::FrameMemory;
