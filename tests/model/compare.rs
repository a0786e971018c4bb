//! The model against the core, over generated pasts.

use super::person::shown;
use super::{panel, person, state, walk};
use crate::generate::{cases, past};
use pentamer::core::clinical::association::{AssociationRow, AssociationTable, Class, Kind};
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::classify::Tier;
use pentamer::core::clinical::observation::Analyte;
use pentamer::core::clinical::results::Results;
use pentamer::core::clinical::state::State;
use pentamer::core::episode::Severity;
use pentamer::core::episode::assess::{assess, assessed};
use pentamer::core::episode::history::{self, History};
use pentamer::core::policy::Policy;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// After everything that the pasts hold.
pub const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

/// As built in, at a site that has the feed's immunoglobulin orders looked up (CLINICAL 2.4).
pub static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let immunoglobulin = AssociationRow {
        label: "human immunoglobulin".to_owned(),
        system: "ATC".to_owned(),
        code: "J06BA*".to_owned(),
        classes: vec![Class::Context],
        kind: Kind::Drug,
        max_age: None,
        enabled: true,
        source: "the site".to_owned(),
    };
    Policy {
        associations: AssociationTable::built_in()
            .with_rows(vec![immunoglobulin])
            .into(),
        ..Policy::built_in()
    }
});

fn word(state: State) -> state::State {
    match state {
        State::Low => state::State::Low,
        State::Normal => state::State::Normal,
        State::High => state::State::High,
        State::NotLow => state::State::NotLow,
        State::Unknown(why) => state::State::Unknown(why.word()),
    }
}

/// The model has no table for the subclasses; they classify nothing.
fn is_judged(analyte: Analyte) -> bool {
    matches!(analyte, Analyte::IgM | Analyte::IgG | Analyte::IgA)
}

type States = BTreeMap<String, state::State>;

/// What assessing yields, in the model's words: states, and the verdict on the newest IgM.
type Verdict = (States, Option<(String, panel::Verdict, Option<Severity>)>);

fn by_core(patient: &PooledPatient) -> Verdict {
    let results = Results::judge(patient, &POLICY);
    let chart = Chart::read(&results, &POLICY);
    let found = assess(&chart, patient, &POLICY, NOW);
    let states = assessed(&chart)
        .iter()
        .filter(|one| is_judged(one.analyte))
        .map(|one| (shown(&one.id), word(one.state)))
        .collect();
    let verdict = panel::Verdict {
        rule: found.rule.word(),
        classification: found.classification.word(),
        tier: match found.tier {
            Tier::None => "none",
            tier => tier.word(),
        },
        reason: found.tier_reason,
    };
    (
        states,
        found
            .anchor
            .map(|anchor| (shown(&anchor), verdict, found.severity)),
    )
}

fn by_model(patient: &PooledPatient) -> Verdict {
    let who = person::person(patient);
    let states = panel::results(patient, &who, &POLICY)
        .into_iter()
        .filter(|one| is_judged(one.id.analyte))
        .map(|one| (shown(one.id), one.state))
        .collect();
    let newest = panel::points(patient, &who, &POLICY).pop().map(|point| {
        let judged = point.is_other() || point.is_isolated();
        let severity = judged.then(|| walk::severity_at_first_sight(&point, &who));
        (shown(point.igm.id), point.verdict, severity)
    });
    (states, newest)
}

pub fn walked_by_model(patient: &PooledPatient) -> walk::History {
    let who = person::person(patient);
    walk::walk(&panel::points(patient, &who, &POLICY), &who, &POLICY)
}

fn walked_by_core(patient: &PooledPatient) -> walk::History {
    let results = Results::judge(patient, &POLICY);
    let chart = Chart::read(&results, &POLICY);
    let History {
        episodes,
        other_patterns,
        ..
    } = history::walk(&chart, &POLICY);
    walk::History {
        episodes: episodes
            .iter()
            .map(|episode| walk::Episode {
                members: episode.ids().map(shown).collect(),
                steps: episode
                    .steps
                    .iter()
                    .map(|step| walk::Step {
                        kind: step.kind,
                        at: shown(step.anchor.igm.id()),
                        severity: step.severity,
                    })
                    .collect(),
                open: episode.open,
            })
            .collect(),
        other_patterns: other_patterns
            .iter()
            .map(|run| run.members.iter().map(|one| shown(one.igm.id())).collect())
            .collect(),
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn the_core_judges_every_result_and_panel_as_the_model_does(past in past(5)) {
        let patient = past.whole();
        let (core, model) = (by_core(&patient), by_model(&patient));
        prop_assert_eq!(core.0, model.0, "states");
        prop_assert_eq!(core.1, model.1, "verdict");
    }

    #[test]
    fn the_core_walks_the_episodes_as_the_model_does(past in past(8)) {
        let patient = past.whole();
        prop_assert_eq!(walked_by_core(&patient), walked_by_model(&patient));
    }
}
