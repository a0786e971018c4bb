//! One person: how they stand at the end, and what would have been told on the way there.

use crate::core::alert::AlertAssociation;
use crate::core::clinical::age::AgeReading;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::{Analyte, ResultId, Sex};
use crate::core::clinical::results::Results;
use crate::core::clinical::state::State;
use crate::core::episode::decide::decide;
use crate::core::episode::history::walk;
use crate::core::episode::{Delivery, Severity, Transition, TransitionKind};
use crate::core::fact::JournalPosition;
use crate::core::fold::dossier::Dossier;
use crate::core::fold::pool::Component;
use crate::core::patient::{EpisodeView, Moment, TrendPoint, view};
use crate::core::phi::Phi;
use crate::core::policy::{AgeSpan, Policy};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a person is judged with.
pub(super) struct Judging<'p> {
    pub(super) policy: &'p Policy,
    pub(super) now: Timestamp,
}

/// One person with IgM.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    pub(super) has_low: bool,
    pub(super) is_isolated: bool,
    pub(super) is_persistent: bool,
    pub(super) has_other_pattern: bool,
    /// IgM results that stand.
    pub(super) igm: u64,
    pub(super) low_igm: u64,
    /// Where the limits came from, of IgM results that stand.
    pub(super) sources: BTreeMap<&'static str, u64>,
    /// Why IgM could not be judged.
    pub(super) unjudged: BTreeMap<&'static str, u64>,
    /// What would have been told, in order.
    pub(super) told: Vec<Told>,
    /// Of a person with isolated low IgM.
    pub(super) case: Option<Box<Case>>,
}

/// One alert as it would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When the message came that called for it.
    pub at: Timestamp,
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
}

/// Somebody with isolated low IgM.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Surviving id, `authority:id`.
    pub key: Phi<String>,
    /// All ids.
    pub ids: Phi<Vec<String>>,
    /// PID-5.
    pub name: Phi<Option<String>>,
    /// PID-7.
    pub birth_date: Phi<Option<String>>,
    /// `F`, `M` or unknown.
    pub sex: Option<&'static str>,
    /// When the IgM was collected that opened the first episode.
    pub age: Option<String>,
    /// The same, as a place in [`AGES`].
    pub age_group: usize,
    /// When that was.
    pub opened_at: Timestamp,
    /// An episode is open at the end.
    pub open: bool,
    /// Low again four weeks later and more.
    pub persistent: bool,
    /// The most pressing that would have been told of the episodes.
    pub severity: Severity,
    /// How the newest IgM stands.
    pub classification: &'static str,
    /// `complete`, `provisional` or `partial`.
    pub tier: Option<&'static str>,
    /// The verdict in words.
    pub sentence: Phi<String>,
    /// The lowest IgM of the episodes, as shown: value and unit.
    pub lowest: Option<String>,
    /// IgM results that stand.
    pub igm: u64,
    /// As the API shows them.
    pub episodes: Phi<Vec<EpisodeView>>,
    /// As the API shows it.
    pub trend: Vec<TrendPoint>,
    /// Diagnoses and drugs beside the newest IgM.
    pub associations: Phi<Vec<AlertAssociation>>,
    /// What would have been told, in order.
    pub told: Vec<Told>,
}

/// Age groups: from so many years on.
pub const AGES: [(u32, &str); 8] = [
    (0, "under 1"),
    (1, "1 to 3"),
    (4, "4 to 17"),
    (18, "18 to 39"),
    (40, "40 to 59"),
    (60, "60 to 74"),
    (75, "75 and over"),
    (u32::MAX, "unknown"),
];

impl Person {
    /// `None` where there is no IgM.
    pub(super) fn judge(
        pooled: &PooledPatient,
        component: &Component,
        judging: &Judging<'_>,
    ) -> Option<Self> {
        let is_igm = |id: &ResultId| id.analyte == Analyte::IgM;
        if !pooled.observations.iter().any(|one| is_igm(&one.id)) {
            return None;
        }
        let policy = judging.policy;
        let results = Results::judge(pooled, policy);
        let chart = Chart::read(&results, policy);
        let mut person = Self {
            has_low: chart
                .anchors
                .iter()
                .any(|one| one.igm.state() == State::Low),
            is_isolated: false,
            is_persistent: false,
            has_other_pattern: false,
            igm: 0,
            low_igm: 0,
            sources: BTreeMap::new(),
            unjudged: BTreeMap::new(),
            told: Vec::new(),
            case: None,
        };
        for result in chart.results.iter().filter(|result| is_igm(result.id())) {
            person.igm += 1;
            let source = result.judged.interval_source;
            match result.state() {
                State::Unknown(why) => *person.unjudged.entry(why.word()).or_default() += 1,
                state => {
                    person.low_igm += u64::from(state == State::Low);
                    let source = source.map_or("none", |source| source.word());
                    *person.sources.entry(source).or_default() += 1;
                }
            }
        }
        let ids: BTreeSet<&ResultId> = pooled.observations.iter().map(|one| &one.id).collect();
        let never_changed = ids.len() == pooled.observations.len();
        if !person.has_low && never_changed {
            // Nothing was ever low: nothing would have been told.
            return Some(person);
        }
        let transitions = live_through(pooled, policy);
        person.told = transitions.iter().filter_map(told).collect();
        let history = walk(&chart, policy);
        person.has_other_pattern = !history.other_patterns.is_empty();
        let Some(first) = history.episodes.first().and_then(|one| one.opening()) else {
            return Some(person);
        };
        person.is_isolated = true;
        let confirmed =
            |step: &crate::core::episode::history::Step<'_>| step.kind == TransitionKind::Confirmed;
        person.is_persistent = history
            .episodes
            .iter()
            .any(|episode| episode.steps.iter().any(confirmed));
        let severity = history
            .episodes
            .iter()
            .flat_map(|episode| &episode.steps)
            .map(|step| step.severity)
            .max();
        let mut patient = pooled.clone();
        patient.transitions = transitions;
        let dossier = Dossier {
            patient,
            events: component.events.clone(),
            inactive: Vec::new(),
            undone: BTreeSet::new(),
            refusals: BTreeMap::new(),
            through: JournalPosition::START,
            undecided: false,
        };
        let moment = Moment {
            now: judging.now,
            current: true,
        };
        let sex = chart.person.sex.as_ref().map(|sex| *sex.expose());
        let shown = view(&dossier, policy, moment).into_exposed();
        let lowest = history
            .episodes
            .iter()
            .flat_map(|episode| &episode.members)
            .filter_map(|member| member.igm.judged.value_gl())
            .min();
        person.case = Some(Box::new(Case {
            key: Phi::new(shown.key),
            ids: Phi::new(shown.identities.into_iter().map(|one| one.key).collect()),
            name: Phi::new(shown.person.name),
            birth_date: Phi::new(shown.person.birth_date),
            sex: sex.map(|sex| match sex {
                Sex::Female => "F",
                Sex::Male => "M",
            }),
            age: first.age.shown(),
            age_group: age_group(&first.age),
            opened_at: first.observed.at,
            open: history.episodes.iter().any(|episode| episode.open),
            persistent: person.is_persistent,
            severity: severity.unwrap_or(Severity::Routine),
            classification: shown.classification,
            tier: shown.tier,
            sentence: Phi::new(shown.sentence),
            lowest: lowest.map(|value| format!("{} g/L", value.normalize())),
            igm: person.igm,
            episodes: Phi::new(shown.episodes),
            trend: shown.trend,
            associations: Phi::new(shown.associations),
            told: person.told.clone(),
        }));
        Some(person)
    }
}

fn told(transition: &Transition) -> Option<Told> {
    // A silent reopening tells nobody.
    (transition.kind != TransitionKind::Reopened).then_some(Told {
        at: transition.at,
        kind: transition.kind,
        severity: transition.severity,
        delivery: transition.delivery,
    })
}

fn age_group(age: &AgeReading) -> usize {
    let years = |years: u32| AgeSpan {
        months: years.saturating_mul(12),
        days: 0,
    };
    let known = AGES.len() - 1;
    AGES.iter()
        .take(known)
        .rposition(|(from, _)| age.is_at_least(years(*from)) == Some(true))
        .unwrap_or(known)
}

/// The decisions about a person as their messages came, each taken when it was sent. Who is who is
/// known from the beginning.
fn live_through(pooled: &PooledPatient, policy: &Policy) -> Vec<Transition> {
    let mut times: Vec<Timestamp> = pooled
        .observations
        .iter()
        .map(|one| one.received_at)
        .chain(
            pooled
                .group_withdrawals
                .iter()
                .map(|(_, one)| one.version_at),
        )
        .collect();
    times.sort_unstable();
    times.dedup();
    let mut seen = PooledPatient {
        observations: Vec::new(),
        group_withdrawals: Vec::new(),
        associations: Vec::new(),
        transitions: Vec::new(),
        ..pooled.clone()
    };
    for at in times {
        seen.observations = pooled
            .observations
            .iter()
            .filter(|one| one.received_at <= at)
            .cloned()
            .collect();
        seen.group_withdrawals = pooled
            .group_withdrawals
            .iter()
            .filter(|(_, one)| one.version_at <= at)
            .cloned()
            .collect();
        seen.associations = pooled
            .associations
            .iter()
            .filter(|one| one.at <= at)
            .cloned()
            .collect();
        let news = decide(&seen, policy, at);
        seen.transitions.extend(news);
    }
    // All that is known, diagnoses of later too.
    let last = pooled.associations.iter().map(|one| one.at);
    let last = last.chain(seen.transitions.iter().map(|one| one.at)).max();
    let whole = PooledPatient {
        transitions: std::mem::take(&mut seen.transitions),
        ..pooled.clone()
    };
    let news = last
        .map(|at| decide(&whole, policy, at))
        .unwrap_or_default();
    whole.transitions.into_iter().chain(news).collect()
}
