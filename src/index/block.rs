//! A block in memory and as bytes.
//!
//! Little-endian. Sections: names (postcard), rows of [`ROW`] bytes, control ids and patients as sorted tables
//! of [`HIT`] bytes (hash, row), texts. How the sections stand in a file: `files`.

use super::row::{Entry, Outcome};
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a row: position, time, place of its texts, feed, type, outcome.
const ROW: usize = 8 + 8 + 4 + 2 + 2 + 1;
/// Bytes of an entry of a sorted table.
const HIT: usize = 4 + 2;

/// A block that is not full yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Filling {
    pub(super) entries: Vec<Entry>,
    pub(super) through: JournalPosition,
}

/// What of a block stays in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) count: usize,
    pub(super) first: JournalPosition,
    pub(super) last: JournalPosition,
    /// Everything up to here is in this block or in one before it.
    pub(super) through: JournalPosition,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// Listener and feed, by number.
    pub(super) feeds: Vec<(String, String)>,
    /// Types, by number.
    pub(super) kinds: Vec<String>,
    /// How many messages of each outcome, by [`Outcome`] as a number.
    pub(super) outcomes: [u32; 5],
}

/// The sections of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) rows: Vec<u8>,
    pub(super) controls: Vec<u8>,
    pub(super) patients: Vec<u8>,
    pub(super) texts: Vec<u8>,
}

/// By what an identifier is looked up.
pub(super) fn hash(text: &str) -> u32 {
    crc32c::crc32c(text.as_bytes())
}

/// The whole block as it goes into a file; `None` where there is nothing in it.
pub(super) fn build(filling: &Filling) -> Option<(Summary, Sections)> {
    let entries = &filling.entries;
    let (first, last) = (entries.first()?, entries.last()?);
    let mut feeds: BTreeMap<(String, String), u16> = BTreeMap::new();
    let mut kinds: BTreeMap<String, u16> = BTreeMap::new();
    let mut outcomes = [0_u32; 5];
    let mut controls: Vec<(u32, u16)> = Vec::new();
    let mut patients: Vec<(u32, u16)> = Vec::new();
    let mut rows = Vec::with_capacity(entries.len().saturating_mul(ROW));
    let mut texts = Vec::new();
    for (entry, number) in entries.iter().zip(0_u16..) {
        let name = (entry.listener.clone(), entry.feed.clone());
        let feed = numbered(&mut feeds, name);
        let kind = numbered(&mut kinds, entry.kind.clone());
        if let Some(count) = outcomes.get_mut(entry.outcome as usize) {
            *count = count.saturating_add(1);
        }
        if !entry.control_id.expose().is_empty() {
            controls.push((hash(entry.control_id.expose()), number));
        }
        let ids = entry.patients.expose();
        patients.extend(ids.iter().map(|id| (hash(id), number)));
        rows.extend_from_slice(&entry.position.0.to_le_bytes());
        rows.extend_from_slice(&entry.at.as_micros().to_le_bytes());
        let place = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        rows.extend_from_slice(&place.to_le_bytes());
        rows.extend_from_slice(&feed.to_le_bytes());
        rows.extend_from_slice(&kind.to_le_bytes());
        rows.push(entry.outcome as u8);
        text(&mut texts, entry.control_id.expose());
        texts.push(u8::try_from(ids.len()).unwrap_or(u8::MAX));
        ids.iter().for_each(|id| text(&mut texts, id));
    }
    let summary = Summary {
        count: entries.len(),
        first: first.position,
        last: last.position,
        through: filling.through.max(last.position),
        since: entries.iter().map(|entry| entry.at).min()?,
        until: entries.iter().map(|entry| entry.at).max()?,
        feeds: by_number(feeds),
        kinds: by_number(kinds),
        outcomes,
    };
    let sections = Sections {
        rows,
        controls: table(controls),
        patients: table(patients),
        texts,
    };
    Some((summary, sections))
}

fn numbered<K: Ord>(names: &mut BTreeMap<K, u16>, name: K) -> u16 {
    let next = u16::try_from(names.len()).unwrap_or(u16::MAX);
    *names.entry(name).or_insert(next)
}

fn by_number<K>(names: BTreeMap<K, u16>) -> Vec<K> {
    let mut names: Vec<(K, u16)> = names.into_iter().collect();
    names.sort_by_key(|(_, number)| *number);
    names.into_iter().map(|(name, _)| name).collect()
}

/// A length of one byte (texts are cut to fewer than 256 bytes) and the text.
fn text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push(u8::try_from(end).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
}

fn table(mut hits: Vec<(u32, u16)>) -> Vec<u8> {
    hits.sort_unstable();
    hits.dedup();
    let mut out = Vec::with_capacity(hits.len().saturating_mul(HIT));
    for (hash, row) in hits {
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&row.to_le_bytes());
    }
    out
}

/// Rows of a sorted table under a hash, in order.
pub(super) fn looked_up(table: &[u8], hash: u32) -> Vec<usize> {
    let count = table.len() / HIT;
    let at = |index: usize| {
        let hit = table.get(index * HIT..index * HIT + HIT)?;
        let (hash, row) = hit.split_first_chunk::<4>()?;
        let row = row.first_chunk::<2>()?;
        Some((u32::from_le_bytes(*hash), u16::from_le_bytes(*row)))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        if at(middle).is_some_and(|(found, _)| found < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low..count)
        .map_while(at)
        .take_while(|(found, _)| *found == hash)
        .map(|(_, row)| usize::from(row))
        .collect()
}

/// What a row says without its texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bare {
    pub(super) position: JournalPosition,
    pub(super) at: Timestamp,
    text: usize,
    pub(super) feed: usize,
    pub(super) kind: usize,
    pub(super) outcome: Outcome,
}

/// A row of the rows' section.
pub(super) fn bare(rows: &[u8], number: usize) -> Option<Bare> {
    let row = rows.get(number.checked_mul(ROW)?..)?.get(..ROW)?;
    let (position, row) = row.split_first_chunk::<8>()?;
    let (at, row) = row.split_first_chunk::<8>()?;
    let (text, row) = row.split_first_chunk::<4>()?;
    let (feed, row) = row.split_first_chunk::<2>()?;
    let (kind, row) = row.split_first_chunk::<2>()?;
    Some(Bare {
        position: JournalPosition(u64::from_le_bytes(*position)),
        at: Timestamp::from_micros(i64::from_le_bytes(*at)),
        text: usize::try_from(u32::from_le_bytes(*text)).ok()?,
        feed: usize::from(u16::from_le_bytes(*feed)),
        kind: usize::from(u16::from_le_bytes(*kind)),
        outcome: Outcome::from_byte(*row.first()?)?,
    })
}

/// The whole entry of a row.
pub(super) fn entry(summary: &Summary, bare: &Bare, texts: &[u8]) -> Option<Entry> {
    let mut rest = texts.get(bare.text..)?;
    let mut next = || {
        let (length, tail) = rest.split_first()?;
        let (text, tail) = tail.split_at_checked(usize::from(*length))?;
        rest = tail;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let control_id = next()?;
    let (count, tail) = rest.split_first()?;
    rest = tail;
    let mut patients = Vec::new();
    for _ in 0..*count {
        let (length, tail) = rest.split_first()?;
        let (text, tail) = tail.split_at_checked(usize::from(*length))?;
        rest = tail;
        patients.push(String::from_utf8_lossy(text).into_owned());
    }
    let (listener, feed) = summary.feeds.get(bare.feed)?.clone();
    Some(Entry {
        position: bare.position,
        at: bare.at,
        listener,
        feed,
        kind: summary.kinds.get(bare.kind)?.clone(),
        control_id: Phi::new(control_id),
        patients: Phi::new(patients),
        outcome: bare.outcome,
    })
}
