//! For what is no verdict: the reason, as a sentence that a laboratory analyst can act on.

use super::explain::{as_sent, day_of, value};
use super::observation::Analyte;
use super::panel::JudgedResult;
use super::state::{State, Why};

/// A reason in a few words.
pub const fn short(why: Why) -> &'static str {
    match why {
        Why::Cord => "cord blood",
        Why::Preliminary => "still preliminary",
        Why::NoTime => "no collection time",
        Why::NoValue => "no value",
        Why::Undetectable => "reported as undetectable, without a number",
        Why::NonNumeric(_) => "no readable number",
        Why::AgeInvalid => "collected before the birth date",
        Why::NoInterval => "no reference interval",
        Why::Unit => "unit cannot be converted",
        Why::Comparator => "comparator leaves it open",
        Why::NoLowLimit => "interval without a low limit",
        Why::FlagIntervalDisagreement => "flag and interval disagree",
        Why::UnitSuspect => "unit looks wrong",
        Why::Implausible => "implausible value",
        Why::Conflict => "two results of one sample disagree",
    }
}

/// Why a result was not judged, and what the laboratory can do about it.
pub fn unjudged(result: &JudgedResult<'_>, why: Why) -> String {
    let name = result.id().analyte.name();
    let observation = result.current.observation;
    let amount = value(result);
    match why {
        Why::Cord => format!("{name} of cord blood is shown only, never judged."),
        Why::Preliminary => {
            format!("{name} {amount} is preliminary; the final result will be judged.")
        }
        Why::NoTime => format!(
            "{name} {amount} has no collection time: fill OBX-14, SPM-17 or OBR-7 and send it again."
        ),
        Why::NoValue => format!("{name} was reported without a value."),
        Why::Undetectable => format!(
            "{name} was reported as undetectable, without a number: it could be very low, please look."
        ),
        Why::NonNumeric(reason) => format!(
            "The value of {name} cannot be read as a number ({}); see the quarantine.",
            reason.word()
        ),
        Why::AgeInvalid => format!(
            "{name} {amount} was collected before the birth date: check the patient and the times."
        ),
        Why::NoInterval => format!(
            "{name} {amount} has no reference interval: OBX-7 and OBX-8 are empty and no table row holds."
        ),
        Why::Unit => format!(
            "{name} {amount} is in a unit that cannot be converted to g/L, and neither OBX-7 nor OBX-8 says how to read it."
        ),
        Why::Comparator => format!(
            "{name} {amount} cannot be placed against {}: it may be low or not.",
            interval(result)
        ),
        Why::NoLowLimit => format!(
            "The interval of {name} ({}) has no low limit.",
            observation.shown.range
        ),
        Why::FlagIntervalDisagreement => format!(
            "{name} {amount} against {} and the flag {} contradict each other.",
            interval(result),
            observation.shown.flag
        ),
        Why::UnitSuspect => format!(
            "{name} {amount} with interval {} does not fit its unit (mg/dL written as g/L?).",
            observation.shown.range
        ),
        Why::Implausible => format!("{name} {amount} is beyond any human serum."),
        Why::Conflict => format!(
            "Two final {name} results of the sample of {} disagree.",
            day_of(result)
        ),
    }
}

/// `0.4-2.3`.
fn interval(result: &JudgedResult<'_>) -> String {
    let limits = result.judged.limits;
    match (limits.low.map(as_sent), limits.high.map(as_sent)) {
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!("low limit {low}"),
        (None, Some(high)) => format!("high limit {high}"),
        (None, None) => "no interval".to_owned(),
    }
}

/// No IgM, or none that can be judged.
pub fn without_anchor(results: &[&JudgedResult<'_>]) -> String {
    let igm = results
        .iter()
        .filter(|result| result.id().analyte == Analyte::IgM);
    let newest = igm.max_by_key(|result| {
        let observation = result.current.observation;
        (observation.observed.as_ref().map(|at| at.at), result.id())
    });
    match newest {
        None if results.is_empty() => "No immunoglobulin result is stored.".to_owned(),
        None => "No IgM result is stored.".to_owned(),
        Some(newest) => match newest.state() {
            State::Unknown(why) => unjudged(newest, why),
            State::Low | State::Normal | State::High | State::NotLow => {
                format!("IgM {} has no place in time.", value(newest))
            }
        },
    }
}
