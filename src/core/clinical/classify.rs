//! From a panel to a classification: CLINICAL 6.3, row by row in its printed order.

use super::Comparator;
use super::age::AgeReading;
use super::panel::{JudgedResult, Panel, Part};
use super::state::{IntervalSource, Judged, State, Why};
use crate::core::policy::{AgeSpan, Detection};
use serde::Serialize;

/// A row of CLINICAL 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Rule {
    /// No IgM.
    R0,
    /// IgM not to be judged.
    R1,
    /// IgM not low.
    R2,
    /// All three low.
    R3,
    /// IgG low.
    R4,
    /// IgA low.
    R5,
    /// IgA low but detectable, 1 to 4 years.
    #[serde(rename = "R5b")]
    R5b,
    /// IgG high.
    R6,
    /// IgA high.
    R7,
    /// Isolated, complete.
    R8,
    /// IgG under replacement.
    R9,
    /// Under 6 months.
    R10,
    /// An earlier IgG or IgA was low.
    R11,
    /// One of IgG and IgA is missing.
    R12,
    /// Both are missing.
    R13,
    /// Nothing fits.
    R14,
}

impl Rule {
    /// `R8`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::R0 => "R0",
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
            Self::R4 => "R4",
            Self::R5 => "R5",
            Self::R5b => "R5b",
            Self::R6 => "R6",
            Self::R7 => "R7",
            Self::R8 => "R8",
            Self::R9 => "R9",
            Self::R10 => "R10",
            Self::R11 => "R11",
            Self::R12 => "R12",
            Self::R13 => "R13",
            Self::R14 => "R14",
        }
    }
}

/// What a panel amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// No IgM was ever reported.
    None,
    /// Cannot be told.
    Indeterminate,
    /// IgM is not low.
    IgmNormal,
    /// IgG, IgA and IgM low.
    Panhypogammaglobulinaemia,
    /// IgM and IgG low.
    LowIgmWithLowIgg,
    /// IgM and IgA low.
    LowIgmWithLowIga,
    /// IgM low, IgG or IgA high.
    LowIgmWithHighIggOrIga,
    /// What Pentamer looks for.
    IsolatedLowIgm,
}

impl Classification {
    /// As in the alert's JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Indeterminate => "indeterminate",
            Self::IgmNormal => "igm_normal",
            Self::Panhypogammaglobulinaemia => "panhypogammaglobulinaemia",
            Self::LowIgmWithLowIgg => "low_igm_with_low_igg",
            Self::LowIgmWithLowIga => "low_igm_with_low_iga",
            Self::LowIgmWithHighIggOrIga => "low_igm_with_high_igg_or_iga",
            Self::IsolatedLowIgm => "isolated_low_igm",
        }
    }

    /// R3 to R7: low IgM that is not alone.
    pub const fn is_other_pattern(self) -> bool {
        matches!(
            self,
            Self::Panhypogammaglobulinaemia
                | Self::LowIgmWithLowIgg
                | Self::LowIgmWithLowIga
                | Self::LowIgmWithHighIggOrIga
        )
    }
}

/// How much of the panel carries the classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing to be sure of: no verdict, or IgM not low.
    None,
    /// All that the row needs.
    Complete,
    /// Isolated as far as it can be seen.
    Provisional,
    /// An other pattern with one part unknown.
    Partial,
}

impl Tier {
    /// As in the alert's JSON, which knows no empty tier.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None | Self::Complete => "complete",
            Self::Provisional => "provisional",
            Self::Partial => "partial",
        }
    }
}

/// The outcome for one IgM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The row that fired.
    pub rule: Rule,
    /// Its classification.
    pub classification: Classification,
    /// Its tier.
    pub tier: Tier,
    /// `partial`, `infant`, …; for `indeterminate` the reason.
    pub reason: Option<&'static str>,
}

const fn verdict(
    rule: Rule,
    classification: Classification,
    tier: Tier,
    reason: Option<&'static str>,
) -> Verdict {
    Verdict {
        rule,
        classification,
        tier,
        reason,
    }
}

/// One year.
const YEAR: AgeSpan = AgeSpan {
    months: 12,
    days: 0,
};

/// R0: no IgM was reported.
pub const NO_IGM: Verdict = verdict(Rule::R0, Classification::None, Tier::None, None);

/// R1: there is IgM, but none that can be judged; `why` is the newest one's.
pub const fn indeterminate(why: Why) -> Verdict {
    verdict(
        Rule::R1,
        Classification::Indeterminate,
        Tier::None,
        Some(why.word()),
    )
}

/// Classifies an IgM of known state with its panel. `treated`: under immunoglobulin replacement.
///
/// The first matching row in the printed order R3, R6, R7, R4, R5, R5b, R8 … R14; an age that cannot
/// be told counts as 4 years or more.
pub fn classify(
    igm: &JudgedResult<'_>,
    panel: &Panel<'_>,
    age: &AgeReading,
    treated: bool,
    detection: &Detection,
) -> Verdict {
    use Classification as C;
    match igm.state() {
        State::Unknown(why) => return indeterminate(why),
        State::Normal | State::High | State::NotLow => {
            return verdict(Rule::R2, C::IgmNormal, Tier::None, None);
        }
        State::Low => {}
    }
    let (igg, iga) = (&panel.igg, &panel.iga);
    let (g_low, a_low) = (igg.is(State::Low), iga.is(State::Low));
    let complete_if = |part: &Part<'_>| {
        if part.state().is_some() {
            Tier::Complete
        } else {
            Tier::Partial
        }
    };
    let provisional =
        |rule, reason| verdict(rule, C::IsolatedLowIgm, Tier::Provisional, Some(reason));
    // IgG under replacement cannot prove normal; measured low or high it is what it is.
    let g_treated = treated && igg.is_unremarkable();
    let g_fine = igg.is_unremarkable() && !g_treated;
    let a_fine = iga.is_unremarkable();
    if g_low && a_low {
        return verdict(Rule::R3, C::Panhypogammaglobulinaemia, Tier::Complete, None);
    }
    if igg.is(State::High) {
        return verdict(Rule::R6, C::LowIgmWithHighIggOrIga, complete_if(iga), None);
    }
    if iga.is(State::High) {
        return verdict(Rule::R7, C::LowIgmWithHighIggOrIga, complete_if(igg), None);
    }
    if g_low {
        return verdict(Rule::R4, C::LowIgmWithLowIgg, complete_if(iga), None);
    }
    if a_low {
        let immature_span =
            age.is_below(detection.iga_min_age) == Some(true) && age.is_below(YEAR) != Some(true);
        let reach = iga_reach(iga, detection);
        if !immature_span || reach == IgaReach::BelowDetection {
            return verdict(Rule::R5, C::LowIgmWithLowIga, complete_if(igg), None);
        }
        if g_fine && reach == IgaReach::Detectable {
            return provisional(Rule::R5b, "iga_immature");
        }
    }
    let infant = age.is_below(detection.infant_age) == Some(true);
    if g_fine && a_fine && !infant {
        return if age_is_guessed(igm, panel, age) {
            provisional(Rule::R8, "age_unknown")
        } else {
            verdict(Rule::R8, C::IsolatedLowIgm, Tier::Complete, None)
        };
    }
    if g_treated && a_fine {
        return provisional(Rule::R9, "igg_treated");
    }
    if g_fine && a_fine {
        return provisional(Rule::R10, "infant");
    }
    let stale_low =
        |part: &Part<'_>, other: &Part<'_>| part.is_stale_low() && !other.is(State::Low);
    if stale_low(igg, iga) || stale_low(iga, igg) {
        return verdict(
            Rule::R11,
            C::Indeterminate,
            Tier::None,
            Some("stale_low_other"),
        );
    }
    let absent = |part: &Part<'_>| part.state().is_none();
    if (absent(igg) && a_fine) || (g_fine && absent(iga)) {
        return provisional(Rule::R12, "partial");
    }
    if absent(igg) && absent(iga) {
        return provisional(Rule::R13, "igm_only");
    }
    verdict(
        Rule::R14,
        C::Indeterminate,
        Tier::None,
        Some("unclassified"),
    )
}

/// What a low IgA says about detection (R5, R5b).
#[derive(Clone, Copy, PartialEq, Eq)]
enum IgaReach {
    BelowDetection,
    Detectable,
    CannotTell,
}

/// Detectable is a number over `iga_detectable_above`; below detection is `<x`, a value below the
/// instrument's scale, or a number that is not over it.
fn iga_reach(iga: &Part<'_>, detection: &Detection) -> IgaReach {
    let Some(judged) = iga.result().map(|result| &result.judged) else {
        return IgaReach::CannotTell;
    };
    match judged.measured {
        None => IgaReach::BelowDetection,
        Some(measured) if matches!(measured.comparator, Comparator::Below | Comparator::AtMost) => {
            IgaReach::BelowDetection
        }
        Some(_) => match judged.value_gl() {
            Some(value) if value > detection.iga_detectable_above => IgaReach::Detectable,
            Some(_) => IgaReach::BelowDetection,
            None => IgaReach::CannotTell,
        },
    }
}

/// Unknown age and a built-in adult row behind any of the three (6.3, CLINICAL 9.13).
fn age_is_guessed(igm: &JudgedResult<'_>, panel: &Panel<'_>, age: &AgeReading) -> bool {
    let built_in = |judged: &Judged| judged.interval_source == Some(IntervalSource::BuiltIn);
    matches!(age, AgeReading::Unknown)
        && (built_in(&igm.judged)
            || [&panel.igg, &panel.iga]
                .into_iter()
                .filter_map(|part| part.result())
                .any(|result| built_in(&result.judged)))
}

/// What the subclasses add (6.3): `subclass_low`, `subclasses_normal` or `subclasses_unknown`.
pub fn subclass_qualifier(panel: &Panel<'_>) -> &'static str {
    let [igg1, igg2, igg3, igg4] = &panel.subclasses;
    let decisive = [igg1, igg2, igg3];
    if decisive.iter().any(|part| part.is(State::Low)) {
        "subclass_low"
    } else if decisive.iter().all(|part| part.state().is_some()) && igg4.state().is_some() {
        "subclasses_normal"
    } else {
        "subclasses_unknown"
    }
}

#[cfg(test)]
mod tests;
