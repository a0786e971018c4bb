//! All that one person's results amount to, IgM by IgM: a pure function of the set of results.

use super::age::AgeReading;
use super::classify::{Rule, Verdict, classify};
use super::demographics::Demographics;
use super::observation::ObservedAt;
use super::panel::{JudgedResult, Panel, PanelIndex};
use super::related::{Associations, Related};
use super::results::Results;
use super::severity::{self, Gravity};
use super::state::Judge;
use crate::core::episode::Severity;
use crate::core::policy::Policy;
use crate::core::time::{Span, Timestamp};
use jiff::tz::TimeZone;

/// One IgM of known state, with its panel and what that amounts to.
pub struct Anchor<'a> {
    /// The IgM.
    pub igm: &'a JudgedResult<'a>,
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
    pub fn evidence(&self) -> impl Iterator<Item = &'a JudgedResult<'a>> {
        let parts = self.panel.parts();
        std::iter::once(self.igm).chain(parts.filter_map(|(_, part)| part.result()))
    }
}

/// A person's results, put in order.
pub struct Chart<'a> {
    /// Who it is.
    pub person: &'a Demographics,
    /// Every result that stands; those of one order stand together.
    pub results: &'a [JudgedResult<'a>],
    /// Diagnoses and drugs.
    pub associations: &'a Associations<'a>,
    /// Every IgM of known state, in order of collection (at one time: of its id).
    pub anchors: Vec<Anchor<'a>>,
}

impl<'a> Chart<'a> {
    /// Finds what stands beside each IgM, and what that amounts to.
    pub fn read(results: &'a Results<'a>, policy: &Policy) -> Self {
        let Results {
            person,
            associations,
            ..
        } = results;
        let mut judge = Judge::of(person, policy);
        let sex = person.sex.as_ref().map(|sex| *sex.expose());
        let index = PanelIndex::over(results);
        let detection = &policy.detection;
        let mut anchors = Vec::with_capacity(index.igm().len());
        for indexed in index.igm() {
            let igm = indexed.result;
            let Some(observed) = igm.observed() else {
                continue;
            };
            let age = judge.age_on(observed.date);
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
            anchors.push(Anchor {
                igm,
                observed,
                wall: wall_clock(observed.at, &policy.site.zone),
                age,
                panel,
                verdict,
                gravity,
                severity,
                wants_page,
            });
        }
        Self {
            person,
            results: &results.all,
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
