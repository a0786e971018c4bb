//! A stream of bytes as chunks that end where a message or a frame ends.

use crate::core::hl7::header::RawHeader;
use crate::core::mllp::{FS, VT};
use bytes::Bytes;
use memchr::{memmem, memrchr};
use std::io::{self, Read};

/// How large a chunk is, unless a message is longer.
pub const SIZE: usize = 1 << 20;
/// A message longer than this is cut.
pub const LARGEST: usize = 64 << 20;

/// Whole messages, or whole frames.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// They are MLLP frames.
    pub framed: bool,
}

/// The chunks of one file.
pub struct Chunks<R> {
    source: R,
    size: usize,
    largest: usize,
    /// What was read behind the last chunk.
    held: Vec<u8>,
    framed: Option<bool>,
    over: bool,
}

impl<R: Read> Chunks<R> {
    /// Over an open file.
    pub fn new(source: R) -> Self {
        Self::sized(source, SIZE, LARGEST)
    }

    /// With other sizes; for tests.
    pub(super) fn sized(source: R, size: usize, largest: usize) -> Self {
        Self {
            source,
            size,
            largest,
            held: Vec::new(),
            framed: None,
            over: false,
        }
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read further; what came before stands.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let mut wanted = self.size;
        let mut looked_at = 0;
        while !self.over {
            self.fill(wanted)?;
            let framed = self.is_framed();
            if !self.over {
                let end = if framed {
                    last_frame(&self.held, looked_at)
                } else {
                    last_message(&self.held, looked_at)
                };
                if let Some(end) = end {
                    return Ok(Some(self.cut(end)));
                }
                if self.held.len() >= self.largest {
                    return Ok(Some(self.cut(self.held.len())));
                }
                // What was looked at has no beginning, but for one that its end may hold.
                looked_at = self.held.len().saturating_sub(8);
                wanted = self.held.len().saturating_mul(2).min(self.largest);
            }
        }
        if self.held.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.cut(self.held.len())))
    }

    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let missing = wanted.saturating_sub(self.held.len());
        self.held.reserve(missing);
        let read = (&mut self.source)
            .take(missing as u64)
            .read_to_end(&mut self.held)?;
        self.over = read < missing;
        Ok(())
    }

    /// Whether the file begins with a frame, as far as it can be told.
    fn is_framed(&mut self) -> bool {
        if let Some(framed) = self.framed {
            return framed;
        }
        let first = self
            .held
            .iter()
            .find(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0));
        self.framed = first.map(|byte| *byte == VT);
        self.framed.unwrap_or(false)
    }

    fn cut(&mut self, end: usize) -> Chunk {
        let rest = self.held.get(end..).unwrap_or_default();
        let mut next = Vec::with_capacity(rest.len().max(self.size));
        next.extend_from_slice(rest);
        let mut bytes = std::mem::replace(&mut self.held, next);
        bytes.truncate(end);
        Chunk {
            bytes: bytes.into(),
            framed: self.framed.unwrap_or(false),
        }
    }
}

/// Where the last frame begins, behind the end of another; nowhere before `from`.
fn last_frame(bytes: &[u8], from: usize) -> Option<usize> {
    let mut end = bytes.len();
    loop {
        let at = memrchr(VT, bytes.get(..end)?)?;
        if at < from.max(1) {
            return None;
        }
        let before = bytes.get(..at)?;
        let ended = before
            .iter()
            .rev()
            .find(|byte| !matches!(byte, b'\r' | b'\n'));
        if ended == Some(&FS) {
            return Some(at);
        }
        end = at;
    }
}

/// Where the last message begins, at a line's start; nowhere before `from`.
fn last_message(bytes: &[u8], from: usize) -> Option<usize> {
    let mut end = bytes.len();
    loop {
        let at = memmem::rfind(bytes.get(..end)?, b"MSH")?;
        if at < from.max(1) {
            return None;
        }
        let at_line_start = matches!(bytes.get(at - 1), Some(b'\r' | b'\n'));
        if at_line_start && is_header(bytes.get(at..)?) {
            return Some(at);
        }
        end = at + 2;
    }
}

/// A header that is one wherever it stands: whole, with delimiters that are no letters.
fn is_header(bytes: &[u8]) -> bool {
    let whole = memchr::memchr2(b'\r', b'\n', bytes).is_some();
    whole && RawHeader::read(bytes, b"MSH").is_some_and(|header| header.has_plain_encoding())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunks(bytes: &[u8], size: usize, largest: usize) -> Vec<Vec<u8>> {
        let mut chunks = Chunks::sized(bytes, size, largest);
        let mut found = Vec::new();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            found.push(chunk.bytes.to_vec());
        }
        found
    }

    fn message(number: usize, length: usize) -> Vec<u8> {
        let text = "x".repeat(length);
        format!("MSH|^~\\&|A|B|||2026||ORU^R01|{number}|P|2.5\rNTE|1||see MSH|{text}\r")
            .into_bytes()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Nothing is lost, and every chunk but the first begins with a message.
        #[test]
        fn chunks_hold_whole_messages(
            lengths in proptest::collection::vec(0_usize..300, 1..20),
            size in 1_usize..600,
            framed: bool,
        ) {
            let messages: Vec<Vec<u8>> = lengths.iter().enumerate()
                .map(|(number, length)| message(number, *length)).collect();
            let all: Vec<u8> = messages.iter().flat_map(|message| {
                if framed { [b"\x0b", &message[..], b"\x1c\r"].concat() } else { message.clone() }
            }).collect();
            let found = chunks(&all, size, 1 << 20);
            prop_assert_eq!(&found.concat(), &all);
            for chunk in &found {
                let begin: &[u8] = if framed { b"\x0bMSH|" } else { b"MSH|" };
                prop_assert!(chunk.starts_with(begin));
            }
        }
    }

    #[test]
    fn what_never_ends_is_cut() {
        let found = chunks(&[b'x'; 1_000], 10, 100);
        assert_eq!(found.concat().len(), 1_000);
        assert!(found.iter().all(|chunk| chunk.len() <= 100));
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(chunks(b"", 10, 100).is_empty());
    }
}
