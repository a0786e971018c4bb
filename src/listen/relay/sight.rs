//! What the tap makes of the bytes of one direction: MLLP frames, or traffic that is not ours to read
//! (WIRE P-5, P-14).

use crate::core::mllp::{Decoder, Event, FrameCounts, Limits, Phase, VT};

/// Bytes given to the decoder at once: a run of junk that ends the sight of frames is looked through
/// again from the beginning of its piece, so that no message in it is missed.
const PIECE: usize = 4 << 10;
/// By what a message begins in traffic that was not framed before.
const BEGIN: [u8; 4] = [VT, b'M', b'S', b'H'];

/// One direction.
pub(super) struct Sight {
    limits: Limits,
    view: View,
    /// Bytes of this direction that passed unread.
    opaque: u64,
    counts: FrameCounts,
}

enum View {
    /// Nothing was seen yet; true after a first byte 16.
    First(bool),
    /// Frames and what is between them.
    Framed(Box<Decoder>),
    /// Not MLLP, or after a loss: so many bytes of [`BEGIN`] were seen last; whether it counts as opaque.
    Unread { begun: u8, opaque: bool },
}

impl Sight {
    /// A direction at its beginning.
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            view: View::First(false),
            opaque: 0,
            counts: NO_COUNTS,
        }
    }

    /// Takes bytes in order; appends what they completed.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            match &mut self.view {
                View::First(after_16) => match (*after_16, *first) {
                    // ASTM E1381 speaks in EOT, ENQ, ACK and NAK; TLS begins with 16 03.
                    (false, 0x04 | 0x05 | 0x06 | 0x15) => self.view = View::opaque(),
                    (false, 0x16) => {
                        self.view = View::First(true);
                        rest = rest.get(1..).unwrap_or_default();
                    }
                    (true, 0x03) => {
                        self.opaque += 1;
                        self.view = View::opaque();
                    }
                    (seen, _) => {
                        let mut decoder = Decoder::new(self.limits);
                        if seen {
                            decoder.push(&[0x16], out);
                        }
                        self.view = View::Framed(Box::new(decoder));
                    }
                },
                View::Framed(decoder) => {
                    let (piece, after) = rest.split_at(rest.len().min(PIECE));
                    decoder.push(piece, out);
                    let closed = matches!(out.last(), Some(Event::JunkLimit | Event::DiscardLimit));
                    if closed {
                        out.pop();
                        self.take_from_decoder();
                        self.view = View::opaque();
                    } else {
                        rest = after;
                    }
                }
                View::Unread { .. } => rest = self.look_for_message(rest, out),
            }
        }
    }

    /// Passes over bytes up to a `<VT>MSH`, where frames are read again.
    fn look_for_message<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<Event>) -> &'a [u8] {
        let View::Unread { begun, opaque } = &mut self.view else {
            return bytes;
        };
        let mut at = 0;
        let begun_before = u64::from(*begun);
        while at < bytes.len() {
            if *begun == 0 {
                let Some(next) = memchr::memchr(VT, bytes.get(at..).unwrap_or_default()) else {
                    at = bytes.len();
                    break;
                };
                at += next;
            }
            let fits = bytes.get(at) == BEGIN.get(usize::from(*begun));
            if fits {
                *begun += 1;
                at += 1;
            } else {
                // `<VT>` is only at the beginning of `BEGIN`: this byte may be one.
                *begun = 0;
            }
            if usize::from(*begun) == BEGIN.len() {
                if *opaque {
                    self.opaque += at as u64 + begun_before - BEGIN.len() as u64;
                }
                let mut decoder = Decoder::new(self.limits);
                decoder.push(&BEGIN, out);
                self.view = View::Framed(Box::new(decoder));
                return bytes.get(at..).unwrap_or_default();
            }
        }
        // What may be the begin of a message is counted when it is known not to be.
        if *opaque {
            self.opaque += at as u64 + begun_before - u64::from(*begun);
        }
        &[]
    }

    /// Bytes were lost here: what was in assembly is broken off, and nothing is believed until the next
    /// message begins. True if a frame was broken by it.
    pub(super) fn lose(&mut self, out: &mut Vec<Event>) -> bool {
        let mut broken = false;
        if let View::Framed(decoder) = &mut self.view {
            broken = decoder.phase() != Phase::Idle;
            decoder.give_up(out);
            self.take_from_decoder();
        }
        let opaque = matches!(self.view, View::Unread { opaque: true, .. });
        self.view = View::Unread { begun: 0, opaque };
        broken
    }

    /// The frame machine failed: a new one begins with the next message.
    pub(super) fn reset(&mut self) {
        self.view = View::Unread {
            begun: 0,
            opaque: false,
        };
    }

    /// `end_grace` is over (F-18).
    pub(super) fn end_grace_over(&mut self, out: &mut Vec<Event>) {
        if let View::Framed(decoder) = &mut self.view {
            decoder.end_grace_over(out);
        }
    }

    /// The stream is over.
    pub(super) fn finish(&mut self, out: &mut Vec<Event>) {
        if let View::Framed(decoder) = &mut self.view {
            decoder.finish(out);
        }
    }

    /// Where frames stand; traffic that is not read is always between them.
    pub(super) fn phase(&self) -> Phase {
        match &self.view {
            View::Framed(decoder) => decoder.phase(),
            View::First(_) | View::Unread { .. } => Phase::Idle,
        }
    }

    /// Bytes of memory of the frame in assembly.
    pub(super) fn held(&self) -> usize {
        match &self.view {
            View::Framed(decoder) => decoder.held(),
            View::First(_) | View::Unread { .. } => 0,
        }
    }

    /// Counts since the last call: of the frame machine, and opaque bytes.
    pub(super) fn take_counts(&mut self) -> (FrameCounts, u64) {
        self.take_from_decoder();
        (
            std::mem::replace(&mut self.counts, NO_COUNTS),
            std::mem::take(&mut self.opaque),
        )
    }

    fn take_from_decoder(&mut self) {
        if let View::Framed(decoder) = &mut self.view {
            let mut counts = decoder.take_counts();
            // A relay closes nothing for junk (P-5).
            counts.junk_closed = 0;
            self.counts.add(&counts);
        }
    }
}

const NO_COUNTS: FrameCounts = FrameCounts::NONE;

impl View {
    const fn opaque() -> Self {
        Self::Unread {
            begun: 0,
            opaque: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sight() -> Sight {
        Sight::new(Limits {
            max_junk: 64 << 10,
            commits: true,
            ..Limits::default()
        })
    }

    fn seen(bytes: &[u8], piece: usize) -> (Vec<Event>, FrameCounts, u64) {
        let mut sight = sight();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            sight.push(piece, &mut out);
        }
        let (counts, opaque) = sight.take_counts();
        (out, counts, opaque)
    }

    fn frame(content: &str) -> Event {
        Event::Frame(content.to_owned().into())
    }

    #[test]
    fn astm_and_tls_are_opaque_at_once_and_a_message_is_seen_after_them() {
        for begin in [&b"\x05"[..], b"\x06", b"\x15", b"\x04", b"\x16\x03\x01"] {
            let mut bytes = begin.to_vec();
            bytes.extend_from_slice(b"\x021H|\\^&\r\x03A0\r\n\x0bMS\x0b\x0bMSH|^~\\&|A\x1c\r\x05");
            for piece in [1, 3, 1_000] {
                let (events, counts, opaque) = seen(&bytes, piece);
                assert_eq!(events, [frame("MSH|^~\\&|A")], "{begin:?} {piece}");
                let begins = bytes.windows(4).position(|four| four == BEGIN);
                assert_eq!(begins, Some(opaque as usize));
                assert_eq!(counts.junk_bytes, 1, "the ENQ at the end is between frames");
            }
        }
    }

    #[test]
    fn a_first_byte_16_alone_is_junk() {
        let (events, counts, opaque) = seen(b"\x16A\x0bMSH|^~\\&|A\x1c\r", 1);
        assert_eq!(events, [frame("MSH|^~\\&|A")]);
        assert_eq!((counts.junk_bytes, opaque), (2, 0));
    }

    #[test]
    fn long_junk_becomes_opaque_and_no_message_in_it_is_missed() {
        let mut bytes = vec![b'x'; (64 << 10) + 2];
        bytes.extend_from_slice(b"\x0bMSH|^~\\&|A\x1c\r");
        bytes.extend_from_slice(b"\x0b\x06\x1c\r");
        for piece in [7, 5_000, 100_000] {
            let (events, counts, opaque) = seen(&bytes, piece);
            assert_eq!(
                events,
                [frame("MSH|^~\\&|A"), Event::Commit(true)],
                "{piece}"
            );
            assert!(counts.junk_bytes > 64 << 10 && counts.junk_closed == 0);
            assert!(opaque > 0);
        }
    }

    #[test]
    fn after_a_loss_reading_begins_with_the_next_message() {
        let mut sight = sight();
        let mut out = Vec::new();
        sight.push(b"\x0bMSH|^~\\&|A|half", &mut out);
        assert!(sight.lose(&mut out));
        sight.push(b"of another\x1c\rjunk\x0bMSH|^~\\&|B\x1c\r", &mut out);
        assert_eq!(
            out,
            [
                Event::Truncated("MSH|^~\\&|A|half".into()),
                frame("MSH|^~\\&|B")
            ]
        );
        assert!(!sight.lose(&mut out));
        let (counts, opaque) = sight.take_counts();
        assert_eq!((counts.junk_bytes, opaque), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_outcome_does_not_depend_on_the_pieces(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"\x0bMSH|^~\\&|A\x1c\r".to_vec()),
                    Just(b"\x05".to_vec()),
                    Just(b"\x16\x03".to_vec()),
                    Just(b"\x0bM".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..40),
                ],
                0..8,
            ),
            piece in 1..9_usize,
        ) {
            let bytes = parts.concat();
            prop_assert_eq!(seen(&bytes, piece), seen(&bytes, usize::MAX));
        }
    }
}
