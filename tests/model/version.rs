//! Which version of a result stands (WIRE S-1 to S-5, CLINICAL 9.8, 9.10).

use pentamer::core::clinical::observation::{Observation, ReportedValue, ResultId, StatusClass};
use pentamer::core::record::PooledPatient;
use std::collections::BTreeSet;

/// The version of a result that stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub version: &'a Observation,
    pub is_final: bool,
}

/// Whether a line that names no value (D, W, X, U) means this result: order and analyte, and OBX-4
/// where both have one (S-3).
fn means(line: &ResultId, result: &ResultId) -> bool {
    let sub_ids_differ = match (&line.sub_id, &result.sub_id) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    };
    line.patient == result.patient
        && line.order == result.order
        && line.analyte == result.analyte
        && !sub_ids_differ
}

/// No value removes none, unless it is a correction (9.8).
fn says_nothing(version: &Observation) -> bool {
    matches!(version.value.expose(), ReportedValue::Absent) && version.status.letter != "C"
}

pub fn standing(patient: &PooledPatient) -> Vec<Standing<'_>> {
    let ids: BTreeSet<&ResultId> = patient.observations.iter().map(|one| &one.id).collect();
    ids.into_iter().filter_map(|id| of(patient, id)).collect()
}

fn of<'a>(patient: &'a PooledPatient, id: &ResultId) -> Option<Standing<'a>> {
    let lines_meaning_it = |class| {
        patient
            .observations
            .iter()
            .filter(move |one| one.status.class == class && means(&one.id, id))
            .map(|one| one.version_at)
    };
    let whole_order = patient
        .group_withdrawals
        .iter()
        .filter(|(key, group)| *key == id.patient && group.order == id.order)
        .map(|(_, group)| group.version_at);
    let withdrawn = lines_meaning_it(StatusClass::Withdrawal)
        .chain(whole_order)
        .max();
    let promoted = lines_meaning_it(StatusClass::Promotion).max();

    let mut versions: Vec<Standing<'a>> = Vec::new();
    for version in patient.observations.iter().filter(|one| one.id == *id) {
        let is_final = match version.status.class {
            StatusClass::Final => true,
            // U makes the values before it final (9.8).
            StatusClass::Preliminary => promoted.is_some_and(|at| at >= version.version_at),
            StatusClass::NoResult | StatusClass::Withdrawal | StatusClass::Promotion => continue,
        };
        // Without a value nothing is said against a withdrawal either.
        if says_nothing(version) && withdrawn.is_some() {
            continue;
        }
        // A withdrawal is of the final class, and first at equal time.
        if withdrawn.is_none_or(|at| is_final && version.version_at > at) {
            versions.push(Standing { version, is_final });
        }
    }
    versions.sort_by_key(|one| {
        let corrected = matches!(one.version.status.letter.as_str(), "C" | "A");
        (
            one.is_final,
            !says_nothing(one.version),
            one.version.version_at,
            corrected,
            one.version.content_hash,
        )
    });
    versions.pop()
}
