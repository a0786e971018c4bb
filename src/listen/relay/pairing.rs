//! Which answer belongs to which message, by MSA-2 and across the two directions (WIRE P-5, P-13).

use crate::core::fact::LisAck;
use std::collections::VecDeque;
use std::time::Instant;

/// Messages without an answer that are remembered for each direction; beyond that the oldest has none.
const OPEN: usize = 4_096;
/// Answers seen before their message: of a frame without `<CR>`, or where the copy has passed on what its
/// ring had no room for yet.
const EARLY: usize = 2_048;

/// A message that may be answered.
struct Open {
    control_id: Vec<u8>,
    number: u64,
    at: Instant,
    /// An answer must come, as far as we know.
    awaited: bool,
    /// A commit answer came; an application answer may follow.
    committed: bool,
}

/// An answer that found its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paired {
    /// The message's number.
    pub(super) number: u64,
    /// MSA-1.
    pub(super) code: LisAck,
    /// When the message was complete.
    pub(super) since: Instant,
}

/// The messages of one direction and the answers of the other.
#[derive(Default)]
pub(super) struct Pairing {
    open: VecDeque<Open>,
    early: VecDeque<(Vec<u8>, LisAck)>,
    awaited: usize,
    /// Messages that left without an answer.
    unanswered: u64,
    /// Answers that belong to no message.
    unexpected: u64,
}

impl Pairing {
    /// A message passed; its answer, where it was here before.
    pub(super) fn message(
        &mut self,
        control_id: &[u8],
        number: u64,
        awaited: bool,
        at: Instant,
    ) -> Option<Paired> {
        let early = self.early.iter().position(|(id, _)| id == control_id);
        if let Some((_, code)) = early.and_then(|place| self.early.remove(place)) {
            return Some(Paired {
                number,
                code,
                since: at,
            });
        }
        if self.open.len() >= OPEN
            && let Some(oldest) = self.open.pop_front()
        {
            self.leave(&oldest);
        }
        self.awaited += usize::from(awaited);
        self.open.push_back(Open {
            control_id: control_id.to_vec(),
            number,
            at,
            awaited,
            committed: false,
        });
        None
    }

    /// An answer passed: the message it belongs to, the oldest where several have that id.
    pub(super) fn answer(&mut self, control_id: &[u8], code: LisAck) -> Option<Paired> {
        let fits = |open: &Open| open.control_id == control_id;
        // A second commit answer is for a later message of the same id.
        let fresh = |open: &Open| fits(open) && !(open.committed && code.is_commit());
        let Some(place) = self.open.iter().position(fresh) else {
            if self.early.len() >= EARLY {
                self.early.pop_front();
                self.unexpected += 1;
            }
            self.early.push_back((control_id.to_vec(), code));
            return None;
        };
        let open = self.open.get_mut(place)?;
        let paired = Paired {
            number: open.number,
            code,
            since: open.at,
        };
        if std::mem::replace(&mut open.awaited, false) {
            self.awaited -= 1;
        }
        if code.is_commit() {
            open.committed = true;
        } else {
            self.open.remove(place);
        }
        Some(paired)
    }

    fn leave(&mut self, open: &Open) {
        self.awaited -= usize::from(open.awaited);
        self.unanswered += u64::from(!open.committed);
    }

    /// Messages whose answer is under way (P-9).
    pub(super) const fn under_way(&self) -> usize {
        self.awaited
    }

    /// The connection is over: nothing more will be answered.
    pub(super) fn end(&mut self) {
        for open in std::mem::take(&mut self.open) {
            self.leave(&open);
        }
        self.unexpected += self.early.len() as u64;
        self.early.clear();
    }

    /// Messages without an answer, and answers without a message, since the last call.
    pub(super) fn take_counts(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.unanswered),
            std::mem::take(&mut self.unexpected),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pairing: &mut Pairing, answers: &[(&[u8], LisAck)]) -> Vec<Option<u64>> {
        answers
            .iter()
            .map(|(id, code)| pairing.answer(id, *code).map(|paired| paired.number))
            .collect()
    }

    #[test]
    fn answers_find_their_messages_in_any_order() {
        let now = crate::clock::monotonic();
        let mut pairing = Pairing::default();
        for (number, id) in [(1, b"a"), (2, b"b"), (3, b"a")] {
            assert_eq!(pairing.message(id, number, true, now), None);
        }
        assert_eq!(pairing.under_way(), 3);
        let found = numbers(
            &mut pairing,
            &[
                (b"b", LisAck::Ae),
                (b"a", LisAck::Aa),
                (b"a", LisAck::Aa),
                (b"a", LisAck::Aa),
            ],
        );
        assert_eq!(found, [Some(2), Some(1), Some(3), None]);
        assert_eq!(pairing.under_way(), 0);
        pairing.end();
        assert_eq!(pairing.take_counts(), (0, 1));
    }

    #[test]
    fn a_commit_is_followed_by_an_application_answer() {
        let now = crate::clock::monotonic();
        let mut pairing = Pairing::default();
        pairing.message(b"a", 1, true, now);
        pairing.message(b"a", 2, true, now);
        let found = numbers(
            &mut pairing,
            &[
                (b"a", LisAck::Ca),
                (b"a", LisAck::Ca),
                (b"a", LisAck::Aa),
                (b"a", LisAck::Aa),
            ],
        );
        assert_eq!(found, [Some(1), Some(2), Some(1), Some(2)]);
        pairing.end();
        assert_eq!(pairing.take_counts(), (0, 0));
    }

    #[test]
    fn an_answer_before_its_message_waits_for_it() {
        let now = crate::clock::monotonic();
        let mut pairing = Pairing::default();
        assert_eq!(pairing.answer(b"a", LisAck::Aa), None);
        let paired = pairing.message(b"a", 7, true, now).expect("paired");
        assert_eq!((paired.number, paired.code), (7, LisAck::Aa));
        assert_eq!(pairing.under_way(), 0);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let now = crate::clock::monotonic();
        let mut pairing = Pairing::default();
        for number in 0..2 * OPEN as u64 {
            pairing.message(&number.to_le_bytes(), number, number % 2 == 0, now);
            pairing.answer(b"nobody's", LisAck::Other);
        }
        assert_eq!((pairing.open.len(), pairing.early.len()), (OPEN, EARLY));
        assert_eq!(pairing.under_way(), OPEN / 2);
        pairing.end();
        assert_eq!(pairing.take_counts(), (2 * OPEN as u64, 2 * OPEN as u64));
    }
}
