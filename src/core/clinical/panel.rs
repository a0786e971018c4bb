//! Which IgG, IgA and subclasses stand beside an IgM (CLINICAL 6.2, ruling 19).

use super::observation::{Analyte, ObservedAt, PatientKey, ResultId};
use super::results::Results;
use super::state::{Judged, State, Why};
use super::version::Current;
use crate::core::policy::Detection;
use crate::core::time::{Span, Timestamp};
use std::cell::OnceCell;
use std::cmp::Ordering;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Known, within `concurrent_window`.
    Concurrent(&'a JudgedResult<'a>),
    /// Known, but only within `context_window`.
    Stale(&'a JudgedResult<'a>),
    /// There in the window, but not to be judged.
    Unusable(&'a JudgedResult<'a>, Why),
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
    pub const fn result(&self) -> Option<&'a JudgedResult<'a>> {
        match self {
            Self::Concurrent(result) | Self::Stale(result) | Self::Unusable(result, _) => {
                Some(result)
            }
            Self::Missing => None,
        }
    }
}

/// What stands beside one IgM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A result and its place in time. They sort in order of collection, at one time by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collected<'a> {
    at: Timestamp,
    id: &'a ResultId,
    /// Where among the results it stands.
    place: usize,
}

/// The results of each analyte, by its place, in order of collection; those without an observation time
/// take no part.
pub type Timelines<'a> = [Vec<Collected<'a>>; Analyte::COUNT];

/// Sorts the results by time, analyte by analyte.
pub fn timelines<'a>(results: &[JudgedResult<'a>]) -> Timelines<'a> {
    let mut timelines = Timelines::default();
    for (place, result) in results.iter().enumerate() {
        if let Some(observed) = result.observed()
            && let Some(timeline) = timelines.get_mut(result.id().analyte.place())
        {
            timeline.push(Collected {
                at: observed.at,
                id: result.id(),
                place,
            });
        }
    }
    for timeline in &mut timelines {
        timeline.sort();
    }
    timelines
}

/// Makes `Unknown(conflict)` of final results of one analyte and one collection time that give
/// different states (CLINICAL 6.2). Normal and NotLow do not differ in anything that matters.
pub fn mark_conflicts(results: &mut [JudgedResult<'_>], timelines: &Timelines<'_>) {
    let comparable = |state| match state {
        State::NotLow => State::Normal,
        other => other,
    };
    let samples = timelines
        .iter()
        .flat_map(|timeline| timeline.chunk_by(|a, b| a.at == b.at))
        .filter(|sample| sample.len() > 1);
    for sample in samples {
        let mut states = sample
            .iter()
            .filter_map(|one| Some(results.get(one.place)?.state()))
            .filter(|state| state.is_known())
            .map(comparable);
        let first = states.next();
        if states.all(|state| Some(state) == first) {
            continue;
        }
        for one in sample {
            if let Some(result) = results.get_mut(one.place)
                && result.state().is_known()
            {
                result.judged.state = State::Unknown(Why::Conflict);
                result.judged.low_by_flag = false;
            }
        }
    }
}

/// One result in a [`PanelIndex`].
#[derive(Debug, Clone, Copy)]
pub struct Indexed<'a> {
    /// The result.
    pub result: &'a JudgedResult<'a>,
    analyte: Analyte,
    at: Timestamp,
    /// The number of its order, which is one of one reported patient.
    order: usize,
}

impl<'a> Indexed<'a> {
    /// `None` for a result without a time of collection.
    fn of(result: &'a JudgedResult<'a>, order: usize) -> Option<Self> {
        Some(Self {
            result,
            analyte: result.id().analyte,
            at: result.observed()?.at,
            order,
        })
    }

    fn patient(&self) -> &'a PatientKey {
        &self.result.id().patient
    }

    fn specimen(&self) -> &'a str {
        self.result.current.observation.shown.specimen_id.expose()
    }
}

/// The results of one person, sorted so that a panel is found in logarithmic time. Each row of them is
/// in order of collection, at one time in that of the ids.
#[derive(Debug)]
pub struct PanelIndex<'a> {
    by_analyte: [Rows<'a>; Analyte::COUNT],
    /// Known ones by order and analyte.
    by_order: Vec<Indexed<'a>>,
    /// Where in `by_order` each order begins, and at last where it ends.
    begins: Vec<usize>,
    /// Known ones by reported patient, specimen and analyte; sorted when first asked for.
    by_specimen: OnceCell<Vec<Indexed<'a>>>,
}

/// The results of one analyte, by whether their state is known.
#[derive(Debug)]
struct Rows<'a> {
    known: Vec<Indexed<'a>>,
    unknown: Vec<Indexed<'a>>,
}

impl<'a> PanelIndex<'a> {
    /// Sorts the results.
    pub fn over(results: &'a Results<'a>) -> Self {
        let indexed = |collected: &Collected<'a>| {
            Indexed::of(
                results.all.get(collected.place)?,
                *results.orders.get(collected.place)?,
            )
        };
        let by_analyte = std::array::from_fn(|place| {
            let timeline = results.timelines.get(place);
            let timeline = timeline.map(Vec::as_slice).unwrap_or_default();
            let mut rows = Rows {
                known: Vec::with_capacity(timeline.len()),
                unknown: Vec::new(),
            };
            for one in timeline.iter().filter_map(indexed) {
                if one.result.state().is_known() {
                    rows.known.push(one);
                } else {
                    rows.unknown.push(one);
                }
            }
            rows
        });
        let mut by_order = Vec::with_capacity(results.all.len());
        by_order.extend(
            results
                .all
                .iter()
                .zip(&results.orders)
                .filter(|(result, _)| result.state().is_known())
                .filter_map(|(result, order)| Indexed::of(result, *order)),
        );
        // They stand in this order already, but for the times where one order has an analyte twice.
        by_order.sort_by(|a, b| {
            let order = (a.order, a.analyte).cmp(&(b.order, b.analyte));
            order.then_with(|| (a.at, a.result.id()).cmp(&(b.at, b.result.id())))
        });
        let orders = results
            .orders
            .last()
            .map_or(0, |last| last.saturating_add(1));
        let mut begins = vec![0; orders.saturating_add(1)];
        for one in &by_order {
            if let Some(end) = begins.get_mut(one.order.saturating_add(1)) {
                *end += 1;
            }
        }
        let mut begun = 0;
        for begin in &mut begins {
            begun += *begin;
            *begin = begun;
        }
        Self {
            by_analyte,
            by_order,
            begins,
            by_specimen: OnceCell::new(),
        }
    }

    /// The IgM of known state, in order of collection.
    pub fn igm(&self) -> &[Indexed<'a>] {
        self.by_analyte
            .get(Analyte::IgM.place())
            .map(|rows| rows.known.as_slice())
            .unwrap_or_default()
    }

    /// The known results of an order.
    fn order(&self, order: usize) -> &[Indexed<'a>] {
        let begin = self.begins.get(order).copied().unwrap_or_default();
        let end = self.begins.get(order.saturating_add(1)).copied();
        self.by_order
            .get(begin..end.unwrap_or(begin))
            .unwrap_or_default()
    }

    /// The panel of an IgM.
    pub fn panel(&self, igm: &Indexed<'a>, detection: &Detection) -> Panel<'a> {
        let order = self.order(igm.order);
        let part = |analyte| self.part(analyte, igm, order, detection);
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
    /// is low months later is progress of a newer IgM and takes nothing back from this one. `order` is
    /// what the IgM's order number has.
    fn part(
        &self,
        analyte: Analyte,
        igm: &Indexed<'a>,
        order: &[Indexed<'a>],
        detection: &Detection,
    ) -> Part<'a> {
        let Some(rows) = self.by_analyte.get(analyte.place()) else {
            return Part::Missing;
        };
        if rows.known.is_empty() && rows.unknown.is_empty() {
            return Part::Missing;
        }
        let (at, concurrent) = (igm.at, detection.concurrent_window);
        let same_order = run(order, |one| one.analyte.cmp(&analyte));
        let found = nearest(same_order, at, concurrent)
            .or_else(|| nearest(self.specimen(analyte, igm), at, concurrent))
            .or_else(|| nearest(&rows.known, at, concurrent));
        if let Some(result) = found {
            return Part::Concurrent(result);
        }
        if let Some(older) = newest_before(&rows.known, at)
            && at.since(older.at) <= detection.context_window
        {
            return Part::Stale(older.result);
        }
        let unknown = nearest(&rows.unknown, at, concurrent);
        match unknown.map(|result| (result, result.state())) {
            Some((result, State::Unknown(why))) => Part::Unusable(result, why),
            Some((_, State::Low | State::Normal | State::High | State::NotLow)) | None => {
                Part::Missing
            }
        }
    }

    /// The known results of the IgM's own specimen; none where it has no number.
    fn specimen(&self, analyte: Analyte, igm: &Indexed<'a>) -> &[Indexed<'a>] {
        let specimen = igm.specimen();
        if specimen.is_empty() {
            return &[];
        }
        let by_specimen = self.by_specimen.get_or_init(|| {
            let mut sorted: Vec<_> = known(&self.by_analyte).collect();
            sorted.sort_by_key(|one| (one.patient(), one.specimen(), one.analyte));
            sorted
        });
        let wanted = (igm.patient(), specimen, analyte);
        run(by_specimen, |one| {
            (one.patient(), one.specimen(), one.analyte).cmp(&wanted)
        })
    }
}

fn known<'s, 'a>(rows: &'s [Rows<'a>]) -> impl Iterator<Item = Indexed<'a>> + use<'s, 'a> {
    rows.iter().flat_map(|rows| &rows.known).copied()
}

/// The run of a sorted list that is equal to what is wanted.
fn run<T>(sorted: &[T], compare: impl Fn(&T) -> Ordering) -> &[T] {
    let begin = sorted.partition_point(|one| compare(one).is_lt());
    let rest = sorted.get(begin..).unwrap_or_default();
    let length = rest.partition_point(|one| compare(one).is_eq());
    rest.get(..length).unwrap_or_default()
}

/// The newest of a row before a time; of two at one time the greater id.
fn newest_before<'s, 'a>(row: &'s [Indexed<'a>], to: Timestamp) -> Option<&'s Indexed<'a>> {
    let end = row.partition_point(|one| one.at < to);
    row.get(..end)?.last()
}

/// The nearest in time of a row, within a window: of two equally near ones the later; of two at one
/// time the greater id.
fn nearest<'a>(row: &[Indexed<'a>], to: Timestamp, window: Span) -> Option<&'a JudgedResult<'a>> {
    let after = row.partition_point(|one| one.at < to);
    let later = row.get(after..)?.first().map(|one| one.at);
    let earlier = row.get(..after)?.last().map(|one| one.at);
    let chosen = match (earlier, later) {
        (Some(earlier), Some(later)) if to.since(earlier) < later.since(to) => earlier,
        (_, Some(later)) => later,
        (Some(earlier), None) => earlier,
        (None, None) => return None,
    };
    if to.since(chosen).abs() > window {
        return None;
    }
    let end = row.partition_point(|one| one.at <= chosen);
    Some(row.get(..end)?.last()?.result)
}

#[cfg(test)]
mod tests;
