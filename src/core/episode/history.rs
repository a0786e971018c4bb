//! The walk: what a set of results amounts to over the years (CLINICAL 6.4, ruling 4).
//!
//! One pass over all IgM of known state in order of collection, each with its own panel. The outcome
//! is a pure function of the set; what of it is news is [`decide`](super::decide)'s question.

use super::{Severity, TransitionKind};
use crate::core::clinical::chart::{Anchor, Chart};
use crate::core::clinical::classify::Classification;
use crate::core::clinical::observation::ResultId;
use crate::core::clinical::panel::Part;
use crate::core::clinical::severity;
use crate::core::clinical::state::State;
use crate::core::policy::{Detection, Policy};
use crate::core::time::Span;
use std::collections::BTreeSet;

/// Everything that happened to a person's IgM.
pub struct History<'a> {
    /// The judged results behind it.
    pub chart: &'a Chart<'a>,
    /// Episodes of isolated low IgM, in order; at most the last one is open.
    pub episodes: Vec<Episode<'a>>,
    /// Runs of low IgM that was never alone (R3 to R7), in order.
    pub other_patterns: Vec<OtherPattern<'a>>,
}

/// One episode of isolated low IgM.
pub struct Episode<'a> {
    /// Every low IgM that belongs to it, in order; the first one opens it.
    pub members: Vec<&'a Anchor<'a>>,
    /// What happened, in order, `Detected` first.
    pub steps: Vec<Step<'a>>,
    /// False once a later IgM was not low.
    pub open: bool,
    /// Where in `members` the present stretch begins: 0, or the one that reopened it last.
    pub reopened_at: usize,
    /// Whether `Confirmed` is among the steps.
    confirmed: bool,
    /// The classifications that a `Progressed` among the steps tells of.
    progressed: BTreeSet<Classification>,
}

/// One step of an episode.
pub struct Step<'a> {
    /// What.
    pub kind: TransitionKind,
    /// The IgM that makes it so.
    pub anchor: &'a Anchor<'a>,
    /// For `Confirmed` the earlier of the two.
    pub earlier: Option<&'a Anchor<'a>>,
    /// By CLINICAL 6.5.
    pub severity: Severity,
}

/// Low IgM that is not alone, outside of any episode.
pub struct OtherPattern<'a> {
    /// Every low IgM of the run, in order.
    pub members: Vec<&'a Anchor<'a>>,
}

impl<'a> OtherPattern<'a> {
    /// The first IgM of each classification of the run.
    pub fn firsts(&self) -> impl Iterator<Item = &'a Anchor<'a>> {
        let mut seen = BTreeSet::new();
        self.members
            .iter()
            .copied()
            .filter(move |anchor| seen.insert(anchor.verdict.classification))
    }
}

impl<'a> Episode<'a> {
    /// The IgM that opens it.
    pub fn opening(&self) -> Option<&'a Anchor<'a>> {
        self.members.first().copied()
    }

    /// The results that belong to it, in order of collection.
    pub fn ids(&self) -> impl Iterator<Item = &'a ResultId> {
        self.members.iter().map(|member| member.igm.id())
    }

    /// The step that closed it, if it is closed.
    pub fn resolution(&self) -> Option<&Step<'a>> {
        self.steps
            .last()
            .filter(|step| !self.open && step.kind == TransitionKind::Resolved)
    }

    /// The members that show isolation, of the present stretch.
    pub fn isolated_now(&self) -> impl Iterator<Item = &'a Anchor<'a>> {
        self.members
            .iter()
            .copied()
            .skip(self.reopened_at)
            .filter(|member| is_isolated(member))
    }

    /// The IgM to tell of at first sight: of those that `pages` holds for, else of all, the one that
    /// speaks loudest (urgent, else one that 6.4 pages, else the first). Only those that come before a
    /// confirmation or progression, which speak for themselves.
    pub fn first_sight(&self, pages: impl Fn(&Anchor<'a>) -> bool) -> Option<&'a Anchor<'a>> {
        let told = self.steps.iter().find(|step| {
            matches!(
                step.kind,
                TransitionKind::Confirmed | TransitionKind::Progressed
            )
        });
        let before = self
            .members
            .iter()
            .copied()
            .take_while(|member| told.is_none_or(|step| member.igm.id() != step.anchor.igm.id()))
            .filter(|member| is_isolated(member));
        let paging = || loudest(before.clone().filter(|member| self.open && pages(member)));
        paging()
            .or_else(|| loudest(before.clone()))
            .or(self.opening())
    }

    /// As [`Self::first_sight`], of all of the present stretch.
    pub fn loudest(&self) -> Option<&'a Anchor<'a>> {
        loudest(self.isolated_now())
    }

    /// As [`Self::loudest`], of those for which `holds` is true.
    pub fn loudest_of(&self, holds: impl Fn(&Anchor<'a>) -> bool) -> Option<&'a Anchor<'a>> {
        loudest(self.isolated_now().filter(|member| holds(member)))
    }
}

/// The first among those that speak loudest.
fn loudest<'a>(anchors: impl Iterator<Item = &'a Anchor<'a>>) -> Option<&'a Anchor<'a>> {
    let volume = |anchor: &Anchor<'a>| {
        (
            anchor.severity == Severity::Urgent,
            anchor.wants_page,
            anchor.is_complete(),
        )
    };
    anchors.reduce(|kept, next| {
        if volume(next) > volume(kept) {
            next
        } else {
            kept
        }
    })
}

fn is_isolated(anchor: &Anchor<'_>) -> bool {
    anchor.verdict.classification == Classification::IsolatedLowIgm
}

/// Walks a person's results (CLINICAL 9.4). Linear in their number, apart from sorting.
pub fn walk<'a>(chart: &'a Chart<'a>, policy: &Policy) -> History<'a> {
    let mut walk = Walk {
        detection: &policy.detection,
        confirms: !chart.person.unreliable,
        episodes: Vec::new(),
        other_patterns: Vec::new(),
        in_other_run: false,
        ground: Ground::default(),
    };
    for anchor in &chart.anchors {
        walk.step(anchor);
    }
    let Walk {
        episodes,
        other_patterns,
        ..
    } = walk;
    History {
        chart,
        episodes,
        other_patterns,
    }
}

/// The state of the walk.
struct Walk<'p, 'a> {
    detection: &'p Detection,
    /// An unreliable identity confirms nothing (CLINICAL 9.22).
    confirms: bool,
    episodes: Vec<Episode<'a>>,
    other_patterns: Vec<OtherPattern<'a>>,
    in_other_run: bool,
    ground: Ground<'a>,
}

impl<'a> Walk<'_, 'a> {
    fn step(&mut self, anchor: &'a Anchor<'a>) {
        if anchor.igm.state() != State::Low {
            self.end_run(anchor);
            self.not_low(anchor);
        } else if self.episodes.last().is_some_and(|episode| episode.open) {
            self.low_again(anchor);
        } else if is_isolated(anchor) {
            self.in_other_run = false;
            if !self.reopen(anchor) {
                self.open(anchor);
            }
        } else if anchor.verdict.classification.is_other_pattern() {
            if self.reopen(anchor) {
                self.in_other_run = false;
                self.progress(anchor);
            } else {
                self.other(anchor);
            }
        }
    }

    /// An IgM that is not low ends a run of other patterns, if collected a day or more after its last
    /// low one: sooner it says nothing (CLINICAL 9.21).
    fn end_run(&mut self, anchor: &'a Anchor<'a>) {
        let last = self
            .other_patterns
            .last()
            .and_then(|run| run.members.last());
        if last.is_none_or(|last| anchor.since(last) >= Span::days(1)) {
            self.in_other_run = false;
        }
    }

    /// An IgM that is not low closes what is open, if collected a day or more after the last low one
    /// (CLINICAL 9.21).
    fn not_low(&mut self, anchor: &'a Anchor<'a>) {
        let Some(episode) = self.episodes.last_mut().filter(|episode| episode.open) else {
            return;
        };
        let a_day_later = episode
            .members
            .last()
            .is_some_and(|last| anchor.since(last) >= Span::days(1));
        if a_day_later {
            episode.open = false;
            episode.steps.push(Step {
                kind: TransitionKind::Resolved,
                anchor,
                earlier: None,
                severity: Severity::Routine,
            });
        }
    }

    /// Opens the last episode again if it resolved less than `reopen_after` ago, whatever stands beside
    /// the new Low: IgG that has become low since is progress of it (6.4).
    fn reopen(&mut self, anchor: &'a Anchor<'a>) -> bool {
        let within = self.detection.reopen_after;
        let Some(episode) = self.episodes.last_mut().filter(|episode| {
            episode
                .resolution()
                .is_some_and(|step| anchor.since(step.anchor) < within)
        }) else {
            return false;
        };
        episode.open = true;
        episode.reopened_at = episode.members.len();
        episode.members.push(anchor);
        episode.steps.push(Step {
            kind: TransitionKind::Reopened,
            anchor,
            earlier: None,
            severity: anchor.severity,
        });
        self.ground = Ground::default();
        self.ground.add(anchor);
        true
    }

    fn open(&mut self, anchor: &'a Anchor<'a>) {
        self.episodes.push(Episode {
            members: vec![anchor],
            steps: vec![Step {
                kind: TransitionKind::Detected,
                anchor,
                earlier: None,
                severity: anchor.severity,
            }],
            open: true,
            reopened_at: 0,
            confirmed: false,
            progressed: BTreeSet::new(),
        });
        self.ground = Ground::default();
        self.ground.add(anchor);
    }

    /// IgG or IgA of an open episode is not what it was: told once for each classification.
    fn progress(&mut self, anchor: &'a Anchor<'a>) {
        let Some(episode) = self.episodes.last_mut() else {
            return;
        };
        if episode.progressed.insert(anchor.verdict.classification) {
            episode.steps.push(Step {
                kind: TransitionKind::Progressed,
                anchor,
                earlier: None,
                severity: severity::of_progressed(&anchor.gravity, anchor.verdict.rule),
            });
        }
    }

    /// A further low IgM of an open episode: confirms it, shows progress, or only belongs to it.
    fn low_again(&mut self, anchor: &'a Anchor<'a>) {
        let Some(episode) = self.episodes.last_mut() else {
            return;
        };
        episode.members.push(anchor);
        if anchor.verdict.classification.is_other_pattern() {
            self.progress(anchor);
            return;
        }
        if !is_isolated(anchor) {
            return;
        }
        if self.confirms
            && !episode.confirmed
            && let Some(earlier) = self.ground.confirmation(anchor, self.detection)
        {
            episode.confirmed = true;
            episode.steps.push(Step {
                kind: TransitionKind::Confirmed,
                anchor,
                earlier: Some(earlier),
                severity: severity::of_confirmed(&anchor.gravity),
            });
        }
        self.ground.add(anchor);
    }

    fn other(&mut self, anchor: &'a Anchor<'a>) {
        match self.other_patterns.last_mut() {
            Some(run) if self.in_other_run => run.members.push(anchor),
            Some(_) | None => self.other_patterns.push(OtherPattern {
                members: vec![anchor],
            }),
        }
        self.in_other_run = true;
    }
}

/// The low IgM of the present stretch that a later one can confirm, in order.
#[derive(Default)]
struct Ground<'a> {
    all: Window<'a>,
    complete: Window<'a>,
}

/// Samples in order, with the first that is still within `confirm_within`.
#[derive(Default)]
struct Window<'a> {
    samples: Vec<&'a Anchor<'a>>,
    first: usize,
}

impl<'a> Window<'a> {
    /// The earliest sample from `confirm_after` to `confirm_within` before this one.
    fn earliest(&mut self, anchor: &Anchor<'a>, detection: &Detection) -> Option<&'a Anchor<'a>> {
        while self
            .samples
            .get(self.first)
            .is_some_and(|sample| anchor.since(sample) > detection.confirm_within)
        {
            self.first = self.first.saturating_add(1);
        }
        self.samples
            .get(self.first)
            .filter(|sample| anchor.since(sample) >= detection.confirm_after)
            .copied()
    }
}

impl<'a> Ground<'a> {
    fn add(&mut self, anchor: &'a Anchor<'a>) {
        if !may_confirm(anchor) {
            return;
        }
        self.all.samples.push(anchor);
        if anchor.is_complete() {
            self.complete.samples.push(anchor);
        }
    }

    /// The earlier of the two samples that confirm: no low IgG or IgA in either panel, and at least
    /// one panel complete.
    fn confirmation(
        &mut self,
        anchor: &Anchor<'a>,
        detection: &Detection,
    ) -> Option<&'a Anchor<'a>> {
        if !may_confirm(anchor) {
            return None;
        }
        if anchor.is_complete() {
            self.all.earliest(anchor, detection)
        } else {
            self.complete.earliest(anchor, detection)
        }
    }
}

fn may_confirm(anchor: &Anchor<'_>) -> bool {
    let low = |part: &Part<'_>| part.is(State::Low) || part.is_stale_low();
    is_isolated(anchor) && !low(&anchor.panel.igg) && !low(&anchor.panel.iga)
}

#[cfg(test)]
mod tests;
