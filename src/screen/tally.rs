//! Numbers about messages, the same in whatever order they are read.

use crate::core::extract::{Coding, Extraction, Place, Refusal, remedy};
use crate::core::fact::Reason;
use crate::core::mllp::FrameCounts;
use crate::core::time::Timestamp;
use std::collections::BTreeMap;

/// Feeds that are told apart; what comes after is counted together.
const FEEDS: usize = 1_000;
/// Codes that are told apart for each reason and feed.
const CODES: usize = 200;
/// The name of feeds beyond these, and of what names none.
const OTHERS: &str = "others";

/// What was read, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes, as they are when nothing is compressed.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
    /// Messages with results of any kind.
    pub with_results: u64,
    /// Messages with an immunoglobulin of ours.
    pub with_ours: u64,
    /// Messages with IgM.
    pub with_igm: u64,
    /// Messages that had to be read, rather than glanced at.
    pub read: u64,
    /// Merges, moves and links.
    pub identity_events: u64,
    /// By `MSH-3/MSH-4`.
    pub feeds: BTreeMap<String, Feed>,
    /// What was not understood, by reason and feed.
    pub refusals: BTreeMap<(Reason, String), Refused>,
    /// Messages of another processing id than the listener's, which were not read: by feed and MSH-11.
    pub not_production: BTreeMap<(String, String), u64>,
    /// Leniencies of the frames.
    pub frames: FrameCounts,
}

/// One sending system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// Messages.
    pub messages: u64,
    /// Of these with an immunoglobulin of ours.
    pub with_ours: u64,
    /// The first and last time that one was sent, as far as they say.
    pub sent: Option<(Timestamp, Timestamp)>,
    /// Leniencies, by their name in `pentamer_wire_*`.
    pub quirks: BTreeMap<&'static str, u64>,
}

/// What was not understood for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How often.
    pub count: u64,
    /// One place where it was.
    pub place: Option<Place>,
    /// What would mend it.
    pub remedy: String,
    /// How such results call themselves, where a row for their code might mend it, and how often.
    pub called: BTreeMap<(Vec<Coding>, String), u64>,
}

impl Tally {
    /// The entry of a feed.
    pub fn feed(&mut self, name: &str) -> &mut Feed {
        let known = !name.is_empty() && (self.feeds.len() < FEEDS || self.feeds.contains_key(name));
        let name = if known { name } else { OTHERS };
        if !self.feeds.contains_key(name) {
            self.feeds.insert(name.to_owned(), Feed::default());
        }
        self.feeds.entry(name.to_owned()).or_default()
    }

    /// What of a message was not understood.
    pub fn note(&mut self, extraction: &Extraction) {
        let feed = &extraction.feed;
        for refusal in &extraction.refusals {
            self.refuse(feed, refusal);
        }
        for called in &extraction.called {
            let key = (called.reason, feed.clone());
            if let Some(refused) = self.refusals.get_mut(&key) {
                // The unit tells kinds apart only where it is the reason.
                let unit = match called.reason {
                    Reason::UnknownUnit => called.unit.clone(),
                    _ => String::new(),
                };
                refused.call(called.codings.clone(), unit, 1);
            }
        }
        if let Some(processing) = &extraction.processing {
            let key = (feed.clone(), processing.clone());
            *self.not_production.entry(key).or_default() += 1;
        }
    }

    /// One refusal of what a message says.
    fn refuse(&mut self, feed: &str, refusal: &Refusal) {
        self.add_refused(
            (refusal.reason, feed.to_owned()),
            Refused {
                count: 1,
                place: Some(refusal.place.clone()),
                remedy: refusal.remedy.clone(),
                called: BTreeMap::new(),
            },
        );
    }

    /// Bytes that are no message, so many times.
    pub fn refuse_bytes(&mut self, reason: Reason, count: u64) {
        if count == 0 {
            return;
        }
        self.add_refused(
            (reason, String::new()),
            Refused {
                count,
                place: None,
                remedy: remedy(reason).to_owned(),
                called: BTreeMap::new(),
            },
        );
    }

    fn add_refused(&mut self, key: (Reason, String), refused: Refused) {
        match self.refusals.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(refused);
            }
            std::collections::btree_map::Entry::Occupied(entry) => {
                let kept = entry.into_mut();
                kept.count += refused.count;
                // The same one, whatever was read first.
                kept.place = match (kept.place.take(), refused.place) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                if refused.remedy < kept.remedy {
                    kept.remedy = refused.remedy;
                }
                for ((codings, unit), times) in refused.called {
                    kept.call(codings, unit, times);
                }
            }
        }
    }

    /// Adds what somebody else read.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.messages += other.messages;
        self.with_results += other.with_results;
        self.with_ours += other.with_ours;
        self.with_igm += other.with_igm;
        self.read += other.read;
        self.identity_events += other.identity_events;
        self.frames.add(&other.frames);
        for (name, feed) in other.feeds {
            self.feed(&name).add(feed);
        }
        for (key, refused) in other.refusals {
            self.add_refused(key, refused);
        }
        for (key, messages) in other.not_production {
            *self.not_production.entry(key).or_default() += messages;
        }
    }
}

impl Refused {
    /// So many more results with this code. Of too many codes the first ones by their order are kept: the
    /// same ones, whatever was read first.
    fn call(&mut self, codings: Vec<Coding>, unit: String, times: u64) {
        *self.called.entry((codings, unit)).or_default() += times;
        if self.called.len() > CODES {
            self.called.pop_last();
        }
    }
}

impl Feed {
    /// A message was sent.
    pub fn hear(&mut self, messages: u64, first: Timestamp, last: Timestamp) {
        self.messages += messages;
        self.sent = Some(match self.sent {
            Some((earliest, latest)) => (earliest.min(first), latest.max(last)),
            None => (first, last),
        });
    }

    /// So many more of some leniencies.
    pub fn note(&mut self, quirks: &BTreeMap<&'static str, u64>, times: u64) {
        for (name, count) in quirks {
            *self.quirks.entry(name).or_default() += count * times;
        }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.with_ours += other.with_ours;
        if let Some((first, last)) = other.sent {
            self.hear(0, first, last);
        }
        self.note(&other.quirks, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(place: u32) -> Tally {
        let mut tally = Tally::default();
        let refusal = Refusal {
            reason: Reason::NoUnit,
            place: Place {
                segment: "OBX".to_owned(),
                occurrence: place,
                field: 6,
                name: "units".to_owned(),
            },
            result: true,
            remedy: "ask".to_owned(),
        };
        tally.refuse("LAB/A", &refusal);
        let at = Timestamp::from_micros(i64::from(place));
        tally.feed("LAB/A").hear(2, at, at);
        tally
            .feed("LAB/A")
            .note(&BTreeMap::from([("no_status", 3)]), 2);
        tally
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let (mut one, mut other) = (tally(1), tally(2));
        one.add(tally(2));
        other.add(tally(1));
        assert_eq!(one, other);
        let feed = &one.feeds["LAB/A"];
        assert_eq!((feed.messages, feed.quirks["no_status"]), (4, 12));
        let refused = &one.refusals[&(Reason::NoUnit, "LAB/A".to_owned())];
        assert_eq!(
            (refused.count, refused.place.as_ref().unwrap().occurrence),
            (2, 1)
        );
    }

    #[test]
    fn feeds_beyond_a_number_are_counted_together() {
        let mut tally = Tally::default();
        for number in 0..FEEDS + 5 {
            let at = Timestamp::default();
            tally.feed(&format!("F{number}")).hear(1, at, at);
        }
        assert_eq!(tally.feeds.len(), FEEDS + 1);
        assert_eq!(tally.feeds[OTHERS].messages, 5);
    }
}
