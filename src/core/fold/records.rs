//! Patient records in the state: one entry an item, so that adding to a record costs the same
//! whether it holds three results or three thousand.
//!
//! An item's key is made of what it says, without journal position and time of receipt: so adding
//! is adding to a set, and a message that is sent again adds nothing.

use super::codec::{decode, digest};
use super::keys::{self, Kind};
use super::overlay::Overlay;
use super::state::StateError;
use super::tables::RECORDS;
use super::values::UndoMark;
use crate::core::clinical::observation::{
    AssociationSeen, DemographicsReport, Given, GroupWithdrawal, Observation, PatientKey, ResultId,
    StatusClass,
};
use crate::core::episode::Transition;
use crate::core::extract::IdentityEvent;
use crate::core::fact::JournalPosition;
use crate::core::record::PatientRecord;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

/// In an observation's key: anything but a withdrawal, then withdrawals.
const VALUE: u8 = 0;
const WITHDRAWAL: u8 = 1;

/// Adds one version of a result; true if it is new.
pub fn add_observation(
    overlay: &mut Overlay<'_>,
    observation: &Observation,
) -> Result<bool, StateError> {
    let id = digest(RECORDS, &observation.id)?;
    let class = match observation.status.class {
        StatusClass::Withdrawal => WITHDRAWAL,
        StatusClass::NoResult
        | StatusClass::Preliminary
        | StatusClass::Final
        | StatusClass::Promotion => VALUE,
    };
    let key = keys::item(
        &observation.id.patient,
        Kind::Observation,
        &[&id, &[class], &observation.content_hash],
    );
    overlay.store_new(RECORDS, key, observation)
}

/// True if any version of the result is there that is not a withdrawal.
pub fn has_value(overlay: &Overlay<'_>, id: &ResultId) -> Result<bool, StateError> {
    let hash = digest(RECORDS, id)?;
    overlay.any(&keys::item(
        &id.patient,
        Kind::Observation,
        &[&hash, &[VALUE]],
    ))
}

/// Adds a group withdrawal; true if it is new.
pub fn add_group_withdrawal(
    overlay: &mut Overlay<'_>,
    patient: &PatientKey,
    withdrawal: &GroupWithdrawal,
) -> Result<bool, StateError> {
    let name = digest(RECORDS, &(&withdrawal.order, withdrawal.version_at))?;
    let key = keys::item(patient, Kind::GroupWithdrawal, &[&name]);
    overlay.store_new(RECORDS, key, withdrawal)
}

/// Adds a diagnosis or drug; true if it is new.
pub fn add_association(
    overlay: &mut Overlay<'_>,
    patient: &PatientKey,
    association: &AssociationSeen,
) -> Result<bool, StateError> {
    let mut content = association.clone();
    content.position = JournalPosition::START;
    let name = digest(RECORDS, &content)?;
    let key = keys::item(patient, Kind::Association, &[&name]);
    overlay.store_new(RECORDS, key, association)
}

/// Adds demographics; true if that changed what is kept.
///
/// Only the newest report of each field is kept (WIRE X-18: newest wins per field, empty never
/// overwrites), so at most one report a field, however many messages a patient has.
pub fn add_demographics(
    overlay: &mut Overlay<'_>,
    patient: &PatientKey,
    report: &DemographicsReport,
) -> Result<bool, StateError> {
    let key = keys::record(patient, Kind::Demographics);
    let before: BTreeSet<DemographicsReport> = overlay.load(RECORDS, &key)?.unwrap_or_default();
    let after = newest_of_each_field(before.iter().chain([report]));
    if before == after {
        return Ok(false);
    }
    overlay.store(RECORDS, key, &after)?;
    Ok(true)
}

fn newest_of_each_field<'a>(
    reports: impl Iterator<Item = &'a DemographicsReport> + Clone,
) -> BTreeSet<DemographicsReport> {
    fn newest<'a, T: Ord>(
        reports: impl Iterator<Item = &'a DemographicsReport>,
        field: impl Fn(&'a DemographicsReport) -> &'a Given<T>,
    ) -> Option<&'a DemographicsReport>
    where
        Given<T>: 'a,
    {
        // Equal times: the greater value, then the rest of the content; of equal content the first.
        let order = |a: &'a DemographicsReport, b: &'a DemographicsReport| -> Ordering {
            (a.at, field(a))
                .cmp(&(b.at, field(b)))
                .then_with(|| without_position(a).cmp(&without_position(b)))
                .then_with(|| Reverse(a.position).cmp(&Reverse(b.position)))
        };
        reports
            .filter(|report| !matches!(field(report), Given::Absent))
            .max_by(|a, b| order(a, b))
    }
    [
        newest(reports.clone(), |report| &report.birth),
        newest(reports.clone(), |report| &report.sex),
        newest(reports.clone(), |report| &report.name),
        newest(reports.clone(), |report| &report.dead),
        newest(reports.clone(), |report| &report.unreliable),
        newest(reports, |report| &report.deleted),
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect()
}

fn without_position(report: &DemographicsReport) -> DemographicsReport {
    DemographicsReport {
        position: JournalPosition::START,
        ..report.clone()
    }
}

/// Adds an identity event at both its ids; true if it is new.
pub fn add_identity(overlay: &mut Overlay<'_>, event: &IdentityEvent) -> Result<bool, StateError> {
    let mut content = event.clone();
    content.position = JournalPosition::START;
    let name = digest(RECORDS, &content)?;
    let out = keys::item(&event.prior, Kind::EdgeOut, &[&name]);
    let is_new = overlay.store_new(RECORDS, out, event)?;
    let into = keys::item(&event.survivor, Kind::EdgeIn, &[&name]);
    overlay.store_new(RECORDS, into, event)?;
    Ok(is_new)
}

/// Identity events in which this id gives way.
pub fn edges_out(
    overlay: &Overlay<'_>,
    patient: &PatientKey,
) -> Result<Vec<IdentityEvent>, StateError> {
    overlay.load_all(RECORDS, &keys::record(patient, Kind::EdgeOut))
}

/// Identity events in which this id stays.
pub fn edges_in(
    overlay: &Overlay<'_>,
    patient: &PatientKey,
) -> Result<Vec<IdentityEvent>, StateError> {
    overlay.load_all(RECORDS, &keys::record(patient, Kind::EdgeIn))
}

/// Adds the undo of a merge at the id that had given way; true if it is new.
pub fn add_undo(overlay: &mut Overlay<'_>, mark: &UndoMark) -> Result<bool, StateError> {
    let name = digest(RECORDS, &mark.undone)?;
    let key = keys::item(&mark.undone.prior, Kind::Undo, &[&name]);
    overlay.store_new(RECORDS, key, mark)
}

/// Merges taken back in which this id had given way.
pub fn undos(overlay: &Overlay<'_>, patient: &PatientKey) -> Result<Vec<UndoMark>, StateError> {
    overlay.load_all(RECORDS, &keys::record(patient, Kind::Undo))
}

/// True if anything could come of a change to this patient: a result, or someone it is pooled with.
pub fn matters(overlay: &Overlay<'_>, patient: &PatientKey) -> Result<bool, StateError> {
    const KINDS: [Kind; 3] = [Kind::Observation, Kind::EdgeOut, Kind::EdgeIn];
    // Of most patients only demographics are known, and one look shows all.
    const FEW: usize = 3;
    let prefix = keys::patient(keys::RECORDS, patient);
    let first = overlay.scan(&prefix, &prefix, FEW)?;
    let is_one = |key: &[u8]| {
        let kind = key.get(prefix.len());
        KINDS.iter().any(|wanted| kind == Some(&(*wanted as u8)))
    };
    let found = first.iter().any(|(key, _)| is_one(key));
    if found || first.len() < FEW {
        return Ok(found);
    }
    for kind in KINDS {
        if overlay.any(&keys::record(patient, kind))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Steps of the episodes filed under this id, by their number among all steps.
pub fn transitions(
    overlay: &Overlay<'_>,
    patient: &PatientKey,
) -> Result<Vec<(u64, Transition)>, StateError> {
    let prefix = keys::record(patient, Kind::Transition);
    let mut found = Vec::new();
    for (key, value) in overlay.scan_all(&prefix)? {
        let step = key.get(prefix.len()..).and_then(keys::read_number);
        let step = step.ok_or_else(|| StateError::Value {
            table: RECORDS,
            why: "expected a number in the key, but found none".to_owned(),
        })?;
        found.push((step, decode(RECORDS, &value)?));
    }
    Ok(found)
}

/// The whole record of an id as it was reported; empty where nothing is known.
pub fn load(overlay: &Overlay<'_>, patient: &PatientKey) -> Result<PatientRecord, StateError> {
    let mut record = PatientRecord::new(patient.clone());
    let prefix = keys::patient(keys::RECORDS, patient);
    for (key, value) in overlay.scan_all(&prefix)? {
        let kind = key.get(prefix.len()).copied().unwrap_or_default();
        if kind == Kind::Observation as u8 {
            record.observations.insert(decode(RECORDS, &value)?);
        } else if kind == Kind::GroupWithdrawal as u8 {
            record.group_withdrawals.insert(decode(RECORDS, &value)?);
        } else if kind == Kind::Demographics as u8 {
            record.demographics = decode(RECORDS, &value)?;
        } else if kind == Kind::Association as u8 {
            record.associations.insert(decode(RECORDS, &value)?);
        } else if kind == Kind::EdgeOut as u8 || kind == Kind::EdgeIn as u8 {
            record.identity.insert(decode(RECORDS, &value)?);
        } else if kind == Kind::Transition as u8 {
            record.transitions.push(decode(RECORDS, &value)?);
        }
    }
    Ok(record)
}

/// All results ever reported under an id.
pub fn observations(
    overlay: &Overlay<'_>,
    patient: &PatientKey,
) -> Result<Vec<Observation>, StateError> {
    overlay.load_all(RECORDS, &keys::record(patient, Kind::Observation))
}
