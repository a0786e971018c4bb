//! What the recorded transitions of an episode amount to.

use super::{AlertId, Delivery, EpisodeId, Severity, Transition, TransitionKind};
use crate::core::clinical::observation::{PatientKey, ResultId};
use crate::core::fact::JournalPosition;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// `tier_reason` of the `resolved` of an episode that another one took over (CLINICAL 9.6).
pub const MERGED: &str = "merged";

/// `tier_reason` of an `acknowledged` that says immunology knows the patient (CLINICAL 6.4).
pub const KNOWN: &str = "known";

/// How an episode stands by its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing, or retracted: a later Low detects anew (CLINICAL 9.21).
    None,
    /// Only `other_pattern` so far.
    OtherOnly,
    /// Detected or reopened.
    Open,
    /// Resolved.
    Closed,
    /// Taken over by another one.
    Merged,
}

/// One episode as recorded.
#[derive(Debug, Clone)]
pub struct Recorded<'t> {
    /// Its id.
    pub id: EpisodeId,
    /// The result that the id was made of; never changes.
    pub opening: ResultId,
    /// Reported id of that result.
    pub filed_under: PatientKey,
    /// How it stands.
    pub standing: Standing,
    /// The last number used.
    pub number: u32,
    /// Its members as last recorded.
    pub members: Cow<'t, [ResultId]>,
    /// Whether anything of it paged (since it was last retracted).
    pub paged: bool,
    /// The highest severity of it.
    pub severity: Severity,
    /// `confirmed` is recorded.
    pub confirmed: bool,
    /// Classifications that `progressed` has told of.
    pub progressed: BTreeSet<String>,
    /// Tiers (with reason) that `detected` has told of.
    pub detected: BTreeSet<(String, Option<String>)>,
    /// Classifications that `other_pattern` has told of.
    pub other: BTreeSet<String>,
    /// The last `detected` or `other_pattern`: what a new `detected` supersedes.
    pub last_sight: Option<AlertId>,
    /// What was received up to here was to page nobody.
    pub quiet_through: JournalPosition,
    /// The listener of its last transition.
    pub listener: String,
}

impl<'t> Recorded<'t> {
    /// An episode of which nothing is recorded.
    pub fn new(id: EpisodeId, opening: ResultId) -> Self {
        Self {
            id,
            filed_under: opening.patient.clone(),
            opening,
            standing: Standing::None,
            number: 0,
            members: Cow::Borrowed(&[]),
            paged: false,
            severity: Severity::Routine,
            confirmed: false,
            progressed: BTreeSet::new(),
            detected: BTreeSet::new(),
            other: BTreeSet::new(),
            last_sight: None,
            quiet_through: JournalPosition::START,
            listener: String::new(),
        }
    }

    /// Takes one more transition into account, of which `members` are the members. Recorded and just
    /// decided ones go through here alike: that is what makes deciding again after recording give
    /// nothing.
    pub fn apply(&mut self, transition: &Transition, members: Cow<'t, [ResultId]>) {
        self.number = self.number.max(transition.number);
        self.listener.clone_from(&transition.listener);
        if transition.delivery == Delivery::Quiet {
            self.quiet_through = self.quiet_through.max(transition.evidence_through);
        }
        let alert = transition.alert.expose();
        match transition.kind {
            TransitionKind::Acknowledged => return,
            TransitionKind::Retracted => {
                *self = Self {
                    number: self.number,
                    quiet_through: self.quiet_through,
                    filed_under: self.filed_under.clone(),
                    listener: self.listener.clone(),
                    ..Self::new(self.id.clone(), self.opening.clone())
                };
                return;
            }
            TransitionKind::Resolved => {
                let merged = alert.tier_reason.as_deref() == Some(MERGED);
                self.standing = if merged {
                    Standing::Merged
                } else {
                    Standing::Closed
                };
                self.members = members;
                return;
            }
            TransitionKind::Reopened => self.standing = Standing::Open,
            TransitionKind::Detected => {
                self.standing = Standing::Open;
                self.detected
                    .insert((alert.tier.clone(), alert.tier_reason.clone()));
                self.last_sight = Some(transition.alert_id.clone());
            }
            TransitionKind::Confirmed => self.confirmed = true,
            TransitionKind::Progressed => {
                self.progressed.insert(alert.classification.clone());
            }
            TransitionKind::OtherPattern => {
                if self.standing == Standing::None {
                    self.standing = Standing::OtherOnly;
                }
                self.other.insert(alert.classification.clone());
                self.last_sight = Some(transition.alert_id.clone());
            }
        }
        self.members = members;
        if transition.kind != TransitionKind::Reopened {
            self.paged |= transition.delivery == Delivery::Page;
            self.severity = self.severity.max(transition.severity);
        }
    }

    /// True where there is an episode of isolated low IgM to retract.
    pub const fn is_live(&self) -> bool {
        matches!(
            self.standing,
            Standing::Open | Standing::Closed | Standing::Merged
        )
    }
}

/// The recorded episodes by id; the order in which the transitions of different ones stand is
/// irrelevant, within one their numbers order them.
pub fn episodes(transitions: &[Transition]) -> BTreeMap<EpisodeId, Recorded<'_>> {
    let mut sorted: Vec<&Transition> = transitions.iter().collect();
    sorted.sort_by_key(|transition| transition.number);
    let mut episodes = BTreeMap::new();
    for transition in sorted {
        episodes
            .entry(transition.episode.clone())
            .or_insert_with(|| Recorded {
                filed_under: transition.filed_under.clone(),
                ..Recorded::new(transition.episode.clone(), transition.opening.clone())
            })
            .apply(transition, Cow::Borrowed(&transition.members));
    }
    episodes
}
