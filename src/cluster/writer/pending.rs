//! Groups on their way into the stream, and by which of its subjects each goes.

use crate::cluster::link::DUPLICATES_FOR;
use crate::cluster::message::Going;
use crate::core::fact::JournalPosition;
use crate::core::lookback::Primed;
use crate::journal::{Encoded, Group, KnownBy, Queued, Stored, kind};
use std::time::Instant;

/// The subjects of facts. All but the first are published one by one.
pub(super) const FREE: &str = "fact";
/// What decides and delivers.
pub(in crate::cluster) const HOLDER: &str = "holder";
/// What was brought in from archives.
pub(super) const ARCHIVE: &str = "archive";
/// The audit, each entry behind the one that it is linked to.
pub(super) const AUDIT: &str = "audit";

/// A fact on its way.
pub(super) struct Item {
    /// As it goes; `None` until it was looked at, or where it must be looked at again.
    pub(super) going: Option<Going>,
    pub(super) encoded: Encoded,
    pub(super) known_by: Option<KnownBy>,
    pub(super) duplicate_of: Option<JournalPosition>,
    pub(super) control_id_reused: bool,
    pub(super) tried: Option<Instant>,
    pub(super) done: Option<Stored>,
}

/// A group on its way.
pub(super) struct Pending {
    pub(super) group: Group,
    pub(super) items: Vec<Item>,
    pub(super) lane: &'static str,
    /// It can no longer be stored, and nobody is to be answered.
    pub(super) void: bool,
}

impl Pending {
    pub(super) fn of(mut group: Group) -> Self {
        let facts = std::mem::take(&mut group.facts);
        let first = facts.first().map(|fact| fact.encoded.kind);
        let lane = match first {
            _ if group.hold.is_some() => HOLDER,
            Some(kind::PRIMED) => ARCHIVE,
            Some(kind::AUDITED) => AUDIT,
            Some(kind::RETRIED) => "side by side",
            _ => FREE,
        };
        let items = facts.into_iter().map(Item::of).collect();
        Self {
            group,
            items,
            lane,
            void: false,
        }
    }
}

impl Item {
    pub(super) fn is_old(&self) -> bool {
        self.tried
            .is_some_and(|at| at.elapsed() >= DUPLICATES_FOR / 2)
    }

    fn of(fact: Queued) -> Self {
        let Queued { encoded, known_by } = fact;
        let encoded = match encoded.kind {
            kind::PRIMED => up_to_the_next(encoded),
            _ => encoded,
        };
        Self {
            going: None,
            encoded,
            known_by,
            duplicate_of: None,
            control_id_reused: false,
            tried: None,
            done: None,
        }
    }
}

/// Other instances' facts stand between those of an archive: what it says holds until the next of its kind.
fn up_to_the_next(encoded: Encoded) -> Encoded {
    let Ok(mut primed) = serde_json::from_slice::<Primed>(&encoded.meta) else {
        return encoded;
    };
    if primed.facts > 0 {
        primed.facts = u32::MAX;
    }
    match serde_json::to_vec(&primed) {
        Ok(meta) => Encoded { meta, ..encoded },
        Err(_) => encoded,
    }
}
