//! Which recorded episode is which of the walk: by opening, by members, by time (CLINICAL 9.6, 9.25).

use super::EpisodeId;
use super::history::{Episode, History};
use super::recorded::{self, Recorded, Standing};
use crate::core::clinical::chart::Anchor;
use crate::core::clinical::observation::ResultId;
use crate::core::clinical::state::State;
use crate::core::clinical::version::{self, ByOrder};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Which recorded episodes belong to which of the walk.
pub(super) struct Claims {
    /// By episode of the walk; the first claimant goes on, the others are taken over by it.
    pub(super) episodes: Vec<Vec<EpisodeId>>,
    /// By run of the walk, best first.
    pub(super) other_patterns: Vec<Vec<EpisodeId>>,
    /// Recorded ones of which no Low stands (CLINICAL 9.25).
    pub(super) groundless: Vec<EpisodeId>,
}

/// Where results stand in the walk: which episode (or run), and which of its members.
struct Places<'a>(Vec<(ByOrder<'a>, (usize, usize))>);

impl Claims {
    /// Matches the record with the walk.
    pub(super) fn of(
        history: &History<'_>,
        recorded: &BTreeMap<EpisodeId, Recorded<'_>>,
        patient: &PooledPatient,
    ) -> Self {
        let places = Places::in_groups(history.episodes.iter().map(|episode| &episode.members));
        let runs = Places::in_groups(history.other_patterns.iter().map(|run| &run.members));
        let mut ranked: Vec<Vec<(Rank, EpisodeId)>> =
            history.episodes.iter().map(|_| Vec::new()).collect();
        let mut lost = Vec::new();
        let mut groundless = Vec::new();
        let mut run_claims: Vec<Vec<(usize, EpisodeId)>> =
            history.other_patterns.iter().map(|_| Vec::new()).collect();
        for record in recorded.values() {
            match record.standing {
                Standing::None => {}
                Standing::OtherOnly => {
                    let place = place_of(record, &runs);
                    if let Some((run, position)) = place {
                        if let Some(claims) = run_claims.get_mut(run) {
                            claims.push((position, record.id.clone()));
                        }
                    } else if record.paged && !still_low(record, history) {
                        groundless.push(record.id.clone());
                    }
                }
                Standing::Open | Standing::Closed | Standing::Merged => {
                    match place_of(record, &places) {
                        Some((episode, position)) => {
                            if let Some(claims) = ranked.get_mut(episode) {
                                claims.push((
                                    Rank {
                                        merged: record.standing == Standing::Merged,
                                        by_member: places.of(&record.opening).is_none(),
                                        position,
                                    },
                                    record.id.clone(),
                                ));
                            }
                        }
                        None => lost.push(record),
                    }
                }
            }
        }
        for record in lost {
            let goes_on = (record.standing == Standing::Open)
                .then(|| continuation(record, history, patient))
                .flatten()
                .and_then(|episode| ranked.get_mut(episode))
                .filter(|claims| claims.is_empty());
            match goes_on {
                Some(claims) => claims.push((Rank::default(), record.id.clone())),
                None => groundless.push(record.id.clone()),
            }
        }
        Self {
            episodes: ranked.into_iter().map(best_first).collect(),
            other_patterns: run_claims.into_iter().map(best_first).collect(),
            groundless,
        }
    }
}

/// Since when episodes stand: when the earliest result that belongs to each was collected. Results come late,
/// so it need not be the one that the episode was first told of.
pub fn since(history: &History<'_>, patient: &PooledPatient) -> BTreeMap<EpisodeId, Timestamp> {
    let recorded = recorded::episodes(&patient.transitions);
    let claims = Claims::of(history, &recorded, patient);
    let episodes = history.episodes.iter().map(|episode| &episode.members);
    let runs = history.other_patterns.iter().map(|run| &run.members);
    let claimants = claims.episodes.into_iter().chain(claims.other_patterns);
    episodes
        .chain(runs)
        .zip(claimants)
        .filter_map(|(members, claimants)| {
            let first = members.first()?.observed.at;
            Some((claimants.into_iter().next()?, first))
        })
        .collect()
}

fn best_first<R: Ord>(mut claims: Vec<(R, EpisodeId)>) -> Vec<EpisodeId> {
    claims.sort();
    claims.into_iter().map(|(_, id)| id).collect()
}

/// Which claimant goes on: one that was not taken over before, one whose own opening still stands,
/// the one that opened first (CLINICAL 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Rank {
    merged: bool,
    by_member: bool,
    position: usize,
}

impl<'a> Places<'a> {
    fn in_groups<'r>(groups: impl Iterator<Item = &'r Vec<&'a Anchor<'a>>>) -> Self
    where
        'a: 'r,
    {
        let mut places: Vec<_> = groups
            .enumerate()
            .flat_map(|(group, members)| {
                members.iter().enumerate().map(move |(position, member)| {
                    (ByOrder::of(member.igm.id()), (group, position))
                })
            })
            .collect();
        places.sort_unstable();
        Self(places)
    }

    fn of(&self, id: &ResultId) -> Option<(usize, usize)> {
        let id = ByOrder::of(id);
        let found = self
            .0
            .binary_search_by(|(member, _)| member.cmp(&id))
            .ok()?;
        self.0.get(found).map(|(_, place)| *place)
    }
}

/// By its opening, else by the earliest of its members (CLINICAL 9.25).
fn place_of(record: &Recorded<'_>, places: &Places<'_>) -> Option<(usize, usize)> {
    places
        .of(&record.opening)
        .or_else(|| record.members.iter().filter_map(|id| places.of(id)).min())
}

/// Whether any IgM of a record is still low, in whatever company.
fn still_low(record: &Recorded<'_>, history: &History<'_>) -> bool {
    let ids: BTreeSet<_> = record.members.iter().chain([&record.opening]).collect();
    history
        .chart
        .anchors
        .iter()
        .any(|anchor| anchor.igm.state() == State::Low && ids.contains(anchor.igm.id()))
}

/// The episode of the walk that an open one goes on as, when its opening no longer stands and its
/// later Lows came without a transition: the one that was open when the opening was collected, or the
/// next one, if no IgM in between was not low.
fn continuation(
    record: &Recorded<'_>,
    history: &History<'_>,
    patient: &PooledPatient,
) -> Option<usize> {
    let opened = patient
        .observations
        .iter()
        .filter(|version| version.id == record.opening && version.observed.is_some())
        .max_by(|a, b| version::compare(a, b))?
        .observed
        .as_ref()?
        .at;
    let begins = |episode: &Episode<'_>| episode.opening().map(|first| first.observed.at);
    let next = history
        .episodes
        .partition_point(|episode| begins(episode).is_some_and(|at| at <= opened));
    let around = next.checked_sub(1).filter(|before| {
        history.episodes.get(*before).is_some_and(|episode| {
            episode
                .resolution()
                .is_none_or(|step| step.anchor.observed.at > opened)
        })
    });
    around.or_else(|| {
        let later = begins(history.episodes.get(next)?)?;
        let between = history.chart.anchors.iter().any(|anchor| {
            let at = anchor.observed.at;
            opened < at && at < later && anchor.igm.state() != State::Low
        });
        (!between).then_some(next)
    })
}
