//! The messages of a chunk, found at the speed of a scan.

use super::Chunk;
use crate::core::fact::Reason;
use crate::core::hl7::envelope::{self, Opened};
use crate::core::hl7::header::RawHeader;
use crate::core::mllp::{Decoder, Event, FS, FrameCounts, Limits, VT};
use bytes::Bytes;
use memchr::{memchr2, memmem};

/// The byte order mark of UTF-8.
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'c> {
    /// One message.
    Message(&'c [u8]),
    /// Bytes that are none.
    Refused(Reason),
}

/// Gives every message of a chunk, and what is none, in order; and what a listener would have counted
/// about the frames.
pub fn messages(chunk: &Chunk, mut take: impl FnMut(Part<'_>)) -> FrameCounts {
    let mut counts = FrameCounts::NONE;
    if !chunk.framed {
        content(&chunk.bytes, &mut take);
        return counts;
    }
    let mut rest: &[u8] = &chunk.bytes;
    while let Some((frame, after)) = plain_frame(rest) {
        content(frame, &mut take);
        rest = after;
    }
    if !rest.is_empty() {
        odd_frames(rest, &mut counts, &mut take);
    }
    counts
}

/// A frame as the standard has it at the beginning of `bytes`, and what comes after.
fn plain_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = bytes.strip_prefix(&[VT])?;
    let end = memchr2(VT, FS, inside)?;
    let after = inside.get(end..)?.strip_prefix(&[FS, b'\r'])?;
    Some((inside.get(..end)?, after))
}

/// Frames with whatever leniency they need, as a listener takes them.
fn odd_frames(bytes: &[u8], counts: &mut FrameCounts, take: &mut impl FnMut(Part<'_>)) {
    let most = bytes.len().max(1);
    let mut decoder = Decoder::new(Limits {
        max_message: most,
        max_junk: most,
        ..Limits::default()
    });
    let mut events = Vec::new();
    decoder.push(bytes, &mut events);
    decoder.finish(&mut events);
    counts.add(&decoder.take_counts());
    for event in events {
        match event {
            Event::Frame(frame) => content(&frame, take),
            Event::Truncated(_) => take(Part::Refused(Reason::Truncated)),
            Event::TooLarge { .. } => take(Part::Refused(Reason::TooLarge)),
            Event::Commit(_) | Event::JunkLimit | Event::DiscardLimit => {}
        }
    }
}

/// The messages of one content: each from its header to the next one. The wrapper of a batch stays
/// with the message before it, where reading passes over it.
fn content(bytes: &[u8], take: &mut impl FnMut(Part<'_>)) {
    let mut begin: Option<usize> = None;
    for at in memmem::find_iter(bytes, b"MSH") {
        if !is_mark(bytes, at, begin) {
            continue;
        }
        match begin {
            Some(begin) => take(Part::Message(bytes.get(begin..at).unwrap_or_default())),
            None => before_first(bytes.get(..at).unwrap_or_default(), take),
        }
        begin = Some(at);
    }
    match begin {
        Some(begin) => take(Part::Message(bytes.get(begin..).unwrap_or_default())),
        None => match envelope::open(bytes) {
            Opened::Empty => {}
            Opened::Refused(reason) => take(Part::Refused(reason)),
            Opened::Messages(found) => {
                for message in found.messages {
                    take(Part::Message(message.raw));
                }
            }
        },
    }
}

/// True for a header at the start of a line, blanks and byte order marks before it passed over. Behind
/// a first message it has to look like one: a note may begin with `MSH-7`.
fn is_mark(bytes: &[u8], at: usize, begin: Option<usize>) -> bool {
    let mut before = bytes.get(..at).unwrap_or_default();
    loop {
        before = match before {
            [rest @ .., b' ' | b'\t' | 0] => rest,
            [rest @ .., a, b, c] if [*a, *b, *c] == BOM => rest,
            [] | [.., b'\r' | b'\n'] => break,
            _ => return false,
        };
    }
    let rest = bytes.get(at..).unwrap_or_default();
    // As nearly all do: nothing more is to be seen of it.
    if rest.starts_with(b"MSH|^~\\&|") {
        return true;
    }
    let header = RawHeader::read(rest, b"MSH");
    let same = begin.is_some_and(|begin| bytes.get(begin + 3) == bytes.get(at + 3));
    header.is_some_and(|header| begin.is_none() || same || header.has_plain_encoding())
}

/// What stands before the first message: nothing, the wrapper of a batch, or what nobody can read.
fn before_first(bytes: &[u8], take: &mut impl FnMut(Part<'_>)) {
    let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let unknown = lines
        .map(<[u8]>::trim_ascii)
        .map(|line| line.strip_prefix(&BOM).unwrap_or(line))
        .any(|line| {
            let wrapper = [b"FHS", b"BHS", b"BTS", b"FTS"];
            let is_wrapper = line
                .get(..3)
                .is_some_and(|name| wrapper.iter().any(|one| *one == name));
            !line.is_empty() && !is_wrapper
        });
    if unknown {
        take(Part::Refused(Reason::UnreadableMsh));
    }
}

/// A message with bytes of its own, for those that keep it.
pub fn kept(chunk: &Chunk, message: &[u8]) -> Bytes {
    let range = chunk.bytes.as_ptr_range();
    if range.contains(&message.as_ptr()) {
        chunk.bytes.slice_ref(message)
    } else {
        Bytes::copy_from_slice(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1\r";
    const TWO: &str = "MSH|^~\\&|A|B|||2026||ORU^R01|2|P|2.5\nPID|1\n";

    fn found(text: &str, framed: bool) -> (Vec<String>, FrameCounts) {
        let chunk = Chunk {
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            framed,
        };
        let mut found = Vec::new();
        let counts = messages(&chunk, |part| {
            found.push(match part {
                Part::Message(message) => String::from_utf8_lossy(message).into_owned(),
                Part::Refused(reason) => reason.word().to_owned(),
            });
        });
        (found, counts)
    }

    fn raw(text: &str) -> Vec<String> {
        found(text, false).0
    }

    #[test]
    fn messages_are_found_at_line_starts() {
        assert_eq!(raw(&format!("{ONE}{TWO}")), [ONE, TWO]);
        assert_eq!(raw(&format!("\r\n \u{feff}{ONE}\r\n\t{TWO}")).len(), 2);
        let note = format!("{ONE}NTE|1||MSH|x\rMSH-7 is wrong\r");
        assert_eq!(raw(&note), std::slice::from_ref(&note));
        assert!(raw(" \r\n").is_empty());
    }

    #[test]
    fn the_wrapper_of_a_batch_is_no_message() {
        let batch = format!("FHS|^~\\&|A\rBHS|^~\\&|A\r{ONE}{TWO}BTS|2\rFTS|1\r");
        let found = raw(&batch);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ONE);
    }

    #[test]
    fn what_is_no_message_is_told() {
        assert_eq!(raw("hello\r"), ["unreadable_msh"]);
        assert_eq!(raw("<?xml version=\"1.0\"?>"), ["xml"]);
        assert_eq!(raw(&format!("hello\r{ONE}")), ["unreadable_msh", ONE]);
    }

    #[test]
    fn frames_are_opened_also_odd_ones() {
        let (messages, counts) = found(&format!("\x0b{ONE}\x1c\r\x0b{TWO}\x1c\r"), true);
        assert_eq!(messages, [ONE, TWO]);
        assert_eq!(counts, FrameCounts::NONE);
        let (messages, counts) = found(&format!("\x0b{ONE}\x1c\r\x0b{TWO}\x1c\n\x0b{ONE}"), true);
        assert_eq!(messages, [ONE, TWO, "truncated"]);
        assert_eq!(counts.fs_lf, 1);
    }
}
