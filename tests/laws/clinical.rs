//! Laws of units and values, through whole messages.

use super::fold::Desk;
use super::generate::{Happening, Line, Panel, lines, number};
use super::{POLICY, RECEIVED, cases};
use pentamer::core::clinical::Unit;
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::results::Results;
use pentamer::core::clinical::state::State;
use pentamer::core::episode::assess::{AssessedResult, Assessment, assess, assessed};
use pentamer::core::policy::Policy;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;

const MASSES: [&str; 6] = ["g/L", "mg/dL", "mg/L", "g/dL", "ug/dL", "ng/mL"];

fn amount() -> impl Strategy<Value = Decimal> {
    (0_i64..100_000_000, 0_u32..6).prop_map(|(number, scale)| Decimal::new(number, scale))
}

fn unit() -> impl Strategy<Value = Unit> {
    select(&MASSES[..]).prop_map(Unit::parse)
}

fn igm(comparator: &'static str, value: Decimal, range: bool, milligrams: bool) -> Line {
    Line {
        analyte: 0,
        comparator,
        value: Some(value),
        milligrams,
        range,
        status: "F",
    }
}

fn standing(lines: Vec<Line>) -> (Assessment, Vec<AssessedResult>) {
    let panel = Panel {
        patient: 0,
        order: 0,
        later: 0,
        minute: 0,
        lines,
    };
    let mut desk = Desk::default();
    desk.receive(&[Happening::Panel(panel).raw()]);
    let pooled = desk.pooled(0).expect("a patient");
    let results = Results::judge(&pooled, &POLICY);
    let chart = Chart::read(&results, &POLICY);
    (assess(&chart, &pooled, &POLICY, RECEIVED), assessed(&chart))
}

/// The state of the only IgM.
fn state(line: Line) -> State {
    let (assessment, results) = standing(vec![line]);
    assert_eq!(results.len(), 1, "{assessment:?}");
    results[0].state
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_conversion_is_exact_there_and_back(value in amount(), from in unit(), to in unit()) {
        let there = from.convert(value, &to).expect("masses convert");
        prop_assert_eq!(to.convert(there, &from), Some(value));
        let (a, b) = (from.to_gram_per_litre(value), to.to_gram_per_litre(there));
        prop_assert!(a.is_some() && a == b);
        let factor = from.factor().expect("a mass");
        prop_assert_eq!(a, value.checked_mul(factor));
    }

    #[test]
    fn a_conversion_keeps_the_order(a in amount(), b in amount(), from in unit(), to in unit()) {
        let there = |value| from.convert(value, &to).expect("masses convert");
        prop_assert_eq!(a.cmp(&b), there(a).cmp(&there(b)));
    }

    #[test]
    fn a_panel_in_mg_per_dl_is_assessed_like_the_same_in_g_per_l(lines in lines()) {
        let in_unit = |milligrams| {
            let lines = lines.iter().map(|line| Line { milligrams, ..line.clone() }).collect();
            let (found, results) = standing(lines);
            let numbers: Vec<_> = results
                .iter()
                .map(|result| {
                    let row = result.row.expose();
                    let number = |text: &Option<String>| text.as_deref().map(number);
                    (result.analyte, result.state, number(&row.value), number(&row.low), number(&row.high))
                })
                .collect();
            (found.rule, found.classification, found.tier, found.severity, found.review, numbers)
        };
        prop_assert_eq!(in_unit(true), in_unit(false));
    }

    #[test]
    fn less_than_x_is_never_normal_nor_high(value in amount(), range in any::<bool>(), milligrams in any::<bool>()) {
        let found = state(igm("<", value, range, milligrams));
        prop_assert!(!matches!(found, State::Normal | State::High | State::NotLow), "{found:?}");
    }

    #[test]
    fn more_than_x_is_never_low_nor_normal(value in amount(), range in any::<bool>()) {
        let found = state(igm(">", value, range, false));
        prop_assert!(!matches!(found, State::Low | State::Normal), "{found:?}");
    }

    #[test]
    fn a_greater_value_is_never_in_a_lower_state(
        a in 0_i64..4000,
        b in 0_i64..4000,
        range in any::<bool>(),
        milligrams in any::<bool>(),
    ) {
        let (less, more) = (a.min(b), a.max(b));
        let rank = |value: i64| match state(igm("", Decimal::new(value, 3), range, milligrams)) {
            State::Low => Some(0),
            State::Normal => Some(1),
            State::High => Some(2),
            State::NotLow | State::Unknown(_) => None,
        };
        if let (Some(less), Some(more)) = (rank(less), rank(more)) {
            prop_assert!(less <= more);
        }
    }
}

#[test]
fn both_limits_belong_to_the_interval() {
    let step = number("0.0001");
    for milligrams in [false, true] {
        for (value, expected) in [
            (number("0.4"), State::Normal),
            (number("0.4") - step, State::Low),
            (number("2.3"), State::Normal),
            (number("2.3") + step, State::High),
        ] {
            assert_eq!(state(igm("", value, true, milligrams)), expected, "{value}");
        }
    }
}

/// Every threshold of `[detection]`, changed by the least there is.
#[test]
fn every_changed_threshold_changes_the_hash_of_the_policy_and_equal_ones_do_not() {
    use pentamer::core::policy::{Detection, SuppressKnown};
    use pentamer::core::time::Span;
    type Change = fn(&mut Detection);
    let more = Span::days(1);
    assert!(more.whole_days() == 1);
    let changes: [(&str, Change); 24] = [
        ("concurrent_window", |d| {
            d.concurrent_window = Span::days(31)
        }),
        ("context_window", |d| d.context_window = Span::days(366)),
        ("confirm_after", |d| d.confirm_after = Span::days(29)),
        ("confirm_within", |d| d.confirm_within = Span::days(731)),
        ("reopen_after", |d| d.reopen_after = Span::days(91)),
        ("max_age_to_page", |d| d.max_age_to_page = Span::days(31)),
        ("infant_age", |d| d.infant_age.days += 1),
        ("iga_min_age", |d| d.iga_min_age.months += 1),
        ("iga_detectable_above", |d| {
            d.iga_detectable_above = Decimal::new(8, 2)
        }),
        ("severe_below", |d| d.severe_below = Decimal::new(21, 2)),
        ("profound_below", |d| d.profound_below = Decimal::new(6, 2)),
        ("use_builtin_intervals", |d| d.use_builtin_intervals = false),
        ("assume_final", |d| d.assume_final = false),
        ("page_unconfirmed", |d| d.page_unconfirmed = false),
        ("page_igm_only", |d| d.page_igm_only = true),
        ("page_infant_agamma", |d| d.page_infant_agamma = false),
        ("page_other_patterns", |d| d.page_other_patterns = true),
        ("page_preliminary", |d| d.page_preliminary = true),
        ("suppress_known", |d| d.suppress_known = SuppressKnown::Off),
        ("known_for", |d| d.known_for = Span::days(731)),
        ("association_window", |d| {
            d.association_window = Span::days(366)
        }),
        ("urgent_association_window", |d| {
            d.urgent_association_window = Span::days(91)
        }),
        ("trend_results", |d| d.trend_results = 11),
        ("infant_age months", |d| d.infant_age.months += 1),
    ];
    let mut hashes = vec![(POLICY.hash(), "none")];
    assert_eq!(
        Policy::built_in().hash(),
        POLICY.hash(),
        "equal policies, equal hashes"
    );
    for (name, change) in changes {
        let mut policy = POLICY.clone();
        change(&mut policy.detection);
        let hash = policy.hash();
        if let Some((_, other)) = hashes.iter().find(|(known, _)| *known == hash) {
            panic!("{name} hashes like {other}");
        }
        hashes.push((hash, name));
    }
}
