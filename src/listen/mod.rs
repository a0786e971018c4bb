//! Listeners: sockets in, frames to the journal, acknowledgements out (endpoint mode), or bytes through
//! and a copy of them to the journal (relay mode).
//!
//! ```text
//! accept ▶ door (allow, limits) ▶ TLS ▶ connection (bytes ▶ core::mllp) ▶ intake (frame ▶ drafts) ▶ journal ▶ answers (ACK, in order)
//!                                     ▶ relay (bytes ▶ the laboratory system and back; a copy ▶ tap ▶ journal)
//! ```
//! Nothing here understands a result: before the acknowledgement only framing and the MSH are looked at.

mod accept;
mod answers;
mod certificates;
mod connection;
mod door;
mod intake;
mod memory;
mod relay;
mod socket;
mod terms;
mod tls;

pub use accept::{Bound, Common, Listener, OnGap, Reloadable, bind};
pub use certificates::Certificates;
pub use memory::FrameMemory;
