//! One result -> a state (CLINICAL 6.1, rulings 1, 7, 9, 18).

use super::person::{Age, Person};
use super::table::{built_in, decimal};
use super::version::Standing;
use pentamer::core::clinical::observation::{
    Analyte, Flag, ReportedRange, ReportedValue, ResultId, Sex, Specimen,
};
use pentamer::core::clinical::{Comparator, Limits, Unit};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use rust_decimal::Decimal;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Low,
    Normal,
    High,
    NotLow,
    Unknown(&'static str),
}

/// A result that stands, judged.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    pub id: &'a ResultId,
    pub state: State,
    /// `OBX-7`, `flag`, `built-in`; empty where nothing served.
    pub source: &'static str,
    pub at: Option<Timestamp>,
    pub age: Age,
    pub specimen_id: &'a str,
    /// The value's comparator and number (of a range the upper end, "at most") as reported, and in g/L.
    pub value: Option<(Comparator, Decimal)>,
    pub grams: Option<Decimal>,
    /// The low limit as reported (`OBX-7`), and in g/L where it can be converted; of a table by flag.
    pub low: Option<Decimal>,
    pub low_grams: Option<Decimal>,
    pub received_at: Timestamp,
}

impl Judged<'_> {
    pub fn is_known(&self) -> bool {
        !matches!(self.state, State::Unknown(_))
    }
}

fn factor(unit: &Unit) -> Option<Decimal> {
    match unit {
        Unit::GramPerLitre => Some(decimal("1")),
        Unit::MilligramPerDecilitre => Some(decimal("0.01")),
        Unit::MilligramPerLitre => Some(decimal("0.001")),
        Unit::GramPerDecilitre => Some(decimal("10")),
        Unit::MicrogramPerDecilitre => Some(decimal("0.00001")),
        Unit::MicrogramPerLitre => Some(decimal("0.000001")),
        Unit::Other(_) | Unit::Missing => None,
    }
}

/// The laboratory's interval; of two by sex the lower low and the higher high limit where the sex is
/// unknown (9.7).
fn reported_limits(range: &ReportedRange, sex: Option<Sex>) -> Option<Limits> {
    match (range, sex) {
        (ReportedRange::None, _) => None,
        (ReportedRange::Plain(limits), _) => Some(*limits),
        (ReportedRange::BySex { male, .. }, Some(Sex::Male)) => Some(*male),
        (ReportedRange::BySex { female, .. }, Some(Sex::Female)) => Some(*female),
        (ReportedRange::BySex { male, female }, None) => Some(Limits {
            low: male.low.min(female.low),
            high: male.high.max(female.high),
        }),
    }
}

/// Step 6, with a value between `a` and `b` where it is a range.
fn compare(comparator: Comparator, a: Decimal, b: Decimal, limits: Limits) -> State {
    let over = |x: Decimal| limits.high.is_some_and(|high| x > high);
    let at_or_over = |x: Decimal| limits.high.is_some_and(|high| x >= high);
    let Some(low) = limits.low else {
        let high = match comparator {
            Comparator::Exactly | Comparator::About | Comparator::AtLeast => over(a),
            Comparator::Above => at_or_over(a),
            Comparator::Below | Comparator::AtMost => false,
        };
        return if high {
            State::High
        } else {
            State::Unknown("no_low_limit")
        };
    };
    match comparator {
        Comparator::Exactly | Comparator::About => {
            if b < low {
                State::Low
            } else if over(a) {
                State::High
            } else if a >= low && !over(b) {
                State::Normal
            } else if a >= low {
                State::NotLow
            } else {
                State::Unknown("comparator")
            }
        }
        Comparator::Below if a <= low => State::Low,
        Comparator::AtMost if a < low => State::Low,
        Comparator::Below | Comparator::AtMost => State::Unknown("comparator"),
        Comparator::Above if at_or_over(a) => State::High,
        Comparator::AtLeast if over(a) => State::High,
        Comparator::Above | Comparator::AtLeast if a >= low => State::NotLow,
        Comparator::Above | Comparator::AtLeast => State::Unknown("comparator"),
    }
}

pub fn judge<'a>(standing: &Standing<'a>, person: &Person, policy: &Policy) -> Judged<'a> {
    let version = standing.version;
    let age = match &version.observed {
        Some(observed) => Age::on(person.birth, observed.date),
        None => Age::Unknown,
    };
    let mut judged = Judged {
        id: &version.id,
        state: State::Unknown("undecided"),
        source: "",
        at: version.observed.as_ref().map(|observed| observed.at),
        age: age.clone(),
        specimen_id: version.shown.specimen_id.expose(),
        value: None,
        grams: None,
        low: None,
        low_grams: None,
        received_at: version.received_at,
    };
    judged.state = steps(&mut judged, standing, person, policy);
    judged
}

fn steps(
    judged: &mut Judged<'_>,
    standing: &Standing<'_>,
    person: &Person,
    policy: &Policy,
) -> State {
    let version = standing.version;
    let analyte = version.id.analyte;
    let age = judged.age.clone();
    let factor = factor(&version.unit);

    // 1, 2, and what has no place in time (6.2, 6.7).
    if version.id.specimen == Specimen::Cord {
        return State::Unknown("cord_blood");
    }
    if !standing.is_final {
        return State::Unknown("preliminary");
    }
    if version.observed.is_none() {
        return State::Unknown("no_time");
    }
    if matches!(age, Age::BeforeBirth) {
        return State::Unknown("age_invalid");
    }
    // 3.
    let (comparator, a, b) = match version.value.expose() {
        ReportedValue::Amount(amount) => (amount.comparator, amount.value, amount.value),
        ReportedValue::Range(a, b) => (Comparator::About, *a, *b),
        ReportedValue::BelowScale => {
            judged.source = "flag";
            return State::Low;
        }
        ReportedValue::Absent => return State::Unknown("no_value"),
        ReportedValue::Undetectable => return State::Unknown("undetectable"),
        ReportedValue::Unreadable(_) => return State::Unknown("non_numeric"),
    };
    judged.value = Some((comparator, b));
    judged.grams = factor.map(|factor| b * factor);

    // 4, 5, 6.
    let table = built_in(analyte, &age);
    let state = if let Some(limits) = reported_limits(&version.range, person.sex) {
        judged.source = "OBX-7";
        judged.low = limits.low;
        judged.low_grams = limits.low.zip(factor).map(|(low, factor)| low * factor);
        compare(comparator, a, b, limits)
    } else if let Some(flag) = version.flag {
        judged.source = "flag";
        judged.low_grams = table.and_then(|table| table.low);
        match flag {
            Flag::Low | Flag::VeryLow => State::Low,
            Flag::High | Flag::VeryHigh => State::High,
            Flag::Normal => State::Normal,
        }
    } else {
        let table = table.filter(|_| policy.detection.use_builtin_intervals);
        let Some(table) = table else {
            return State::Unknown("no_interval");
        };
        let Some(factor) = factor else {
            return State::Unknown("unit");
        };
        judged.source = "built-in";
        judged.low = table.low.map(|low| low / factor);
        judged.low_grams = table.low;
        compare(comparator, a * factor, b * factor, table)
    };

    // 8: unit slips, then what no serum holds.
    let against = match judged.source {
        "flag" => judged.grams.zip(judged.low_grams),
        _ => Some(b).zip(judged.low),
    };
    if against.is_some_and(|(value, low)| low > Decimal::ZERO && value / low > decimal("50")) {
        return State::Unknown("unit_suspect");
    }
    if judged.source == "OBX-7"
        && let Some(factor) = factor
        && let Some(sent) = reported_limits(&version.range, person.sex).and_then(|one| one.high)
        && let Some(known) = table.and_then(|table| table.high)
    {
        let ratio = sent * factor / known;
        // Where the age leaves it open, it may be an infant.
        let (least, most) = if !age.youngest_has_reached(6, 0) {
            (decimal("0.05"), decimal("20"))
        } else {
            (decimal("0.2"), decimal("5"))
        };
        if ratio < least || ratio > most {
            return State::Unknown("unit_suspect");
        }
    }
    let most = match analyte {
        Analyte::IgM | Analyte::IgA => decimal("100"),
        _ => decimal("150"),
    };
    if a < Decimal::ZERO || factor.is_some_and(|factor| b * factor > most) {
        return State::Unknown("implausible");
    }
    // 7.
    if judged.source == "OBX-7" {
        let low_flag = matches!(version.flag, Some(Flag::Low | Flag::VeryLow));
        let other_flag = matches!(
            version.flag,
            Some(Flag::Normal | Flag::High | Flag::VeryHigh)
        );
        let on_the_limit = a == b
            && comparator == Comparator::Exactly
            && judged.low == Some(a)
            && matches!(version.flag, Some(Flag::Low | Flag::Normal));
        let disagree = (low_flag && matches!(state, State::Normal | State::High | State::NotLow))
            || (other_flag && state == State::Low);
        if disagree && !on_the_limit {
            return State::Unknown("flag_interval_disagreement");
        }
    }
    state
}
