//! What was received lately, by fingerprint (WIRE ): bounded in time and in number.

use crate::core::fact::JournalPosition;
use crate::core::hl7::envelope::RawMessage;
use crate::core::time::{Span, Timestamp};
use hashbrown::HashTable;
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
    /// Of a message as its listener takes it.
    pub fn of_message(listener: &str, message: &RawMessage<'_>) -> Self {
        let header = &message.header;
        Self::of(
            listener,
            header.field(3),
            header.field(4),
            message.control_id(),
            message.raw,
        )
    }

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

/// A message in the index. A laboratory's month can be a million of them, so it takes 36 bytes.
#[derive(Clone, Copy)]
struct Entry {
    content: [u8; 16],
    /// Zero where there is none.
    control: [u8; 8],
    position: [u8; 8],
    /// Whole seconds since 1970.
    at: [u8; 4],
}

impl Entry {
    fn new(fingerprint: &Fingerprint, at: Timestamp, position: JournalPosition) -> Self {
        let seconds = at.as_micros().div_euclid(1_000_000).max(0);
        Self {
            content: fingerprint.content.to_le_bytes(),
            control: fingerprint.control.unwrap_or_default().to_le_bytes(),
            position: position.0.to_le_bytes(),
            at: u32::try_from(seconds).unwrap_or(u32::MAX).to_le_bytes(),
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_micros(i64::from(u32::from_le_bytes(self.at)) * 1_000_000)
    }

    /// Where it is in the table of contents: they are hashes already.
    fn content_hash(&self) -> u64 {
        u128::from_le_bytes(self.content) as u64
    }

    fn control_hash(&self) -> u64 {
        u64::from_le_bytes(self.control)
    }
}

/// The entries in the order in which they came, numbered on and on.
struct Order {
    entries: VecDeque<Entry>,
    /// The number of the first one.
    first: u32,
}

impl Order {
    fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number.wrapping_sub(self.first) as usize)
    }

    fn is(&self, number: u32, wanted: impl Fn(&Entry) -> bool) -> bool {
        self.get(number).is_some_and(wanted)
    }

    fn push(&mut self, entry: Entry) -> u32 {
        self.entries.push_back(entry);
        self.first.wrapping_add(self.entries.len() as u32 - 1)
    }
}

/// The index over synced messages; the oldest leave first.
pub(crate) struct Index {
    keep: Span,
    bound: usize,
    order: Order,
    /// Of all entries with the same content, the number of the newest.
    contents: HashTable<u32>,
    /// Of all entries with the same control id, the number of the newest: it leaves last.
    controls: HashTable<u32>,
}

impl Index {
    pub fn new(days: u32, bound: usize) -> Self {
        Self {
            keep: Span::days(i64::from(days)),
            bound,
            order: Order {
                entries: VecDeque::new(),
                first: 0,
            },
            contents: HashTable::new(),
            controls: HashTable::new(),
        }
    }

    fn expired(&self, entry: &Entry, now: Timestamp) -> bool {
        now.since(entry.at()) > self.keep
    }

    fn look_up(&self, fingerprint: &Fingerprint, now: Timestamp) -> Verdict {
        let order = &self.order;
        let asked = Entry::new(fingerprint, now, JournalPosition::START);
        let known = self.contents.find(asked.content_hash(), |number| {
            order.is(*number, |entry| entry.content == asked.content)
        });
        let duplicate_of = known
            .and_then(|number| order.get(*number))
            .filter(|entry| !self.expired(entry, now))
            .map(|entry| JournalPosition(u64::from_le_bytes(entry.position)));
        let same_control = || {
            self.controls.find(asked.control_hash(), |number| {
                order.is(*number, |entry| entry.control == asked.control)
            })
        };
        Verdict {
            duplicate_of,
            control_id_reused: duplicate_of.is_none()
                && fingerprint.control.is_some()
                && same_control().is_some(),
        }
    }

    /// Takes in a synced message received at `at`.
    pub fn insert(&mut self, fingerprint: &Fingerprint, at: Timestamp, position: JournalPosition) {
        let entry = Entry::new(fingerprint, at, position);
        let number = self.order.push(entry);
        let order = &self.order;
        let hash_of =
            |hash: fn(&Entry) -> u64| move |number: &u32| order.get(*number).map_or(0, hash);
        let same = |number: &u32| order.is(*number, |one| one.content == entry.content);
        match self.contents.find_mut(entry.content_hash(), same) {
            Some(newest) => *newest = number,
            None => {
                let rehash = hash_of(Entry::content_hash);
                self.contents
                    .insert_unique(entry.content_hash(), number, rehash);
            }
        }
        if fingerprint.control.is_some() {
            let same = |number: &u32| order.is(*number, |one| one.control == entry.control);
            match self.controls.find_mut(entry.control_hash(), same) {
                Some(newest) => *newest = number,
                None => {
                    let rehash = hash_of(Entry::control_hash);
                    self.controls
                        .insert_unique(entry.control_hash(), number, rehash);
                }
            }
        }
        self.drop_old(at);
    }

    fn drop_old(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.entries.front().copied() {
            if !self.expired(&oldest, now) && self.order.entries.len() <= self.bound {
                break;
            }
            let number = self.order.first;
            // A later one of the same content or control id has taken its place.
            let this = |newest: &u32| *newest == number;
            if let Ok(found) = self.contents.find_entry(oldest.content_hash(), this) {
                found.remove();
            }
            if let Ok(found) = self.controls.find_entry(oldest.control_hash(), this) {
                found.remove();
            }
            self.order.entries.pop_front();
            self.order.first = number.wrapping_add(1);
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
        let sizes = (index.order.entries.len(), index.contents.len());
        assert_eq!(sizes, (1, 1));
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

    /// Against a plain list of what was put in, over many lives of every entry.
    #[test]
    fn an_index_is_a_list_of_what_came_last() {
        const BOUND: usize = 50;
        let mut index = Index::new(30, BOUND);
        // Numbers go round.
        index.order.first = u32::MAX - 70;
        let mut list: VecDeque<(u128, Option<u64>, u64)> = VecDeque::new();
        let mut random = 7_u64;
        for position in 1..5_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let content = u128::from(random >> 33) % 90;
            let has_control = !(random >> 20).is_multiple_of(3);
            let control = has_control.then_some(1 + (random >> 40) % 70);
            let asked = Fingerprint { content, control };
            let last = list.iter().rev().find(|(known, _, _)| *known == content);
            let expected = Verdict {
                duplicate_of: last.map(|(_, _, at)| JournalPosition(*at)),
                control_id_reused: last.is_none()
                    && control.is_some()
                    && list.iter().any(|(_, known, _)| *known == control),
            };
            assert_eq!(index.look_up(&asked, day(0)), expected, "{position}");
            index.insert(&asked, day(0), JournalPosition(position));
            list.push_back((content, control, position));
            if list.len() > BOUND {
                list.pop_front();
            }
        }
        assert!(index.contents.len() <= BOUND && index.controls.len() <= BOUND);
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
