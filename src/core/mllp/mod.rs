//! MLLP frames: bytes in, frames and fragments out (WIRE 1.1-1.4). Pure; the caller owns socket and clock.
//!
//! The outcome does not depend on how the bytes were cut into reads: the decoder looks at one byte at
//! a time and holds back at most eight of them. Every leniency is counted.

mod counts;
mod decoder;
#[cfg(test)]
mod tests;

pub use counts::FrameCounts;
pub use decoder::{Decoder, Event, Limits, Phase};

/// `<VT>`: a frame begins.
pub const VT: u8 = 0x0b;
/// `<FS>`: a frame ends, with the `<CR>` after it.
pub const FS: u8 = 0x1c;
/// `<CR>`: ends segments, and frames after `<FS>`.
pub const CR: u8 = 0x0d;
