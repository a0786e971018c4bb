//! Searching: newest first, block by block, those that cannot hold anything passed over by their summary.

use super::block::{Bare, Summary, bare, entry, hash, looked_up};
use super::files::Section;
use super::row::{Entry, Outcome};
use super::{Held, Index};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use std::io;
use std::sync::Arc;

/// What is looked for; what is `None` is not asked.
#[derive(Clone, Default)]
pub struct Query {
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// From this listener.
    pub listener: Option<String>,
    /// `MSH-3/MSH-4`.
    pub feed: Option<String>,
    /// `ORU^R01`, or `ORU` for all of them.
    pub kind: Option<String>,
    /// MSH-10, whole.
    pub control_id: Option<String>,
    /// An identifier without its authority, whole.
    pub patient: Option<String>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Before this position: where the page before ended.
    pub before: Option<JournalPosition>,
}

/// A page of what was found.
pub struct Found {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` where there is nothing more.
    pub next: Option<JournalPosition>,
    /// How far the journal is indexed.
    pub through: JournalPosition,
    /// How many messages are indexed.
    pub indexed: usize,
}

/// Rows looked at for one page at most: then the page is short, and goes on.
const LOOK_AT: usize = 4_000_000;

impl Query {
    fn fits_names(&self, listener: &str, feed: &str, kind: &str) -> bool {
        let is =
            |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|one| one == found);
        let kind_fits = self.kind.as_deref().is_none_or(|asked| {
            asked == kind
                || kind
                    .strip_prefix(asked)
                    .is_some_and(|rest| rest.starts_with('^'))
        });
        is(&self.listener, listener) && is(&self.feed, feed) && kind_fits
    }

    fn fits_time(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn fits(&self, entry: &Entry) -> bool {
        let id =
            |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|one| one == found);
        self.fits_names(&entry.listener, &entry.feed, &entry.kind)
            && self.fits_time(entry.at)
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
            && id(&self.control_id, entry.control_id.expose())
            && self
                .patient
                .as_ref()
                .is_none_or(|asked| entry.patients.expose().contains(asked))
    }

    /// Whether a block may hold anything that fits.
    fn may_be_in(&self, block: &Summary, held: &Paged<'_>) -> bool {
        let outcome = self.outcome.is_none_or(|outcome| match outcome {
            // Told later: any message may be one.
            Outcome::Paged => held.any_in(block.first, block.last),
            other => block.outcomes.get(other as usize).is_some_and(|n| *n > 0),
        });
        let time = self.since.is_none_or(|since| block.until >= since)
            && self.until.is_none_or(|until| block.since < until);
        let names = block.feeds.iter().any(|(listener, feed)| {
            self.fits_names(listener, feed, self.kind.as_deref().unwrap_or(""))
        });
        let kinds = block.kinds.iter().any(|kind| {
            let any = Self {
                listener: None,
                feed: None,
                ..self.clone()
            };
            any.fits_names("", "", kind)
        });
        outcome && time && names && kinds && self.before.is_none_or(|before| block.first < before)
    }
}

/// Positions that pages rest on.
struct Paged<'h>(&'h std::collections::BTreeSet<u64>);

impl Paged<'_> {
    fn any_in(&self, first: JournalPosition, last: JournalPosition) -> bool {
        self.0.range(first.0..=last.0).next().is_some()
    }

    fn outcome(&self, position: JournalPosition, read: Outcome) -> Outcome {
        if self.0.contains(&position.0) {
            Outcome::Paged
        } else {
            read
        }
    }
}

impl Index {
    /// A page of what fits.
    ///
    /// # Errors
    /// A block cannot be read.
    pub fn search(&self, query: &Query, limit: usize) -> io::Result<Found> {
        let held = self.held();
        let paged = held.paged.clone();
        let paged = Paged(&paged);
        let mut found = Found {
            entries: Vec::new(),
            next: None,
            through: held.through,
            indexed: 0,
        };
        in_memory(&held, query, &paged, limit, &mut found);
        let blocks: Vec<Arc<Summary>> = held.blocks.clone();
        found.indexed =
            blocks.iter().map(|block| block.count).sum::<usize>() + held.filling.entries.len();
        drop(held);
        let mut looked_at = 0;
        for block in blocks.iter().rev() {
            if found.next.is_some() {
                break;
            }
            if !query.may_be_in(block, &paged) {
                continue;
            }
            if looked_at >= LOOK_AT {
                found.next = Some(block.last.next());
                break;
            }
            looked_at += self.in_block(block, query, &paged, limit, &mut found)?;
        }
        Ok(found)
    }

    /// Looks through one block; how many rows.
    fn in_block(
        &self,
        block: &Summary,
        query: &Query,
        paged: &Paged<'_>,
        limit: usize,
        found: &mut Found,
    ) -> io::Result<usize> {
        let files = &self.0.files;
        let look_up = |section, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let table = files.section(block.first, section)?;
            io::Result::Ok(Some(looked_up(&table, hash(text))))
        };
        let by_control = look_up(Section::Controls, &query.control_id)?;
        if by_control.as_ref().is_some_and(Vec::is_empty) {
            return Ok(0);
        }
        let by_patient = look_up(Section::Patients, &query.patient)?;
        let numbers: Vec<usize> = match (by_control, by_patient) {
            (Some(control), Some(patient)) => control
                .into_iter()
                .filter(|n| patient.contains(n))
                .collect(),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => (0..block.count).collect(),
        };
        if numbers.is_empty() {
            return Ok(0);
        }
        let rows = files.section(block.first, Section::Rows)?;
        let mut texts = None;
        for number in numbers.iter().rev() {
            let Some(bare) = bare(&rows, *number) else {
                continue;
            };
            if !fits_bare(query, block, &bare, paged) {
                continue;
            }
            if found.entries.len() >= limit {
                found.next = found.entries.last().map(|entry| entry.position);
                break;
            }
            let texts = match &texts {
                Some(texts) => texts,
                None => texts.insert(files.section(block.first, Section::Texts)?),
            };
            if let Some(mut one) = entry(block, &bare, texts) {
                one.outcome = paged.outcome(one.position, one.outcome);
                if query.fits(&one) {
                    found.entries.push(one);
                }
            }
        }
        Ok(numbers.len())
    }

    /// One message by its position.
    ///
    /// # Errors
    /// Its block cannot be read.
    pub fn entry(&self, position: JournalPosition) -> io::Result<Option<Entry>> {
        let held = self.held();
        let paged = held.paged.contains(&position.0);
        let told = |mut entry: Entry| {
            if paged {
                entry.outcome = Outcome::Paged;
            }
            entry
        };
        let filling = &held.filling.entries;
        if let Ok(index) = filling.binary_search_by_key(&position, |entry| entry.position) {
            return Ok(filling.get(index).cloned().map(told));
        }
        let index = held.blocks.partition_point(|block| block.last < position);
        let block = held.blocks.get(index).cloned();
        drop(held);
        let Some(block) = block.filter(|block| block.first <= position) else {
            return Ok(None);
        };
        let rows = self.0.files.section(block.first, Section::Rows)?;
        let (mut low, mut high) = (0, block.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            match bare(&rows, middle) {
                Some(row) if row.position < position => low = middle + 1,
                _ => high = middle,
            }
        }
        let Some(row) = bare(&rows, low).filter(|row| row.position == position) else {
            return Ok(None);
        };
        let texts = self.0.files.section(block.first, Section::Texts)?;
        Ok(entry(&block, &row, &texts).map(told))
    }
}

fn fits_bare(query: &Query, block: &Summary, bare: &Bare, paged: &Paged<'_>) -> bool {
    let Some((listener, feed)) = block.feeds.get(bare.feed) else {
        return false;
    };
    let kind = block.kinds.get(bare.kind).map_or("", String::as_str);
    let outcome = paged.outcome(bare.position, bare.outcome);
    query.before.is_none_or(|before| bare.position < before)
        && query.fits_time(bare.at)
        && query.outcome.is_none_or(|asked| asked == outcome)
        && query.fits_names(listener, feed, kind)
}

fn in_memory(held: &Held, query: &Query, paged: &Paged<'_>, limit: usize, found: &mut Found) {
    for entry in held.filling.entries.iter().rev() {
        if query.before.is_some_and(|before| entry.position >= before) {
            continue;
        }
        let mut one = entry.clone();
        one.outcome = paged.outcome(one.position, one.outcome);
        if !query.fits(&one) {
            continue;
        }
        if found.entries.len() >= limit {
            found.next = found.entries.last().map(|entry| entry.position);
            return;
        }
        found.entries.push(one);
    }
}
