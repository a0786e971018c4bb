//! How pressing it is (CLINICAL 6.5, with rulings 2, 12, 13, 16, 17, 23).

use super::Comparator;
use super::age::AgeReading;
use super::classify::{Rule, Tier, Verdict};
use super::observation::Sex;
use super::panel::{JudgedResult, Panel};
use super::related::Flags;
use super::state::{IntervalSource, State};
use crate::core::episode::Severity;
use crate::core::policy::{AgeSpan, Detection};
use rust_decimal::Decimal;

/// Two years: profound and severe below it is urgent.
const TWO_YEARS: AgeSpan = AgeSpan {
    months: 24,
    days: 0,
};
/// One year: infants with R3 or R5.
const ONE_YEAR: AgeSpan = AgeSpan {
    months: 12,
    days: 0,
};
/// Five years: boys with low IgM and high IgA.
const FIVE_YEARS: AgeSpan = AgeSpan {
    months: 60,
    days: 0,
};
/// Six months: under it the value is measured by its own low limit.
const HALF_A_YEAR: AgeSpan = AgeSpan { months: 6, days: 0 };

/// What makes one IgM more or less pressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gravity {
    /// 6.5 `severe`.
    pub severe: bool,
    /// 6.5 `profound`.
    pub profound: bool,
    /// Known to be under two years.
    pub under_two: bool,
    /// Known to be under one year.
    pub under_one: bool,
    /// Known to be a boy under five years.
    pub boy_under_five: bool,
    /// Judged by the built-in adult row because the age is not known.
    pub limit_guessed: bool,
    /// The diagnoses and drugs beside it.
    pub flags: Flags,
}

/// How grave a low IgM is by itself and with what stands beside it.
pub fn gravity(
    igm: &JudgedResult<'_>,
    age: &AgeReading,
    sex: Option<Sex>,
    flags: Flags,
    detection: &Detection,
) -> Gravity {
    let young = |span| age.is_below(span) == Some(true);
    Gravity {
        severe: severe(igm, age, detection),
        profound: under(igm, detection.profound_below),
        under_two: young(TWO_YEARS),
        under_one: young(ONE_YEAR),
        boy_under_five: young(FIVE_YEARS) && sex == Some(Sex::Male),
        limit_guessed: matches!(age, AgeReading::Unknown)
            && igm.judged.interval_source == Some(IntervalSource::BuiltIn),
        flags,
    }
}

/// v < x, or `<v` with v <= x, in g/L.
fn under(igm: &JudgedResult<'_>, x: Decimal) -> bool {
    let below = igm
        .judged
        .measured
        .is_some_and(|measured| measured.comparator == Comparator::Below);
    igm.judged
        .value_gl()
        .is_some_and(|v| v < x || (below && v == x))
}

fn severe(igm: &JudgedResult<'_>, age: &AgeReading, detection: &Detection) -> bool {
    let half = Decimal::new(5, 1);
    if igm.state() != State::Low {
        return false;
    }
    match igm.judged.value_gl() {
        Some(_) if age.is_below(HALF_A_YEAR) != Some(true) => under(igm, detection.severe_below),
        // `<x` counts as v = x (CLINICAL 9.23).
        Some(_) | None => igm.judged.ratio.is_some_and(|ratio| ratio < half),
    }
}

/// Severe with a class U association, or severe and profound under two years (CLINICAL 9.2).
const fn urgent(gravity: &Gravity) -> bool {
    gravity.severe && (gravity.flags.urgent || (gravity.under_two && gravity.profound))
}

/// Class P on `detected`; class S in another row lowers it unless class U is there (CLINICAL 9.12).
const fn prompted(flags: &Flags) -> bool {
    flags.prompt_stands || (flags.prompt && (!flags.secondary || flags.urgent))
}

/// Of `detected`: provisional tiers are routine unless severe; with an IgM limit guessed for an unknown
/// age it is never more (6.3, CLINICAL 9.13). A guessed interval of IgG or IgA makes the tier
/// provisional, but an IgM that is severe by the laboratory's own limit stays so.
pub fn of_detected(gravity: &Gravity, verdict: &Verdict) -> Severity {
    if verdict.reason == Some("age_unknown") && gravity.limit_guessed {
        Severity::Routine
    } else if urgent(gravity) {
        Severity::Urgent
    } else if gravity.severe || (verdict.tier == Tier::Complete && prompted(&gravity.flags)) {
        Severity::Prompt
    } else {
        Severity::Routine
    }
}

/// Of `confirmed`: prompt, which nothing lowers, or urgent.
pub const fn of_confirmed(gravity: &Gravity) -> Severity {
    if urgent(gravity) {
        Severity::Urgent
    } else {
        Severity::Prompt
    }
}

/// Of `progressed`: prompt; urgent also for R3 under two years, and in the infant rows, which are no
/// less urgent because an episode is open (6.5).
pub fn of_progressed(gravity: &Gravity, rule: Rule) -> Severity {
    let young = (rule == Rule::R3 && gravity.under_two) || infant_row(gravity, rule);
    if urgent(gravity) || young {
        Severity::Urgent
    } else {
        Severity::Prompt
    }
}

/// R3 or R5 under one year: possible agammaglobulinaemia.
pub const fn infant_row(gravity: &Gravity, rule: Rule) -> bool {
    gravity.under_one && matches!(rule, Rule::R3 | Rule::R5)
}

/// A boy under five with high IgA: Wiskott-Aldrich.
pub fn boy_row(gravity: &Gravity, panel: &Panel<'_>) -> bool {
    gravity.boy_under_five && panel.iga.is(State::High)
}

/// Of `other_pattern`, by 6.5 (CLINICAL 9.16).
pub fn of_other(gravity: &Gravity, rule: Rule, panel: &Panel<'_>) -> Severity {
    if urgent(gravity) || infant_row(gravity, rule) {
        Severity::Urgent
    } else if gravity.severe || prompted(&gravity.flags) || boy_row(gravity, panel) {
        Severity::Prompt
    } else {
        Severity::Routine
    }
}

/// Whether `detected` is for a page by 6.4, before what holds pages back (age of the evidence, known
/// patients, death).
pub fn wants_page(
    gravity: &Gravity,
    verdict: &Verdict,
    severity: Severity,
    detection: &Detection,
) -> bool {
    let by_row = match verdict.rule {
        Rule::R8 | Rule::R12 | Rule::R9 | Rule::R5b => true,
        Rule::R13 => gravity.severe || detection.page_igm_only,
        Rule::R10 => gravity.severe || gravity.flags.urgent,
        Rule::R0
        | Rule::R1
        | Rule::R2
        | Rule::R3
        | Rule::R4
        | Rule::R5
        | Rule::R6
        | Rule::R7
        | Rule::R11
        | Rule::R14 => false,
    };
    by_row && (detection.page_unconfirmed || severity == Severity::Urgent)
}

/// Whether `other_pattern` is for a page by 6.4.
pub fn other_wants_page(
    gravity: &Gravity,
    rule: Rule,
    panel: &Panel<'_>,
    detection: &Detection,
) -> bool {
    detection.page_other_patterns
        || (infant_row(gravity, rule) && detection.page_infant_agamma)
        || boy_row(gravity, panel)
}

#[cfg(test)]
mod tests;
