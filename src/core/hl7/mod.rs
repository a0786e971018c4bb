//! HL7 v2 as it comes: envelope, acknowledgement, character sets, segments, escapes, times.

pub mod ack;
pub mod charset;
pub mod continuation;
pub mod delimiters;
pub mod envelope;
pub mod escape;
pub mod header;
pub mod names;
pub mod segment;
pub mod segments;
pub mod tally;
pub mod time;
pub mod types;
