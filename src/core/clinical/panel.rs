//! Which IgG, IgA and subclasses stand beside an IgM (CLINICAL 6.2, ruling 19).

use super::observation::{Analyte, ObservedAt, OrderNumber, PatientKey, ResultId};
use super::state::{Judged, State, Why};
use super::version::Current;
use crate::core::policy::Detection;
use crate::core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A result that stands, with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedResult<'a> {
    /// The version.
    pub current: Current<'a>,
    /// What it is.
    pub judged: Judged,
}

impl<'a> JudgedResult<'a> {
    /// Which result it is.
    pub const fn id(&self) -> &'a ResultId {
        &self.current.observation.id
    }

    /// When it was collected.
    pub const fn observed(&self) -> Option<&'a ObservedAt> {
        self.current.observation.observed.as_ref()
    }

    /// Its state.
    pub const fn state(&self) -> State {
        self.judged.state
    }
}

/// One analyte beside the IgM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Known, within `concurrent_window`.
    Concurrent(Arc<JudgedResult<'a>>),
    /// Known, but only within `context_window`.
    Stale(Arc<JudgedResult<'a>>),
    /// There in the window, but not to be judged.
    Unusable(Arc<JudgedResult<'a>>, Why),
    /// Nothing.
    Missing,
}

impl<'a> Part<'a> {
    /// The state of a concurrent result; `None` for stale, unusable and missing ones.
    pub fn state(&self) -> Option<State> {
        match self {
            Self::Concurrent(result) => Some(result.state()),
            Self::Stale(_) | Self::Unusable(..) | Self::Missing => None,
        }
    }

    /// True where the concurrent result has this state.
    pub fn is(&self, state: State) -> bool {
        self.state() == Some(state)
    }

    /// True for a concurrent Normal or NotLow.
    pub fn is_unremarkable(&self) -> bool {
        self.state().is_some_and(State::is_unremarkable)
    }

    /// True for a stale result that was Low.
    pub fn is_stale_low(&self) -> bool {
        matches!(self, Self::Stale(result) if result.state() == State::Low)
    }

    /// The result, whatever it is worth.
    pub const fn result(&self) -> Option<&Arc<JudgedResult<'a>>> {
        match self {
            Self::Concurrent(result) | Self::Stale(result) | Self::Unusable(result, _) => {
                Some(result)
            }
            Self::Missing => None,
        }
    }
}

/// What stands beside one IgM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel<'a> {
    /// IgG.
    pub igg: Part<'a>,
    /// IgA.
    pub iga: Part<'a>,
    /// IgG1 to IgG4.
    pub subclasses: [Part<'a>; 4],
}

impl<'a> Panel<'a> {
    /// IgG, IgA, IgG1 to IgG4, with their names.
    pub fn parts(&self) -> impl Iterator<Item = (Analyte, &Part<'a>)> {
        let [igg1, igg2, igg3, igg4] = &self.subclasses;
        [
            (Analyte::IgG, &self.igg),
            (Analyte::IgA, &self.iga),
            (Analyte::IgG1, igg1),
            (Analyte::IgG2, igg2),
            (Analyte::IgG3, igg3),
            (Analyte::IgG4, igg4),
        ]
        .into_iter()
    }
}

/// Results of one kind, in order of collection.
#[derive(Debug, Default)]
struct Row<'a>(Vec<(Timestamp, Arc<JudgedResult<'a>>)>);

impl<'a> Row<'a> {
    /// The newest before a time; of two at one time the greater id.
    fn newest_before(&self, to: Timestamp) -> Option<(Timestamp, &Arc<JudgedResult<'a>>)> {
        let end = self.0.partition_point(|(at, _)| *at < to);
        let (at, result) = self.0.get(..end)?.last()?;
        Some((*at, result))
    }

    /// The nearest in time; of two equally near ones the later; of two at one time the greater id.
    fn nearest(&self, to: Timestamp) -> Option<(Timestamp, &Arc<JudgedResult<'a>>)> {
        let after = self.0.partition_point(|(at, _)| *at < to);
        let later = self.0.get(after..)?.first().map(|(at, _)| *at);
        let earlier = self.0.get(..after)?.last().map(|(at, _)| *at);
        let chosen = match (earlier, later) {
            (Some(earlier), Some(later)) if to.since(earlier) < later.since(to) => earlier,
            (_, Some(later)) => later,
            (Some(earlier), None) => earlier,
            (None, None) => return None,
        };
        let end = self.0.partition_point(|(at, _)| *at <= chosen);
        let (at, result) = self.0.get(..end)?.last()?;
        Some((*at, result))
    }
}

/// The results of one person, sorted so that a panel is found in logarithmic time.
#[derive(Debug, Default)]
pub struct PanelIndex<'a> {
    known: BTreeMap<Analyte, Row<'a>>,
    unknown: BTreeMap<Analyte, Row<'a>>,
    by_order: BTreeMap<(Analyte, &'a PatientKey, &'a OrderNumber), Row<'a>>,
    by_specimen: BTreeMap<(Analyte, &'a PatientKey, &'a str), Row<'a>>,
}

impl<'a> PanelIndex<'a> {
    /// Sorts the results; those without an observation time take no part.
    pub fn over(results: &[Arc<JudgedResult<'a>>]) -> Self {
        let mut timed: Vec<_> = results
            .iter()
            .filter_map(|result| Some((result.observed()?.at, result)))
            .collect();
        timed.sort_by_key(|(at, result)| (*at, result.id()));
        let mut index = Self::default();
        for (at, result) in timed {
            let id = result.id();
            let entry = (at, Arc::clone(result));
            if !result.state().is_known() {
                index.unknown.entry(id.analyte).or_default().0.push(entry);
                continue;
            }
            let specimen = result.current.observation.shown.specimen_id.expose();
            if !specimen.is_empty() {
                index
                    .by_specimen
                    .entry((id.analyte, &id.patient, specimen))
                    .or_default()
                    .0
                    .push(entry.clone());
            }
            index
                .by_order
                .entry((id.analyte, &id.patient, &id.order))
                .or_default()
                .0
                .push(entry.clone());
            index.known.entry(id.analyte).or_default().0.push(entry);
        }
        index
    }

    /// The panel of an IgM collected at `at`.
    pub fn panel(
        &self,
        anchor: &JudgedResult<'a>,
        at: Timestamp,
        detection: &Detection,
    ) -> Panel<'a> {
        let part = |analyte| self.part(analyte, anchor, at, detection);
        Panel {
            igg: part(Analyte::IgG),
            iga: part(Analyte::IgA),
            subclasses: [
                part(Analyte::IgG1),
                part(Analyte::IgG2),
                part(Analyte::IgG3),
                part(Analyte::IgG4),
            ],
        }
    }

    /// Same order or specimen, else nearest in time, within the window; an unknown does not hide a
    /// known one (CLINICAL 9.19). Outside the window only what is older counts, as stale: an IgG that
    /// is low months later is progress of a newer IgM and takes nothing back from this one.
    fn part(
        &self,
        analyte: Analyte,
        anchor: &JudgedResult<'a>,
        at: Timestamp,
        detection: &Detection,
    ) -> Part<'a> {
        let near = |row: Option<&Row<'a>>, window| {
            row.and_then(|row| row.nearest(at))
                .filter(|(other, _)| at.since(*other).abs() <= window)
                .map(|(_, result)| Arc::clone(result))
        };
        let id = anchor.id();
        let specimen = anchor
            .current
            .observation
            .shown
            .specimen_id
            .expose()
            .as_str();
        let concurrent = detection.concurrent_window;
        let known = self.known.get(&analyte);
        near(
            self.by_order.get(&(analyte, &id.patient, &id.order)),
            concurrent,
        )
        .or_else(|| {
            near(
                self.by_specimen.get(&(analyte, &id.patient, specimen)),
                concurrent,
            )
        })
        .or_else(|| near(known, concurrent))
        .map(Part::Concurrent)
        .or_else(|| {
            let (other, result) = known?.newest_before(at)?;
            let context = at.since(other) <= detection.context_window;
            context.then(|| Part::Stale(Arc::clone(result)))
        })
        .or_else(|| {
            let result = near(self.unknown.get(&analyte), concurrent)?;
            match result.state() {
                State::Unknown(why) => Some(Part::Unusable(result, why)),
                State::Low | State::Normal | State::High | State::NotLow => None,
            }
        })
        .unwrap_or(Part::Missing)
    }
}

/// Makes `Unknown(conflict)` of final results of one analyte and one collection time that give
/// different states (CLINICAL 6.2). Normal and NotLow do not differ in anything that matters.
pub fn mark_conflicts(results: &mut [JudgedResult<'_>]) {
    let mut seen: BTreeMap<(Analyte, Timestamp), (State, bool)> = BTreeMap::new();
    let key = |result: &JudgedResult<'_>| Some((result.id().analyte, result.observed()?.at));
    let comparable = |state| match state {
        State::NotLow => State::Normal,
        other => other,
    };
    for result in results.iter().filter(|result| result.state().is_known()) {
        let Some(key) = key(result) else { continue };
        let state = comparable(result.state());
        let (first, conflict) = seen.entry(key).or_insert((state, false));
        *conflict |= *first != state;
    }
    for result in results {
        let conflict = key(result)
            .and_then(|key| seen.get(&key))
            .is_some_and(|(_, conflict)| *conflict);
        if conflict && result.state().is_known() {
            result.judged.state = State::Unknown(Why::Conflict);
            result.judged.low_by_flag = false;
        }
    }
}

#[cfg(test)]
mod tests;
