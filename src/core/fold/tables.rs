//! The tables of the state by name and type: what lies under which key, and whether a value is readable.

use super::codec::decode;
use super::continuation::Waiting;
use super::keys::{self, Kind};
use super::state::StateError;
use super::values::{
    AckMark, AgainMark, AlertPointer, AuditEnd, AuditEntry, DeliveryMark, DirtyMark, PolicyMark,
    QuarantineEntry, ReviewMark, StandingEpisode, StartMark, UndoMark,
};
use crate::core::audit::Noted;
use crate::core::clinical::observation::{
    AssociationSeen, DemographicsReport, GroupWithdrawal, Observation,
};
use crate::core::delivery::Muted;
use crate::core::delivery::escalation::OpenPage;
use crate::core::episode::{EpisodeId, Transition};
use crate::core::extract::IdentityEvent;
use crate::core::fact::LisAck;
use crate::core::feed::{FeedMark, Rhythm};
use std::collections::BTreeSet;

/// Alert log.
pub const ALERTS: &str = "alerts";
/// Alert id to its place in the log.
pub const ALERT_IDS: &str = "alert ids";
/// Parts of messages.
pub const PARTS: &str = "parts";
/// Dirty marks.
pub const DIRTY: &str = "dirty";
/// Patients about whom a decision is to page nobody.
pub const QUIET: &str = "quiet";
/// Feeds.
pub const FEEDS: &str = "feeds";
/// The weeks of feeds.
pub const RHYTHMS: &str = "rhythms";
/// Refusals by laboratory systems.
pub const ANSWERS: &str = "answers";
/// Single values.
pub const META: &str = "meta";
/// Filler number to patients.
pub const ORDERS: &str = "orders";
/// Patient records.
pub const RECORDS: &str = "records";
/// Quarantine.
pub const QUARANTINE: &str = "quarantine";
/// Cursors.
pub const SINKS: &str = "sinks";
/// Deliveries.
pub const DELIVERIES: &str = "deliveries";
/// Audit.
pub const AUDIT: &str = "audit";
/// Episodes that stand.
pub const STANDING: &str = "standing episodes";
/// Reviews.
pub const REVIEW: &str = "reviews";
/// Notes about patients.
pub const NOTES: &str = "notes";
/// What a sink is to be given again.
pub const AGAIN: &str = "again";
/// Sinks that are given the past.
pub const REPLAYS: &str = "replays";
/// Dead letters.
pub const DEAD: &str = "dead letters";
/// Acknowledgements.
pub const ACKS: &str = "acknowledgements";
/// Acknowledgements that no decision covers yet.
pub const PENDING_ACKS: &str = "acknowledgements to decide about";
/// Mutes.
pub const MUTES: &str = "mutes";
/// Pages that nobody has acknowledged.
pub const OPEN_PAGES: &str = "open pages";

/// Meta: hash of the policy that the state was folded with.
pub const META_FOLDED_WITH: &str = "folded_with";
/// Meta: [`PolicyMark`].
pub const META_POLICY: &str = "policy";
/// Meta: position of the last message that a person had read again.
pub const META_RETRIED: &str = "retried";
/// Meta: position of the last fact that is of an archive.
pub const META_PRIMED: &str = "primed";
/// Meta: [`AuditEnd`].
pub const META_AUDIT: &str = "audit";
/// Meta: [`StartMark`].
pub const META_STARTED: &str = "started";
/// Meta: place of the last alert in the log.
pub const META_LAST_ALERT: &str = "last_alert";
/// Meta: how many refusals by laboratory systems are kept.
pub const META_ANSWERS: &str = "answers";
/// Meta: number of the last step of any episode.
pub const META_LAST_STEP: &str = "last_step";

/// Checks that an entry is one of ours and its value readable; for the verification of a cache.
pub fn verify(key: &[u8], value: &[u8]) -> Result<(), StateError> {
    let Some((&table, rest)) = key.split_first() else {
        return Err(foreign("an empty key"));
    };
    match table {
        keys::ALERTS => decode::<AlertPointer>(ALERTS, value).map(drop),
        keys::ALERT_IDS => decode::<Option<u64>>(ALERT_IDS, value).map(drop),
        keys::PARTS => decode::<Waiting>(PARTS, value).map(drop),
        keys::DIRTY => {
            if !matches!(keys::read_patient(rest), Some((_, []))) {
                return Err(foreign("a dirty mark without a patient"));
            }
            decode::<DirtyMark>(DIRTY, value).map(drop)
        }
        keys::QUIET => decode::<()>(QUIET, value),
        keys::FEEDS => decode::<FeedMark>(FEEDS, value).map(drop),
        keys::RHYTHMS => decode::<Rhythm>(RHYTHMS, value).map(drop),
        keys::ANSWERS => decode::<LisAck>(ANSWERS, value).map(drop),
        keys::META => verify_meta(rest, value),
        keys::ORDERS => decode::<()>(ORDERS, value),
        keys::RECORDS => verify_record(rest, value),
        keys::QUARANTINE => decode::<QuarantineEntry>(QUARANTINE, value).map(drop),
        keys::SINKS => decode::<u64>(SINKS, value).map(drop),
        keys::DELIVERIES => decode::<DeliveryMark>(DELIVERIES, value).map(drop),
        keys::AUDIT => decode::<AuditEntry>(AUDIT, value).map(drop),
        keys::STANDING => decode::<StandingEpisode>(STANDING, value).map(drop),
        keys::REVIEW => decode::<ReviewMark>(REVIEW, value).map(drop),
        keys::NOTES => decode::<Noted>(NOTES, value).map(drop),
        keys::AGAIN => decode::<AgainMark>(AGAIN, value).map(drop),
        keys::DEAD => decode::<()>(DEAD, value),
        keys::REPLAYS => decode::<u64>(REPLAYS, value).map(drop),
        keys::ACKS => decode::<AckMark>(ACKS, value).map(drop),
        keys::PENDING_ACKS => decode::<EpisodeId>(PENDING_ACKS, value).map(drop),
        keys::MUTES => decode::<Muted>(MUTES, value).map(drop),
        keys::OPEN_PAGES => decode::<OpenPage>(OPEN_PAGES, value).map(drop),
        _ => Err(foreign("a key of no table")),
    }
}

fn verify_meta(rest: &[u8], value: &[u8]) -> Result<(), StateError> {
    let Some((name, [])) = keys::read_text(rest) else {
        return Err(foreign("an unreadable key"));
    };
    match name.as_str() {
        META_FOLDED_WITH => decode::<String>(META, value).map(drop),
        META_POLICY => decode::<PolicyMark>(META, value).map(drop),
        META_AUDIT => decode::<AuditEnd>(META, value).map(drop),
        META_STARTED => decode::<StartMark>(META, value).map(drop),
        META_LAST_ALERT | META_LAST_STEP | META_ANSWERS | META_RETRIED | META_PRIMED => {
            decode::<u64>(META, value).map(drop)
        }
        _ => Err(foreign("an unknown name")),
    }
}

fn verify_record(rest: &[u8], value: &[u8]) -> Result<(), StateError> {
    let Some((_, [kind, ..])) = keys::read_patient(rest) else {
        return Err(foreign("a record without a patient"));
    };
    let is = |wanted: Kind| *kind == wanted as u8;
    if is(Kind::Observation) {
        decode::<Observation>(RECORDS, value).map(drop)
    } else if is(Kind::GroupWithdrawal) {
        decode::<GroupWithdrawal>(RECORDS, value).map(drop)
    } else if is(Kind::Demographics) {
        decode::<BTreeSet<DemographicsReport>>(RECORDS, value).map(drop)
    } else if is(Kind::Association) {
        decode::<AssociationSeen>(RECORDS, value).map(drop)
    } else if is(Kind::EdgeOut) || is(Kind::EdgeIn) {
        decode::<IdentityEvent>(RECORDS, value).map(drop)
    } else if is(Kind::Transition) {
        decode::<Transition>(RECORDS, value).map(drop)
    } else if is(Kind::Undo) {
        decode::<UndoMark>(RECORDS, value).map(drop)
    } else {
        Err(foreign("an unknown kind of record"))
    }
}

fn foreign(what: &str) -> StateError {
    StateError::Value {
        table: "keys",
        why: format!("expected entries of this program, but found {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fold::codec;

    #[test]
    fn knows_its_own_entries_and_no_others() {
        let number = codec::encode(META, &3_u64).unwrap();
        let last = keys::named(keys::META, META_LAST_ALERT);
        assert!(verify(&last, &number).is_ok());
        assert!(verify(&keys::named(keys::SINKS, "log"), &number).is_ok());
        assert!(verify(&keys::named(keys::META, "other"), &number).is_err());
        assert!(verify(&last, b"x").is_err());
        assert!(verify(b"", &number).is_err());
        assert!(verify(b"zzz", &number).is_err());
        assert!(verify(b"d", &number).is_err());
        assert!(verify(b"pno patient", &number).is_err());
    }
}
