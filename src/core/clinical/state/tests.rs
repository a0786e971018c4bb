//! States, step by step of CLINICAL 6.1.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{IntervalSource, Judged, Note, State, Why, state};
use crate::core::clinical::observation::{
    BirthDate, Flag, ReportedRange, ReportedValue, Sex, Specimen,
};
use crate::core::clinical::sample::{DAY_0, Sample, iga, igg, igm, number};
use crate::core::clinical::version::current;
use crate::core::clinical::{Limits, Unit};
use crate::core::fact::Reason;
use crate::core::policy::Policy;
use jiff::ToSpan as _;

fn born(months: i64) -> BirthDate {
    let day = DAY_0.checked_sub(months.months()).expect("a date");
    BirthDate {
        earliest: day,
        latest: day,
    }
}

fn judged_as(
    sample: Sample,
    sex: Option<Sex>,
    birth: Option<&BirthDate>,
    policy: &Policy,
) -> Judged {
    let observations = [sample.build()];
    let stands = current(&observations, &[]);
    state(&stands[0].current, sex, birth, policy)
}

fn judged(sample: Sample) -> Judged {
    judged_as(
        sample,
        Some(Sex::Female),
        Some(&born(400)),
        &Policy::built_in(),
    )
}

fn of(sample: Sample) -> State {
    judged(sample).state
}

const COMPARATOR: State = State::Unknown(Why::Comparator);

#[test]
fn the_table_of_comparators() {
    for (value, want) in [
        ("0.39", State::Low),
        ("0.4", State::Normal),
        ("2.3", State::Normal),
        ("2.31", State::High),
        ("<0.4", State::Low),
        ("<0.41", COMPARATOR),
        ("<=0.39", State::Low),
        ("<=0.4", COMPARATOR),
        (">2.3", State::High),
        (">2.2", State::NotLow),
        (">0.4", State::NotLow),
        (">0.39", COMPARATOR),
        (">=2.3", State::NotLow),
        (">=2.31", State::High),
        (">=0.39", COMPARATOR),
        ("~0.3", State::Low),
        ("~0.4", State::Normal),
        ("0.2..0.39", State::Low),
        ("0.2..0.4", COMPARATOR),
        ("0.4..2.3", State::Normal),
        ("0.4..2.4", State::NotLow),
        ("2.31..2.4", State::High),
    ] {
        assert_eq!(of(igm("1", 0, value)), want, "{value}");
    }
}

#[test]
fn a_limit_that_is_not_there_cannot_be_violated() {
    assert_eq!(of(igm("1", 0, "0.1").range("0.4", "")), State::Low);
    assert_eq!(of(igm("1", 0, "9").range("0.4", "")), State::Normal);
    assert_eq!(of(igm("1", 0, "9").range("", "2.3")), State::High);
    assert_eq!(
        of(igm("1", 0, "0.1").range("", "2.3")),
        State::Unknown(Why::NoLowLimit)
    );
    // Upside down is no interval: the built-in row judges.
    let upside_down = judged(igm("1", 0, "0.3").range("2.3", "0.4"));
    assert_eq!(upside_down.state, State::Low);
    assert_eq!(upside_down.interval_source, Some(IntervalSource::BuiltIn));
}

#[test]
fn sources_in_their_order() {
    let source = |sample| {
        let judged = judged(sample);
        (judged.state, judged.interval_source)
    };
    assert_eq!(
        source(igm("1", 0, "0.3").flag(Flag::Low)),
        (State::Low, Some(IntervalSource::Obx7))
    );
    assert_eq!(
        source(igm("1", 0, "0.5").no_range().flag(Flag::Low)),
        (State::Low, Some(IntervalSource::Flag)),
        "the laboratory's own limits outrank our table"
    );
    assert_eq!(
        source(igm("1", 0, "0.3").no_range().flag(Flag::Normal)),
        (State::Normal, Some(IntervalSource::Flag))
    );
    assert_eq!(
        source(igm("1", 0, "3").no_range().flag(Flag::VeryHigh)),
        (State::High, Some(IntervalSource::Flag))
    );
    assert_eq!(
        source(igm("1", 0, "0.3").no_range()),
        (State::Low, Some(IntervalSource::BuiltIn))
    );
    let mut policy = Policy::built_in();
    policy.detection.use_builtin_intervals = false;
    let none = judged_as(igm("1", 0, "0.3").no_range(), None, None, &policy);
    assert_eq!(none.state, State::Unknown(Why::NoInterval));
    // The table is shown beside a flag.
    let shown = judged(igm("1", 0, "0.3").no_range().flag(Flag::Low));
    assert_eq!(shown.limits.low, Some(number("0.4")));
    assert!(shown.low_by_flag);
}

#[test]
fn a_unit_that_cannot_be_converted_needs_the_laboratorys_word() {
    let iu = || Unit::Other("kIU/L".to_owned());
    let against = judged(igm("1", 0, "20").unit(iu()).range("40", "230"));
    assert_eq!(against.state, State::Low);
    assert_eq!(against.value_gl(), None);
    assert_eq!(against.ratio, Some(number("0.5")));
    assert!(!against.in_gram_per_litre);
    assert_eq!(
        of(igm("1", 0, "20").unit(iu()).no_range().flag(Flag::Low)),
        State::Low
    );
    assert_eq!(
        of(igm("1", 0, "20").unit(iu()).no_range()),
        State::Unknown(Why::Unit)
    );
    assert_eq!(
        of(igm("1", 0, "0.3").unit(Unit::Missing).no_range()),
        State::Unknown(Why::Unit)
    );
}

#[test]
fn everything_is_converted_exactly() {
    let milligrams = judged(
        igm("1", 0, "21")
            .unit(Unit::MilligramPerDecilitre)
            .range("40", "230"),
    );
    assert_eq!(milligrams.state, State::Low);
    assert_eq!(milligrams.value_gl(), Some(number("0.21")));
    assert_eq!(milligrams.limits.low, Some(number("0.4")));
    assert_eq!(milligrams.limits.high, Some(number("2.3")));
}

#[test]
fn values_that_are_none() {
    for (value, why) in [
        (ReportedValue::Absent, Why::NoValue),
        (ReportedValue::Undetectable, Why::Undetectable),
        (
            ReportedValue::Unreadable(Reason::TextValue),
            Why::NonNumeric(Reason::TextValue),
        ),
    ] {
        assert_eq!(
            of(igm("1", 0, "0").value(value).flag(Flag::Low)),
            State::Unknown(why)
        );
    }
    let below = judged(igm("1", 0, "0").value(ReportedValue::BelowScale));
    assert_eq!(below.state, State::Low);
    assert_eq!(below.interval_source, Some(IntervalSource::Flag));
    assert!(below.low_by_flag);
    assert_eq!(below.value_gl(), None);
}

#[test]
fn what_is_shown_but_never_judged() {
    assert_eq!(
        of(igm("1", 0, "0.1").with(|o| o.id.specimen = Specimen::Cord)),
        State::Unknown(Why::Cord)
    );
    let preliminary = judged(igm("1", 0, "0.1").status("P"));
    assert_eq!(preliminary.state, State::Unknown(Why::Preliminary));
    assert_eq!(preliminary.value_gl(), Some(number("0.1")), "it is shown");
    assert_eq!(
        of(igm("1", 0, "0.1").with(|o| o.observed = None)),
        State::Unknown(Why::NoTime)
    );
    assert_eq!(
        judged_as(
            igm("1", 0, "0.1"),
            None,
            Some(&born(-2)),
            &Policy::built_in()
        )
        .state,
        State::Unknown(Why::AgeInvalid)
    );
    let mut policy = Policy::built_in();
    policy.detection.page_preliminary = true;
    assert_eq!(
        judged_as(igm("1", 0, "0.1").status("P"), None, None, &policy).state,
        State::Low
    );
}

#[test]
fn flag_and_interval_must_agree() {
    let disagree = State::Unknown(Why::FlagIntervalDisagreement);
    for (value, flag, want) in [
        ("0.55", Flag::Low, disagree),
        ("0.55", Flag::VeryLow, disagree),
        ("3", Flag::Low, disagree),
        ("0.3", Flag::Normal, disagree),
        ("0.3", Flag::High, disagree),
        (">0.5", Flag::Low, disagree),
        ("0.55", Flag::Normal, State::Normal),
        ("0.55", Flag::High, State::Normal),
        ("3", Flag::Normal, State::High),
        ("0.4", Flag::Low, State::Normal),
        ("2.3", Flag::Low, disagree),
        ("0.4", Flag::Normal, State::Normal),
        ("<0.3", Flag::VeryLow, State::Low),
        ("<0.5", Flag::Low, COMPARATOR),
    ] {
        assert_eq!(of(igm("1", 0, value).flag(flag)), want, "{value} {flag:?}");
    }
}

#[test]
fn unit_slips_and_impossible_values() {
    let suspect = State::Unknown(Why::UnitSuspect);
    assert_eq!(of(igm("1", 0, "210").range("40", "230")), suspect);
    assert_eq!(of(igm("1", 0, "21").range("40", "230")), suspect);
    assert_eq!(of(igm("1", 0, "30")), suspect, "75 times the low limit");
    assert_eq!(
        of(igm("1", 0, "21").no_range().flag(Flag::Low)),
        suspect,
        "mg/dL in a field that says g/L, flagged low"
    );
    assert_eq!(of(igm("1", 0, "1").range("0.4", "11.5")), State::Normal);
    assert_eq!(of(igm("1", 0, "1").range("0.4", "11.6")), suspect);
    assert_eq!(of(igm("1", 0, "0.3").range("0.2", "0.46")), State::Normal);
    assert_eq!(of(igm("1", 0, "0.3").range("0.2", "0.45")), suspect);
    let infant = |high| {
        judged_as(
            igm("1", 0, "0.3").range("0.2", high),
            None,
            Some(&born(4)),
            &Policy::built_in(),
        )
        .state
    };
    assert_eq!(infant("20"), State::Normal, "20 times under 6 months");
    assert_eq!(infant("20.1"), suspect);
    assert_eq!(of(igm("1", 0, "-0.1")), State::Unknown(Why::Implausible));
    assert_eq!(of(igg("1", 0, "151")), State::Unknown(Why::Implausible));
    assert_eq!(of(igg("1", 0, "150")), State::High);
    assert_eq!(of(iga("1", 0, "30")), State::High);
}

#[test]
fn zero_is_low_and_noted() {
    let zero = judged(igm("1", 0, "0.00"));
    assert_eq!(zero.state, State::Low);
    assert_eq!(zero.notes, [Note::ReportedAsZero]);
}

#[test]
fn an_unknown_sex_takes_the_lower_low_limit() {
    let by_sex = |sex| {
        let sample = igm("1", 0, "0.45").with(|o| {
            let limits = |low: &str, high: &str| Limits {
                low: Some(number(low)),
                high: Some(number(high)),
            };
            o.range = ReportedRange::BySex {
                male: limits("0.4", "2.3"),
                female: limits("0.5", "2.4"),
            };
        });
        judged_as(sample, sex, Some(&born(400)), &Policy::built_in())
    };
    assert_eq!(by_sex(Some(Sex::Female)).state, State::Low);
    assert_eq!(by_sex(Some(Sex::Male)).state, State::Normal);
    let unknown = by_sex(None);
    assert_eq!(unknown.state, State::Normal);
    assert_eq!(
        (unknown.limits.low, unknown.limits.high),
        (Some(number("0.4")), Some(number("2.4")))
    );
}

#[test]
fn what_is_said_beside_a_result() {
    let noted = judged(igm("1", 0, "0.3").with(|o| {
        o.status.assumed = true;
        if let Some(observed) = &mut o.observed {
            observed.clamped = true;
        }
    }));
    assert_eq!(noted.notes, [Note::StatusAssumed, Note::ClockFuture]);
}
