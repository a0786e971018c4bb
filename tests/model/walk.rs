//! The episodes of CLINICAL 6.4: one walk over all IgM of known state (9.4).

use super::panel::Point;
use super::person::{Person, shown};
use super::state::State;
use pentamer::core::clinical::observation::Sex;
use pentamer::core::episode::{Severity, TransitionKind};
use pentamer::core::policy::Policy;
use pentamer::core::time::{Span, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub kind: TransitionKind,
    pub at: String,
    pub severity: Severity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    pub members: Vec<String>,
    pub steps: Vec<Step>,
    pub open: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub episodes: Vec<Episode>,
    /// Runs of low IgM that was never alone.
    pub other_patterns: Vec<Vec<String>>,
}

/// 6.5, for `detected` (with the cap of provisional tiers, 9.13).
pub fn severity_of_detected(point: &Point<'_>) -> Severity {
    let beside = &point.beside;
    let under_two = point.igm.age.is_surely_below(24);
    // 6.3: with the adult's limit for an unknown age at most routine.
    if point.verdict.reason == Some("age_unknown") && point.igm.source == "built-in" {
        return Severity::Routine;
    }
    if point.severe && (beside.urgent || (under_two && point.profound)) {
        return Severity::Urgent;
    }
    if point.severe {
        return Severity::Prompt;
    }
    let raised = beside.prompt_stands || (beside.prompt && (!beside.secondary || beside.urgent));
    if raised && point.verdict.tier != "provisional" {
        Severity::Prompt
    } else {
        Severity::Routine
    }
}

/// 6.4: urgent where all three are low under 2 years, and in the infant rows; else prompt.
fn severity_of_progressed(point: &Point<'_>) -> Severity {
    let urgent = (point.verdict.rule == "R3" && point.igm.age.is_surely_below(24))
        || (matches!(point.verdict.rule, "R3" | "R5") && point.igm.age.is_surely_below(12));
    severity_of_detected(point).max(if urgent {
        Severity::Urgent
    } else {
        Severity::Prompt
    })
}

/// 9.16: by 6.5, and by the infant and Wiskott-Aldrich rows of 6.4.
pub fn severity_of_other(point: &Point<'_>, person: &Person) -> Severity {
    let age = &point.igm.age;
    let beside = &point.beside;
    let infant = matches!(point.verdict.rule, "R3" | "R5") && age.is_surely_below(12);
    let urgent = point.severe && (beside.urgent || (age.is_surely_below(24) && point.profound));
    let raised = beside.prompt_stands || (beside.prompt && (!beside.secondary || beside.urgent));
    if infant || urgent {
        Severity::Urgent
    } else if point.severe || raised || is_boy_with_high_iga(point, person) {
        Severity::Prompt
    } else {
        Severity::Routine
    }
}

/// As `detected` or `other_pattern`.
pub fn severity_at_first_sight(point: &Point<'_>, person: &Person) -> Severity {
    if point.is_other() {
        severity_of_other(point, person)
    } else {
        severity_of_detected(point)
    }
}

/// Wiskott-Aldrich (6.4).
pub fn is_boy_with_high_iga(point: &Point<'_>, person: &Person) -> bool {
    person.sex == Some(Sex::Male)
        && point.igm.age.is_surely_below(60)
        && point.a.now() == Some(State::High)
}

struct Past<'p, 'a> {
    episode: Episode,
    lows: Vec<&'p Point<'a>>,
    told: Vec<&'static str>,
    /// Since when (index into `lows`) it is open without a break.
    stretch: usize,
    resolved_at: Option<Timestamp>,
}

pub fn walk(points: &[Point<'_>], person: &Person, policy: &Policy) -> History {
    let rules = &policy.detection;
    let mut past: Vec<Past<'_, '_>> = Vec::new();
    let mut runs: Vec<Vec<String>> = Vec::new();
    let mut run_goes_on = false;
    let mut last_low: Option<Timestamp> = None;
    let mut last_of_run: Option<Timestamp> = None;

    for point in points {
        let step = |kind, severity| Step {
            kind,
            at: shown(point.igm.id),
            severity,
        };
        if !point.is_low() {
            // Sooner than a day it says nothing (9.21).
            let a_day_after = |low: Option<Timestamp>| {
                low.is_some_and(|low| point.at.since(low) >= Span::days(1))
            };
            if a_day_after(last_of_run) {
                run_goes_on = false;
            }
            if let Some(last) = past
                .last_mut()
                .filter(|last| last.episode.open && a_day_after(last_low))
            {
                last.episode.open = false;
                last.resolved_at = Some(point.at);
                last.episode
                    .steps
                    .push(step(TransitionKind::Resolved, Severity::Routine));
            }
            continue;
        }
        last_low = Some(point.at);
        let reopens = past.last().is_some_and(|last| {
            last.resolved_at
                .is_some_and(|resolved| point.at.since(resolved) < rules.reopen_after)
        });
        let open = past.last().is_some_and(|last| last.episode.open);
        let counts = point.is_isolated() || point.is_other();
        if !open && reopens && counts {
            let last = past.last_mut().expect("one that was resolved");
            last.episode.open = true;
            last.resolved_at = None;
            last.stretch = last.lows.len();
            last.episode.steps.push(step(
                TransitionKind::Reopened,
                severity_at_first_sight(point, person),
            ));
        } else if !open && point.is_isolated() {
            past.push(Past {
                episode: Episode {
                    members: Vec::new(),
                    steps: Vec::new(),
                    open: true,
                },
                lows: Vec::new(),
                told: Vec::new(),
                stretch: 0,
                resolved_at: None,
            });
            let last = past.last_mut().expect("just made");
            last.episode
                .steps
                .push(step(TransitionKind::Detected, severity_of_detected(point)));
        } else if !open {
            if point.is_other() {
                if !run_goes_on {
                    runs.push(Vec::new());
                }
                run_goes_on = true;
                last_of_run = Some(point.at);
                runs.last_mut().expect("a run").push(shown(point.igm.id));
            }
            continue;
        }
        run_goes_on = false;
        let last = past.last_mut().expect("an open one");
        if point.is_other() && !last.told.contains(&point.verdict.classification) {
            last.told.push(point.verdict.classification);
            last.episode.steps.push(step(
                TransitionKind::Progressed,
                severity_of_progressed(point),
            ));
        }
        let confirmed = last
            .episode
            .steps
            .iter()
            .any(|step| step.kind == TransitionKind::Confirmed);
        let earlier = last.lows[last.stretch..].iter().any(|first| {
            let apart = point.at.since(first.at);
            apart >= rules.confirm_after
                && apart <= rules.confirm_within
                && first.is_isolated()
                && point.is_isolated()
                && !first.has_low_company()
                && !point.has_low_company()
                && [first.verdict, point.verdict]
                    .iter()
                    .any(|verdict| verdict.rule == "R8")
        });
        if earlier && !confirmed && !person.unreliable {
            let severity = severity_of_detected(point).max(Severity::Prompt);
            last.episode
                .steps
                .push(step(TransitionKind::Confirmed, severity));
        }
        last.lows.push(point);
        last.episode.members.push(shown(point.igm.id));
    }
    History {
        episodes: past.into_iter().map(|one| one.episode).collect(),
        other_patterns: runs,
    }
}
