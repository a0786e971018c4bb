//! HL7 v2 as it comes: envelope, acknowledgement, character sets, segments, escapes, times.

pub mod header;
