//! One order that gives one analyte more than once.

use super::Refusal;
use super::message::{Line, Message};
use crate::core::clinical::Unit;
use crate::core::clinical::observation::{
    Analyte, Observation, ReportedValue, Specimen, StatusClass,
};
use crate::core::fact::Reason;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// A result before its identity is final.
pub(super) struct Draft<'m> {
    pub(super) observation: Observation,
    pub(super) sub_id: String,
    pub(super) line: Line<'m>,
    /// The version time is of the sender, not of our receipt: it may be hashed.
    pub(super) version_is_sent: bool,
}

/// OBX-4 is identity only where one analyte occurs more than once in the order with different OBX-4.
pub(super) fn tell_apart(drafts: &mut [Draft<'_>]) {
    let mut sub_ids: BTreeMap<(Analyte, Specimen), BTreeSet<String>> = BTreeMap::new();
    let kind = |draft: &Draft<'_>| (draft.observation.id.analyte, draft.observation.id.specimen);
    for draft in drafts.iter() {
        sub_ids
            .entry(kind(draft))
            .or_default()
            .insert(draft.sub_id.clone());
    }
    for draft in drafts {
        let several = sub_ids.get(&kind(draft)).is_some_and(|ids| ids.len() > 1);
        if several && !draft.sub_id.is_empty() {
            draft.observation.id.sub_id = Some(draft.sub_id.clone());
        }
    }
}

/// `!!Storno` as D, then the value that stands as F, in one message (CLINICAL 6.8, example 37).
///
/// Of one version time S-1 lets the withdrawal win, and would take the new value too. The order of the
/// lines tells which came first: a withdrawal before a final value of the same result is a moment
/// older. It still takes back all that was sent before.
pub(super) fn settle_withdrawals(drafts: &mut [Draft<'_>]) {
    let mut later: BTreeMap<(Analyte, Timestamp), BTreeSet<Option<String>>> = BTreeMap::new();
    for draft in drafts.iter_mut().rev() {
        let observation = &mut draft.observation;
        let version = (observation.id.analyte, observation.version_at);
        let sub_id = &observation.id.sub_id;
        match observation.status.class {
            StatusClass::Final if *observation.value.expose() != ReportedValue::Absent => {
                later.entry(version).or_default().insert(sub_id.clone());
            }
            StatusClass::Withdrawal => {
                // Without OBX-4 either of them means all (S-3).
                let same = later.get(&version).is_some_and(|ids| {
                    sub_id.is_none() || ids.contains(&None) || ids.contains(sub_id)
                });
                if same {
                    let moment = version.1.as_micros().saturating_sub(1);
                    observation.version_at = Timestamp::from_micros(moment);
                }
            }
            StatusClass::Final
            | StatusClass::Preliminary
            | StatusClass::Promotion
            | StatusClass::NoResult => {}
        }
    }
}

/// The value of an observation for comparing it with another of the same identity.
fn comparable(observation: &Observation) -> Option<(ReportedValue, Option<Unit>)> {
    let convert = |value: Decimal| {
        observation
            .unit
            .to_gram_per_litre(value)
            .map(|value| value.normalize())
    };
    let value = observation.value.expose();
    let kept = || (value.clone(), Some(observation.unit.clone()));
    match value {
        ReportedValue::Amount(amount) => Some(convert(amount.value).map_or_else(kept, |number| {
            let mut amount = *amount;
            amount.value = number;
            (ReportedValue::Amount(amount), None)
        })),
        ReportedValue::Range(low, high) => Some(match (convert(*low), convert(*high)) {
            (Some(low), Some(high)) => (ReportedValue::Range(low, high), None),
            _ => kept(),
        }),
        _ => None,
    }
}

/// One order that gives one analyte twice under one identity.
///
/// An analyzer sends the number and, under the same code, an empty coded value: the empty one is
/// dropped. Two different numbers are refused like two in one OBX-5.
pub(super) fn settle_repeats<'m>(
    message: &Message<'m>,
    drafts: &mut Vec<Draft<'m>>,
    refusals: &mut Vec<Refusal>,
) {
    if drafts.len() < 2 {
        return;
    }
    let key = |draft: &Draft<'_>| {
        let observation = &draft.observation;
        let result = matches!(
            observation.status.class,
            StatusClass::Final | StatusClass::Preliminary
        );
        result.then(|| {
            (
                observation.id.clone(),
                observation.status.class,
                observation.version_at,
            )
        })
    };
    let mut values: BTreeMap<_, (bool, BTreeSet<_>)> = BTreeMap::new();
    for draft in drafts.iter() {
        if let Some(key) = key(draft) {
            let (has_value, numbers) = values.entry(key).or_default();
            *has_value |= *draft.observation.value.expose() != ReportedValue::Absent;
            numbers.extend(comparable(&draft.observation));
        }
    }
    let mut refused = BTreeSet::new();
    drafts.retain_mut(|draft| {
        let Some(key) = key(draft) else { return true };
        let Some((has_value, numbers)) = values.get(&key) else {
            return true;
        };
        if *has_value && *draft.observation.value.expose() == ReportedValue::Absent {
            return false;
        }
        if numbers.len() > 1 && comparable(&draft.observation).is_some() {
            draft.observation.value = Phi::new(ReportedValue::Unreadable(Reason::RepeatedValue));
            if refused.insert(key) {
                refusals.push(message.refuse_result(Reason::RepeatedValue, draft.line, 5));
            }
        }
        true
    });
}
