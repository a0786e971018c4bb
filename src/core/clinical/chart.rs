//! All that one person's results amount to, IgM by IgM: a pure function of the set of results.

use super::age::{AgeReading, age_at};
use super::classify::{Rule, Verdict, classify};
use super::demographics::{self, Demographics};
use super::observation::ObservedAt;
use super::panel::{self, JudgedResult, Panel, PanelIndex};
use super::related::{Associations, Related};
use super::severity::{self, Gravity};
use super::{state, version};
use crate::core::episode::Severity;
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use crate::core::time::{Span, Timestamp};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// One IgM of known state, with its panel and what that amounts to.
pub struct Anchor<'a> {
    /// The IgM.
    pub igm: Arc<JudgedResult<'a>>,
    /// When it was collected.
    pub observed: &'a ObservedAt,
    /// The same on the site's wall clock: days between samples are calendar days, also over a change
    /// to or from summer time.
    wall: Timestamp,
    /// Age at collection.
    pub age: AgeReading,
    /// What stands beside it.
    pub panel: Panel<'a>,
    /// The row of CLINICAL 6.3.
    pub verdict: Verdict,
    /// What makes it pressing.
    pub gravity: Gravity,
    /// Its severity as `detected`, or of an other pattern as `other_pattern`.
    pub severity: Severity,
    /// Whether 6.4 wants a page for it as `detected` or `other_pattern`.
    pub wants_page: bool,
}

impl<'a> Anchor<'a> {
    /// The time from an earlier sample to this one, by the site's wall clock.
    pub const fn since(&self, earlier: &Self) -> Span {
        self.wall.since(earlier.wall)
    }

    /// True for R8: the panel shows the isolation in full.
    pub fn is_complete(&self) -> bool {
        self.verdict.rule == Rule::R8
    }

    /// The results that the verdict rests on: the IgM, then what the panel chose.
    pub fn evidence(&self) -> impl Iterator<Item = &Arc<JudgedResult<'a>>> {
        std::iter::once(&self.igm).chain(
            self.panel
                .parts()
                .filter_map(|(_, part)| part.result())
                .collect::<Vec<_>>(),
        )
    }
}

/// A person's results, judged and put in order.
pub struct Chart<'a> {
    /// Who it is.
    pub person: Demographics,
    /// Every result that stands; those of one order stand together.
    pub results: Vec<Arc<JudgedResult<'a>>>,
    /// Diagnoses and drugs.
    pub associations: Associations<'a>,
    /// Every IgM of known state, in order of collection (at one time: of its id).
    pub anchors: Vec<Arc<Anchor<'a>>>,
}

impl<'a> Chart<'a> {
    /// Judges all that stands for a person.
    pub fn read(patient: &'a PooledPatient, policy: &'a Policy) -> Self {
        let person = demographics::fold(&patient.survivor, &patient.demographics);
        let birth = person.birth.as_ref().map(|birth| *birth.expose());
        let sex = person.sex.as_ref().map(|sex| *sex.expose());
        let mut results: Vec<_> =
            version::current(&patient.observations, &patient.group_withdrawals)
                .into_iter()
                .map(|current| {
                    Arc::new(JudgedResult {
                        judged: state::state(&current, sex, birth.as_ref(), policy),
                        current,
                    })
                })
                .collect();
        let timelines = panel::timelines(&results);
        panel::mark_conflicts(&mut results, &timelines);
        let associations = Associations::of(&patient.associations, policy);
        let index = PanelIndex::over(&results, &timelines);
        let detection = &policy.detection;
        let anchors = index
            .igm()
            .iter()
            .filter_map(|indexed| {
                let igm = indexed.result;
                let observed = igm.observed()?;
                let age = age_at(birth.as_ref(), observed.date);
                let flags = associations.flags(observed.at, &age, detection);
                let panel = index.panel(indexed, detection);
                let verdict = classify(igm, &panel, &age, flags.treated, detection);
                let gravity = severity::gravity(igm, &age, sex, flags, detection);
                let (severity, wants_page) = if verdict.classification.is_other_pattern() {
                    (
                        severity::of_other(&gravity, verdict.rule, &panel),
                        severity::other_wants_page(&gravity, verdict.rule, &panel, detection),
                    )
                } else {
                    let severity = severity::of_detected(&gravity, &verdict);
                    let page = severity::wants_page(&gravity, &verdict, severity, detection);
                    (severity, page)
                };
                Some(Arc::new(Anchor {
                    igm: Arc::clone(igm),
                    observed,
                    wall: wall_clock(observed.at, &policy.site.zone),
                    age,
                    panel,
                    verdict,
                    gravity,
                    severity,
                    wants_page,
                }))
            })
            .collect();
        Self {
            person,
            results,
            associations,
            anchors,
        }
    }

    /// Diagnoses and drugs that count beside an IgM.
    pub fn beside(&self, anchor: &Anchor<'_>, policy: &Policy) -> &[Related<'a>] {
        self.associations
            .beside(anchor.observed.at, &policy.detection)
    }
}

/// The instant as the site's clocks showed it, counted as if it were UTC.
fn wall_clock(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let offset = zone.to_offset(at.to_jiff()).seconds();
    at.plus(Span::seconds(i64::from(offset)))
}
