//! What was received lately, by fingerprint (WIRE ): bounded in time and in number.

use crate::core::fact::JournalPosition;
use crate::core::time::{Span, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet, VecDeque};

/// How a message is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Hash of listener, MSH-3, MSH-4, MSH-10 and the content.
    pub content: u128,
    /// Hash of listener, MSH-3, MSH-4 and MSH-10; none without MSH-10 (section 12, ruling 13).
    pub control: Option<u64>,
}

impl Fingerprint {
    /// The fingerprint of a message with these raw fields. An absent or empty control id is none.
    pub fn of(
        listener: &str,
        sending_application: &[u8],
        sending_facility: &[u8],
        control_id: &[u8],
        content: &[u8],
    ) -> Self {
        let mut who = Sha256::new();
        for part in [
            listener.as_bytes(),
            sending_application,
            sending_facility,
            control_id,
        ] {
            // With lengths, so that shifting a byte from one field to the next is another feed.
            who.update((part.len() as u64).to_le_bytes());
            who.update(part);
        }
        let who = who.finalize();
        let mut all = Sha256::new();
        all.update(who);
        all.update(Sha256::digest(content));
        let all = all.finalize();
        let head = |bytes: &[u8]| -> u128 {
            let first = bytes.iter().take(16);
            first.fold(0, |sum, byte| sum << 8 | u128::from(*byte))
        };
        Self {
            content: head(&all),
            control: (!control_id.is_empty()).then_some((head(&who) >> 64) as u64),
        }
    }
}

/// What is known of a message before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    pub duplicate_of: Option<JournalPosition>,
    pub control_id_reused: bool,
}

struct Entry {
    position: JournalPosition,
    at: Timestamp,
    control: Option<u64>,
}

/// The index over synced messages; the oldest leave first.
pub(crate) struct Index {
    keep: Span,
    bound: usize,
    entries: HashMap<u128, Entry>,
    order: VecDeque<(u128, JournalPosition)>,
    /// How many entries have this control id.
    controls: HashMap<u64, u32>,
}

impl Index {
    pub fn new(days: u32, bound: usize) -> Self {
        Self {
            keep: Span::days(i64::from(days)),
            bound,
            entries: HashMap::new(),
            order: VecDeque::new(),
            controls: HashMap::new(),
        }
    }

    fn expired(&self, entry: &Entry, now: Timestamp) -> bool {
        now.since(entry.at) > self.keep
    }

    fn look_up(&self, fingerprint: &Fingerprint, now: Timestamp) -> Verdict {
        let known = self.entries.get(&fingerprint.content);
        let duplicate_of = known
            .filter(|entry| !self.expired(entry, now))
            .map(|entry| entry.position);
        let control = fingerprint.control;
        Verdict {
            duplicate_of,
            control_id_reused: duplicate_of.is_none()
                && control.is_some_and(|control| self.controls.contains_key(&control)),
        }
    }

    /// Takes in a synced message received at `at`.
    pub fn insert(&mut self, fingerprint: &Fingerprint, at: Timestamp, position: JournalPosition) {
        let control = fingerprint.control;
        let entry = Entry {
            position,
            at,
            control,
        };
        if let Some(control) = control {
            *self.controls.entry(control).or_insert(0) += 1;
        }
        if let Some(old) = self.entries.insert(fingerprint.content, entry) {
            self.release(old.control);
        }
        self.order.push_back((fingerprint.content, position));
        self.drop_old(at);
    }

    fn drop_old(&mut self, now: Timestamp) {
        while let Some((content, position)) = self.order.front().copied() {
            // An entry written anew has its own, later place in the order.
            let entry = self.entries.get(&content);
            let entry = entry.filter(|entry| entry.position == position);
            let keep = entry.is_some_and(|entry| !self.expired(entry, now))
                && self.entries.len() <= self.bound;
            if keep {
                break;
            }
            self.order.pop_front();
            let control = entry.map(|entry| entry.control);
            if let Some(control) = control {
                self.entries.remove(&content);
                self.release(control);
            }
        }
    }

    fn release(&mut self, control: Option<u64>) {
        let Some(control) = control else { return };
        if let Some(count) = self.controls.get_mut(&control) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.controls.remove(&control);
            }
        }
    }
}

/// The index as it will be once what is being written now is synced.
pub(crate) struct Preview<'a> {
    index: &'a Index,
    contents: HashMap<u128, JournalPosition>,
    controls: HashSet<u64>,
}

impl<'a> Preview<'a> {
    pub fn new(index: &'a Index) -> Self {
        Self {
            index,
            contents: HashMap::new(),
            controls: HashSet::new(),
        }
    }

    /// What is known of a message received at `now`.
    pub fn look_up(&self, fingerprint: &Fingerprint, now: Timestamp) -> Verdict {
        if let Some(first) = self.contents.get(&fingerprint.content) {
            return Verdict {
                duplicate_of: Some(*first),
                control_id_reused: false,
            };
        }
        let mut verdict = self.index.look_up(fingerprint, now);
        let control = fingerprint.control;
        verdict.control_id_reused |= verdict.duplicate_of.is_none()
            && control.is_some_and(|control| self.controls.contains(&control));
        verdict
    }

    /// Notes a message that gets this position.
    pub fn note(&mut self, fingerprint: &Fingerprint, position: JournalPosition) {
        self.contents.insert(fingerprint.content, position);
        self.controls.extend(fingerprint.control);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(content: u128, control: u64) -> Fingerprint {
        Fingerprint {
            content,
            control: Some(control),
        }
    }

    fn day(n: i64) -> Timestamp {
        Timestamp::from_micros(0).plus(Span::days(n))
    }

    #[test]
    fn knows_for_thirty_days_and_counts_control_ids() {
        let mut index = Index::new(30, 100);
        index.insert(&print(1, 7), day(0), JournalPosition(1));
        let same = index.look_up(&print(1, 7), day(30));
        assert_eq!(same.duplicate_of, Some(JournalPosition(1)));
        assert!(!same.control_id_reused);
        assert!(index.look_up(&print(2, 7), day(1)).control_id_reused);
        assert_eq!(index.look_up(&print(1, 7), day(31)).duplicate_of, None);

        index.insert(&print(1, 7), day(31), JournalPosition(2));
        let again = index.look_up(&print(1, 7), day(32));
        assert_eq!(again.duplicate_of, Some(JournalPosition(2)));
        index.insert(&print(9, 9), day(62), JournalPosition(3));
        assert!(!index.look_up(&print(2, 7), day(62)).control_id_reused);
        assert_eq!((index.entries.len(), index.order.len()), (1, 1));
    }

    #[test]
    fn the_oldest_leave_first_beyond_the_bound() {
        let mut index = Index::new(30, 2);
        for n in 1..=3 {
            index.insert(&print(u128::from(n), n), day(0), JournalPosition(n));
        }
        assert_eq!(index.look_up(&print(1, 1), day(0)), Verdict::default());
        assert!(index.look_up(&print(2, 2), day(0)).duplicate_of.is_some());
        assert_eq!(index.controls.len(), 2);
    }

    #[test]
    fn a_preview_sees_what_is_being_written() {
        let index = Index::new(30, 2);
        let mut preview = Preview::new(&index);
        preview.note(&print(1, 7), JournalPosition(5));
        let same = preview.look_up(&print(1, 7), day(0));
        assert_eq!(same.duplicate_of, Some(JournalPosition(5)));
        assert!(preview.look_up(&print(2, 7), day(0)).control_id_reused);
    }

    #[test]
    fn a_fingerprint_depends_on_every_part() {
        let base = Fingerprint::of("a", b"LAB", b"H", b"42", b"MSH");
        assert_eq!(base, Fingerprint::of("a", b"LAB", b"H", b"42", b"MSH"));
        for other in [
            Fingerprint::of("b", b"LAB", b"H", b"42", b"MSH"),
            Fingerprint::of("a", b"LABH", b"", b"42", b"MSH"),
            Fingerprint::of("a", b"LAB", b"H", b"43", b"MSH"),
        ] {
            assert_ne!(base.content, other.content);
            assert_ne!(base.control, other.control);
        }
        let content = Fingerprint::of("a", b"LAB", b"H", b"42", b"MSX");
        assert_ne!(base.content, content.content);
        assert_eq!(base.control, content.control);
        assert_eq!(Fingerprint::of("a", b"LAB", b"H", b"", b"M").control, None);
    }
}
