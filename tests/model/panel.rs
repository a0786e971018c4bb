//! The panel beside an IgM and its row of CLINICAL 6.2, 6.3, and its severity by 6.5.

use super::person::{Beside, Person, beside};
use super::state::{Judged, State, judge};
use super::table::decimal;
use super::version::standing;
use pentamer::core::clinical::Comparator;
use pentamer::core::clinical::observation::Analyte;
use pentamer::core::policy::Policy;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::{Span, Timestamp};
use rust_decimal::Decimal;

/// What stands beside an IgM for one analyte.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Within 30 d.
    Now(Judged<'a>),
    /// Within 365 d.
    Stale(Judged<'a>),
    Missing,
}

impl Part<'_> {
    pub fn now(&self) -> Option<State> {
        match self {
            Part::Now(judged) => Some(judged.state),
            Part::Stale(_) | Part::Missing => None,
        }
    }

    fn is(&self, states: &[State]) -> bool {
        self.now().is_some_and(|state| states.contains(&state))
    }

    fn is_fine(&self) -> bool {
        self.is(&[State::Normal, State::NotLow])
    }

    /// Judged by the built-in table.
    fn is_of_the_table(&self) -> bool {
        matches!(self, Part::Now(judged) if judged.source == "built-in")
    }

    fn was_low(&self) -> bool {
        matches!(self, Part::Stale(judged) if judged.state == State::Low)
    }
}

/// The row that fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub rule: &'static str,
    pub classification: &'static str,
    pub tier: &'static str,
    pub reason: Option<&'static str>,
}

const fn verdict(
    rule: &'static str,
    classification: &'static str,
    tier: &'static str,
    reason: Option<&'static str>,
) -> Verdict {
    Verdict {
        rule,
        classification,
        tier,
        reason,
    }
}

/// An IgM of known state with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Point<'a> {
    pub igm: Judged<'a>,
    pub at: Timestamp,
    pub g: Part<'a>,
    pub a: Part<'a>,
    pub beside: Beside,
    pub verdict: Verdict,
    pub severe: bool,
    pub profound: bool,
}

impl Point<'_> {
    pub fn is_low(&self) -> bool {
        self.igm.state == State::Low
    }

    pub fn is_isolated(&self) -> bool {
        self.verdict.classification == "isolated_low_igm"
    }

    pub fn is_other(&self) -> bool {
        self.is_low() && matches!(self.verdict.rule, "R3" | "R4" | "R5" | "R6" | "R7")
    }

    pub fn has_low_company(&self) -> bool {
        self.g.now() == Some(State::Low) || self.a.now() == Some(State::Low)
    }
}

/// All results that stand, judged; two of one specimen that disagree are both unknown (6.2).
pub fn results<'a>(
    patient: &'a PooledPatient,
    person: &Person,
    policy: &Policy,
) -> Vec<Judged<'a>> {
    let judged: Vec<Judged<'a>> = standing(patient)
        .iter()
        .map(|standing| judge(standing, person, policy))
        .collect();
    // One specimen is one time of collection: where no tube has a number, nothing else tells.
    // Normal and NotLow do not contradict each other.
    let alike = |state| match state {
        State::NotLow => State::Normal,
        other => other,
    };
    let in_conflict = |one: &Judged<'_>| {
        judged.iter().any(|other| {
            other.id.analyte == one.id.analyte
                && one.at.is_some()
                && other.at == one.at
                && other.is_known()
                && one.is_known()
                && alike(other.state) != alike(one.state)
        })
    };
    judged
        .iter()
        .map(|one| {
            let mut one = one.clone();
            if in_conflict(&one) {
                one.state = State::Unknown("conflict");
            }
            one
        })
        .collect()
}

/// 6.2 with ruling 19: same order or specimen, else the nearest in time.
fn part<'a>(
    analyte: Analyte,
    igm: &Judged<'a>,
    at: Timestamp,
    all: &[Judged<'a>],
    policy: &Policy,
) -> Part<'a> {
    let far = |one: &Judged<'_>| {
        one.at
            .map_or(Span::days(1_000_000), |other| other.since(at).abs())
    };
    let mut usable: Vec<&Judged<'a>> = all
        .iter()
        .filter(|one| one.id.analyte == analyte && one.is_known())
        .filter(|one| far(one) <= policy.detection.context_window)
        // Stale is what is older (9.3: of a newer IgG tells a newer IgM).
        .filter(|one| far(one) <= policy.detection.concurrent_window || one.at < Some(at))
        .collect();
    usable.sort_by_key(|one| {
        let stale = far(one) > policy.detection.concurrent_window;
        let same_patient = one.id.patient == igm.id.patient;
        let same_tube = !one.specimen_id.is_empty() && one.specimen_id == igm.specimen_id;
        let kinship = match () {
            () if stale => 3,
            () if same_patient && one.id.order == igm.id.order => 0,
            () if same_patient && same_tube => 1,
            () => 2,
        };
        // Of two equally near the later ("newest", 6.2).
        (kinship, far(one), std::cmp::Reverse((one.at, one.id)))
    });
    match usable.first() {
        None => Part::Missing,
        Some(one) if far(one) <= policy.detection.concurrent_window => Part::Now((*one).clone()),
        Some(one) => Part::Stale((*one).clone()),
    }
}

/// 6.3, top to bottom as printed.
fn classify(igm: &Judged<'_>, g: &Part<'_>, a: &Part<'_>, treated: bool) -> Verdict {
    use State::{High, Low};
    let age = &igm.age;
    let known = |part: &Part<'_>| part.now().is_some();
    let complete_if = |known: bool| if known { "complete" } else { "partial" };
    if igm.state != Low {
        return verdict("R2", "igm_normal", "none", None);
    }
    if g.is(&[Low]) && a.is(&[Low]) {
        return verdict("R3", "panhypogammaglobulinaemia", "complete", None);
    }
    if g.is(&[High]) {
        return verdict(
            "R6",
            "low_igm_with_high_igg_or_iga",
            complete_if(known(a)),
            None,
        );
    }
    if a.is(&[High]) {
        return verdict(
            "R7",
            "low_igm_with_high_igg_or_iga",
            complete_if(known(g)),
            None,
        );
    }
    if g.is(&[Low]) {
        return verdict("R4", "low_igm_with_low_igg", complete_if(known(a)), None);
    }
    // "A detectable": a number, in g/L, above 0.07; "below detection": under some x, or a number that
    // is not above. In a unit that cannot be converted neither can be told.
    let (detectable, below_detection) = match a {
        Part::Now(a) => match (a.value, a.grams) {
            (None, _) | (Some((Comparator::Below | Comparator::AtMost, _)), _) => (false, true),
            (_, None) => (false, false),
            (_, Some(grams)) => (grams > decimal("0.07"), grams <= decimal("0.07")),
        },
        Part::Stale(_) | Part::Missing => (false, false),
    };
    let (infant, young) = (age.is_surely_below(12), age.is_surely_below(48));
    if a.is(&[Low]) && (infant || !young || below_detection) {
        return verdict("R5", "low_igm_with_low_iga", complete_if(known(g)), None);
    }
    if a.is(&[Low]) && g.is_fine() && !treated && detectable {
        return verdict(
            "R5b",
            "isolated_low_igm",
            "provisional",
            Some("iga_immature"),
        );
    }
    if treated && known(g) && a.is_fine() {
        return verdict("R9", "isolated_low_igm", "provisional", Some("igg_treated"));
    }
    if g.is_fine() && a.is_fine() && !treated {
        return if age.is_surely_below(6) {
            verdict("R10", "isolated_low_igm", "provisional", Some("infant"))
        } else if age.is_unknown()
            && (igm.source == "built-in" || g.is_of_the_table() || a.is_of_the_table())
        {
            verdict("R8", "isolated_low_igm", "provisional", Some("age_unknown"))
        } else {
            verdict("R8", "isolated_low_igm", "complete", None)
        };
    }
    if (g.was_low() || a.was_low()) && !a.is(&[Low]) {
        return verdict("R11", "indeterminate", "none", Some("stale_low_other"));
    }
    match (known(g), known(a)) {
        (true, false) if g.is_fine() && !treated => {
            verdict("R12", "isolated_low_igm", "provisional", Some("partial"))
        }
        (false, true) if a.is_fine() => {
            verdict("R12", "isolated_low_igm", "provisional", Some("partial"))
        }
        (false, false) => verdict("R13", "isolated_low_igm", "provisional", Some("igm_only")),
        _ => verdict("R14", "indeterminate", "none", Some("unclassified")),
    }
}

/// 6.5 with rulings 2 and 23: severe, and profound.
fn gravity(igm: &Judged<'_>) -> (bool, bool) {
    let Some((comparator, value)) = igm.value else {
        return (false, false);
    };
    let below = |limit: &str| {
        igm.grams.is_some_and(|grams| {
            grams < decimal(limit) || (comparator == Comparator::Below && grams <= decimal(limit))
        })
    };
    let half = |value: Option<Decimal>, low: Option<Decimal>| {
        value
            .zip(low)
            .is_some_and(|(value, low)| value + value < low)
    };
    let severe = if igm.grams.is_none() {
        half(Some(value), igm.low)
    } else if igm.age.is_surely_below(6) {
        half(igm.grams, igm.low_grams)
    } else {
        below("0.20")
    };
    (severe, below("0.05"))
}

/// Every final IgM of known state, in order of collection (9.4).
pub fn points<'a>(patient: &'a PooledPatient, person: &Person, policy: &Policy) -> Vec<Point<'a>> {
    let all = results(patient, person, policy);
    let mut igm: Vec<(Timestamp, Judged<'a>)> = all
        .iter()
        .filter(|one| one.id.analyte == Analyte::IgM && one.is_known())
        .filter_map(|one| Some((one.at?, one.clone())))
        .collect();
    igm.sort_by_key(|(at, one)| (*at, one.id));
    igm.into_iter()
        .map(|(at, igm)| {
            let g = part(Analyte::IgG, &igm, at, &all, policy);
            let a = part(Analyte::IgA, &igm, at, &all, policy);
            let beside = beside(&patient.associations, at, &igm.age);
            let (severe, profound) = gravity(&igm);
            Point {
                verdict: classify(&igm, &g, &a, beside.treated),
                igm,
                at,
                g,
                a,
                beside,
                severe,
                profound,
            }
        })
        .collect()
}
