//! HL7 v2 as it comes: envelope, acknowledgement, character sets, segments, escapes, times.

pub mod ack;
pub mod envelope;
pub mod header;
pub mod types;
