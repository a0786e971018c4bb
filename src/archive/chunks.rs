//! A stream of bytes as chunks that end where a message or a frame ends.

use crate::core::hl7::header::RawHeader;
use crate::core::mllp::{FS, VT};
use bytes::Bytes;
use memchr::{memmem, memrchr};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Room of chunks that nobody needs any more, for the next ones: new memory for each would have to be cleared, and
/// got from the system.
#[derive(Debug, Default)]
pub struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// Room for that many at most.
    const MOST: usize = 16;

    /// Takes the room of a chunk, where nothing else holds it and it is not larger than usual.
    pub fn put(&self, chunk: Chunk) {
        if let Ok(bytes) = chunk.bytes.try_into_mut() {
            let room = Vec::from(bytes);
            let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if room.capacity() <= 2 * SIZE && spares.len() < Self::MOST {
                spares.push(room);
            }
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spares.pop().unwrap_or_default()
    }
}

/// The chunks of one file.
pub struct Chunks<R> {
    source: R,
    size: usize,
    largest: usize,
    /// What was read behind the last chunk, and room for more.
    held: Vec<u8>,
    /// How much of that was read.
    filled: usize,
    spares: Arc<Spares>,
    framed: Option<bool>,
    over: bool,
}

impl<R: Read> Chunks<R> {
    /// Over an open file.
    pub fn new(source: R) -> Self {
        Self::sized(source, SIZE, LARGEST)
    }

    /// The same, in room of earlier chunks.
    pub fn reusing(source: R, spares: &Arc<Spares>) -> Self {
        Self {
            spares: Arc::clone(spares),
            ..Self::new(source)
        }
    }

    /// With other sizes; for tests.
    pub(super) fn sized(source: R, size: usize, largest: usize) -> Self {
        Self {
            source,
            size,
            largest,
            held: Vec::new(),
            filled: 0,
            spares: Arc::default(),
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
                let held = self.read();
                let end = if framed {
                    last_frame(held, looked_at)
                } else {
                    last_message(held, looked_at)
                };
                if let Some(end) = end {
                    return Ok(Some(self.cut(end)));
                }
                if self.filled >= self.largest {
                    return Ok(Some(self.cut(self.filled)));
                }
                // What was looked at has no beginning, but for one that its end may hold.
                looked_at = self.filled.saturating_sub(8);
                wanted = self.filled.saturating_mul(2).min(self.largest);
            }
        }
        if self.filled == 0 {
            return Ok(None);
        }
        Ok(Some(self.cut(self.filled)))
    }

    /// What was read behind the last chunk.
    fn read(&self) -> &[u8] {
        self.held.get(..self.filled).unwrap_or_default()
    }

    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.held.len() < wanted {
            self.held.resize(wanted, 0);
        }
        while self.filled < wanted && !self.over {
            let room = self.held.get_mut(self.filled..wanted).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => self.over = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the file begins with a frame, as far as it can be told.
    fn is_framed(&mut self) -> bool {
        if let Some(framed) = self.framed {
            return framed;
        }
        let first = self
            .read()
            .iter()
            .find(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0));
        self.framed = first.map(|byte| *byte == VT);
        self.framed.unwrap_or(false)
    }

    fn cut(&mut self, end: usize) -> Chunk {
        let mut next = self.spares.take();
        let rest = self.held.get(end..self.filled).unwrap_or_default();
        let room = rest.len().max(self.size);
        if next.len() < room {
            next.resize(room, 0);
        }
        if let Some(to) = next.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        self.filled = rest.len();
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
    fn room_of_earlier_chunks_is_used_again_and_holds_nothing_of_them() {
        let spares = Arc::new(Spares::default());
        let all: Vec<u8> = (0..400)
            .flat_map(|number| message(number, number % 90))
            .collect();
        let mut chunks = Chunks {
            spares: Arc::clone(&spares),
            ..Chunks::sized(&all[..], 300, 1 << 20)
        };
        let (mut found, mut rooms) = (Vec::new(), std::collections::BTreeSet::new());
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            found.extend_from_slice(&chunk.bytes);
            rooms.insert(chunk.bytes.as_ptr());
            spares.put(chunk);
        }
        assert_eq!(found, all);
        assert!(rooms.len() <= 4, "{} rooms", rooms.len());
        // What somebody still holds is not used again.
        let mut chunks = Chunks::reusing(&all[..], &spares);
        let chunk = chunks.next_chunk().unwrap().unwrap();
        let held = chunk.bytes.clone();
        let before = spares.0.lock().unwrap().len();
        spares.put(chunk);
        assert_eq!(spares.0.lock().unwrap().len(), before);
        assert_eq!(held, all);
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
