//! The sentences of CLINICAL 6.6, filled by code: what a clinician reads on a page, and for what is
//! no verdict the reason that a laboratory analyst can act on.
//!
//! The highest wording is "persistent isolated low IgM": vaccine responses are never in a feed.

use super::chart::Anchor;
use super::classify::{Classification, Rule};
use super::observation::ReportedValue;
use super::panel::{JudgedResult, Part};
use super::reasons::short;
use super::related::Related;
use super::severity;
use super::state::{IntervalSource, Note, State};
use crate::core::clinical::Unit;
use crate::core::clinical::association::Class;
use crate::core::clinical::demographics::Demographics;
use crate::core::policy::Detection;
use jiff::civil::Date;
use rust_decimal::Decimal;

mod course;

pub use course::{Fate, confirmed, merged, progressed, reopened, resolved, retracted};

/// A number without trailing zeros: `0.21`, `11`, `0.4`.
pub fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// A number of a sentence, with the decimals that the laboratory sent: `0.30`, `11.0`, and `0.40` for
/// 40 mg/dL. Zeros beyond the second decimal, which come of converting, are left out.
pub(super) fn as_sent(value: Decimal) -> String {
    let mut shown = value;
    if shown.scale() > 2 {
        shown = shown.normalize();
        if shown.scale() < 2 {
            shown.rescale(2);
        }
    }
    if shown.is_zero() {
        shown.set_sign_positive(true);
    }
    shown.to_string()
}

/// `3 Jan 2026`.
pub fn day(date: jiff::civil::Date) -> String {
    date.strftime("%-d %b %Y").to_string()
}

/// The day of collection of a result, `an unknown day` without a time.
pub(super) fn day_of(result: &JudgedResult<'_>) -> String {
    result.observed().map_or_else(
        || "an unknown day".to_owned(),
        |observed| day(observed.date),
    )
}

/// `0.21 g/L`, `<0.2 g/L`, `0.2-0.4 g/L`; in g/L where it converts, else as reported.
pub fn value(result: &JudgedResult<'_>) -> String {
    let observation = result.current.observation;
    let Some(measured) = result.judged.measured else {
        return match observation.value.expose() {
            ReportedValue::BelowScale => "below the instrument's scale".to_owned(),
            ReportedValue::Undetectable => "undetectable".to_owned(),
            ReportedValue::Amount(_)
            | ReportedValue::Range(..)
            | ReportedValue::Absent
            | ReportedValue::Unreadable(_) => "without a value".to_owned(),
        };
    };
    let unit = if result.judged.in_gram_per_litre {
        "g/L".to_owned()
    } else {
        observation.unit.shown()
    };
    let number = if measured.from == measured.to {
        as_sent(measured.to)
    } else {
        format!("{}-{}", as_sent(measured.from), as_sent(measured.to))
    };
    format!("{}{number} {unit}", measured.comparator.symbol())
        .trim_end()
        .to_owned()
}

/// The number alone where it is in g/L, else with its unit.
fn bare(result: &JudgedResult<'_>) -> String {
    let shown = value(result);
    match shown.strip_suffix(" g/L") {
        Some(number) => number.to_owned(),
        None => shown,
    }
}

/// Whether two versions say the same, however they write it.
fn same_value(a: &JudgedResult<'_>, b: &JudgedResult<'_>) -> bool {
    let same_unit = a.judged.in_gram_per_litre && b.judged.in_gram_per_litre
        || a.current.observation.unit == b.current.observation.unit;
    match (a.judged.measured, b.judged.measured) {
        (Some(a), Some(b)) => a == b && same_unit,
        (None, None) => value(a) == value(b),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// `reported 21 mg/dL; limit 0.40, lab interval`.
fn grounds(result: &JudgedResult<'_>) -> String {
    let observation = result.current.observation;
    let mut parts = Vec::new();
    if result.judged.in_gram_per_litre && observation.unit != Unit::GramPerLitre {
        parts.push(format!("reported {}", observation.shown.reported.expose()));
    }
    let limit = result.judged.limits.low.map(as_sent);
    let by = match result.judged.interval_source {
        Some(IntervalSource::Obx7) => "lab interval",
        Some(IntervalSource::Flag) => "flagged low by the laboratory",
        Some(IntervalSource::Site) => "site interval",
        Some(IntervalSource::BuiltIn) => "built-in interval",
        None => "no interval",
    };
    parts.push(match (result.judged.interval_source, limit) {
        (Some(IntervalSource::Flag) | None, _) | (_, None) => by.to_owned(),
        (Some(_), Some(limit)) => format!("limit {limit}, {by}"),
    });
    if result.judged.notes.contains(&Note::ReportedAsZero) {
        parts.push("reported as zero".to_owned());
    }
    parts.join("; ")
}

/// Same order, same specimen or same collection time.
fn same_sample(a: &JudgedResult<'_>, b: &JudgedResult<'_>) -> bool {
    let (x, y) = (a.current.observation, b.current.observation);
    let specimen = x.shown.specimen_id.expose();
    let times = a.observed().zip(b.observed());
    times.is_some_and(|(a, b)| a.at == b.at)
        || x.id.patient == y.id.patient
            && (x.id.order == y.id.order
                || !specimen.is_empty() && specimen == y.shown.specimen_id.expose())
}

/// `IgG 11.0 g/L`, with its day where it is of another sample than the IgM.
fn companion(name: &str, result: &JudgedResult<'_>, igm: &JudgedResult<'_>) -> String {
    let amount = value(result);
    if same_sample(result, igm) {
        format!("{name} {amount}")
    } else {
        format!("{name} {amount} of {}", day_of(result))
    }
}

/// What is wrong with a part that is not known, as a clause: `IgA not measured within 30 days`.
fn gap(name: &str, part: &Part<'_>, detection: &Detection) -> Option<String> {
    let window = detection.concurrent_window.whole_days();
    match part {
        Part::Concurrent(_) => None,
        Part::Stale(result) => Some(format!(
            "{name} not measured within {window} days (last {} on {})",
            value(result),
            day_of(result)
        )),
        Part::Unusable(_, why) => Some(format!("{name} not usable ({})", short(*why))),
        Part::Missing => Some(format!("{name} not measured within {window} days")),
    }
}

/// `with normal IgG 11.0 and IgA 2.0 g/L from the same sample`.
fn beside(anchor: &Anchor<'_>) -> String {
    let igm = &anchor.igm;
    let known: Vec<_> = [("IgG", &anchor.panel.igg), ("IgA", &anchor.panel.iga)]
        .into_iter()
        .filter_map(|(name, part)| match part {
            Part::Concurrent(result) => Some((name, result)),
            Part::Stale(_) | Part::Unusable(..) | Part::Missing => None,
        })
        .collect();
    if known.is_empty() {
        return String::new();
    }
    let all_normal = known
        .iter()
        .all(|(_, result)| result.state() == State::Normal);
    let mut list: Vec<_> = known
        .iter()
        .map(|(name, result)| {
            let amount = companion(name, result, igm);
            match result.state() {
                _ if all_normal => amount,
                State::NotLow => format!("{amount} (not low)"),
                state => format!("{amount} ({})", state.word()),
            }
        })
        .collect();
    let sample = if known.iter().all(|(_, result)| same_sample(result, igm)) {
        " from the same sample"
    } else {
        ""
    };
    // `IgG 11.0 and IgA 2.0 g/L`: a unit that both have is said once.
    if let [first, second] = list.as_mut_slice()
        && second.ends_with(" g/L")
        && let Some(number) = first.strip_suffix(" g/L")
    {
        *first = number.to_owned();
    }
    format!(
        " with {}{}{sample}",
        if all_normal { "normal " } else { "" },
        list.join(" and ")
    )
}

/// What is known of a low IgM from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Now,
    /// It was low before, in the same episode.
    Since {
        /// Day of the first collection.
        first: Date,
    },
    /// It was low before and is confirmed.
    Persistent {
        /// Day of the first collection.
        first: Date,
    },
}

impl Seen {
    fn words(self) -> String {
        match self {
            Self::Now => "first time seen".to_owned(),
            Self::Since { first } => format!("first seen low on {}", day(first)),
            Self::Persistent { first } => format!("persistently low since {}", day(first)),
        }
    }
}

/// The sentence of a first sight, by the row that fired.
pub fn detected(anchor: &Anchor<'_>, seen: Seen, detection: &Detection) -> String {
    let igm = &anchor.igm;
    let (amount, grounds) = (value(igm), grounds(igm));
    let gaps: Vec<_> = [("IgG", &anchor.panel.igg), ("IgA", &anchor.panel.iga)]
        .into_iter()
        .filter_map(|(name, part)| gap(name, part, detection))
        .collect();
    let beside = beside(anchor);
    let sight = match anchor.verdict.rule {
        Rule::R8 => {
            let weeks = detection.confirm_after.whole_days() / 7;
            let course = match seen {
                Seen::Persistent { .. } => seen.words(),
                Seen::Now | Seen::Since { .. } => format!(
                    "{}; repeat after {weeks} weeks or more to see if it persists",
                    seen.words()
                ),
            };
            return format!("IgM {amount} ({grounds}){beside}; {course}.");
        }
        Rule::R9 => format!(
            "Low IgM {amount} ({grounds}){beside}; IgG is under immunoglobulin replacement and does not show isolation."
        ),
        Rule::R10 => format!(
            "Low IgM {amount} ({grounds}){beside} in an infant, whose IgG is still the mother's."
        ),
        Rule::R5b => format!(
            "Low IgM {amount} ({grounds}){beside}; a low but detectable IgA can be immaturity at this age."
        ),
        Rule::R12 | Rule::R13 => format!(
            "Low IgM {amount} ({grounds}){beside}; {}, so isolation is not shown.",
            gaps.join(", ")
        ),
        Rule::R0
        | Rule::R1
        | Rule::R2
        | Rule::R3
        | Rule::R4
        | Rule::R5
        | Rule::R6
        | Rule::R7
        | Rule::R11
        | Rule::R14 => standing(anchor, detection),
    };
    match seen {
        Seen::Now => sight,
        Seen::Since { .. } | Seen::Persistent { .. } => {
            let words = seen.words();
            let first = words.get(..1).unwrap_or_default().to_uppercase();
            format!("{sight} {first}{}.", words.get(1..).unwrap_or_default())
        }
    }
}

/// What one IgM of known state amounts to, without any history.
pub fn standing(anchor: &Anchor<'_>, detection: &Detection) -> String {
    let igm = &anchor.igm;
    let amount = value(igm);
    match anchor.verdict.rule {
        Rule::R0 | Rule::R1 => "No IgM that can be judged.".to_owned(),
        Rule::R2 => {
            let word = match igm.state() {
                State::High => "high",
                State::NotLow => "not low",
                State::Low | State::Normal | State::Unknown(_) => "within its interval",
            };
            format!("IgM {amount} of {} is {word}.", day(anchor.observed.date))
        }
        Rule::R3 | Rule::R4 | Rule::R5 | Rule::R6 | Rule::R7 => {
            format!(
                "Low IgM {amount} ({}) {}; not isolated.{}",
                grounds(igm),
                with_others(anchor),
                hints(anchor)
            )
        }
        Rule::R11 => {
            let parts = [("IgG", &anchor.panel.igg), ("IgA", &anchor.panel.iga)];
            let old: Vec<_> = parts
                .into_iter()
                .filter(|(_, part)| part.is_stale_low())
                .filter_map(|(name, part)| {
                    let result = part.result()?;
                    Some(format!("{name} {} of {}", value(result), day_of(result)))
                })
                .collect();
            format!(
                "Low IgM {amount}, but an earlier {} was low: measure again before calling it isolated.",
                old.join(" and ")
            )
        }
        Rule::R14 => format!(
            "Low IgM {amount} with a panel that fits no row: a person must look at IgG and IgA."
        ),
        Rule::R5b | Rule::R8 | Rule::R9 | Rule::R10 | Rule::R12 | Rule::R13 => {
            detected(anchor, Seen::Now, detection)
        }
    }
}

/// `with low IgG 4.1 g/L (limit 7.0) and low IgA 0.40 g/L (limit 0.70)`.
fn with_others(anchor: &Anchor<'_>) -> String {
    let list: Vec<_> = [("IgG", &anchor.panel.igg), ("IgA", &anchor.panel.iga)]
        .into_iter()
        .filter_map(|(name, part)| {
            let result = part.result()?;
            let (word, limit) = match part.state()? {
                State::Low => ("low", result.judged.limits.low),
                State::High => ("high", result.judged.limits.high),
                State::Normal | State::NotLow | State::Unknown(_) => return None,
            };
            let limit =
                limit.map_or_else(String::new, |limit| format!(" (limit {})", as_sent(limit)));
            Some(format!(
                "{word} {}{limit}",
                companion(name, result, anchor.igm)
            ))
        })
        .collect();
    format!("with {}", list.join(" and "))
}

/// What to think of first (6.4, 6.8): neutral, one sentence each.
fn hints(anchor: &Anchor<'_>) -> String {
    let mut hints = String::new();
    if severity::infant_row(&anchor.gravity, anchor.verdict.rule) {
        hints.push_str(
            " Agammaglobulinaemia or severe combined immunodeficiency is possible in an infant.",
        );
    }
    if severity::boy_row(&anchor.gravity, &anchor.panel) {
        hints.push_str(" Low IgM with high IgA in a young boy can be Wiskott-Aldrich syndrome.");
    } else if anchor.verdict.classification == Classification::LowIgmWithHighIggOrIga {
        hints.push_str(" Exclude a monoclonal protein.");
    }
    hints
}

/// What stands beside every finding: secondary causes, identity, age. Empty, or begins with a space.
pub fn remarks(anchor: &Anchor<'_>, related: &[Related<'_>], person: &Demographics) -> String {
    let mut text = String::new();
    let mut causes: Vec<&str> = related
        .iter()
        .flat_map(|related| related.rows_at(&anchor.age))
        .filter(|row| row.classes.contains(&Class::Secondary))
        .map(|row| row.label.as_str())
        .collect();
    causes.sort_unstable();
    causes.dedup();
    if !causes.is_empty() {
        text.push_str(&format!(
            " Possible secondary cause: {}.",
            causes.join(", ")
        ));
    }
    if matches!(anchor.age, super::age::AgeReading::Unknown) {
        text.push_str(if anchor.verdict.reason == Some("age_unknown") {
            " Age unknown: adult limits were used."
        } else {
            " Age unknown."
        });
    }
    if person.unreliable {
        text.push_str(" The patient's identity is marked as unreliable.");
    }
    if person.dead {
        text.push_str(" The patient has died.");
    }
    text
}

#[cfg(test)]
mod tests;
