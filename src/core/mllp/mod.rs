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
/// `<ACK>`: alone in a frame, "stored" in MLLP release 2.
pub const ACK: u8 = 0x06;
/// `<NAK>`: alone in a frame, "not stored" in MLLP release 2.
pub const NAK: u8 = 0x15;

/// The byte order mark of UTF-8.
pub(super) const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What is left after leading CR, LF, SP, NUL, TAB and byte order marks, in whatever order they come
/// (F-11, F-33, F-35, A-30).
pub(super) fn skip_blank(mut content: &[u8]) -> &[u8] {
    loop {
        match content {
            [b'\r' | b'\n' | b' ' | 0 | b'\t', rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => {
                content = rest;
            }
            _ => return content,
        }
    }
}
