//! Every version of every result: what it says, whether it counts, and why it does not.

use crate::core::alert::Evidence;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::{
    Analyte, GroupWithdrawal, Observation, OrderNumber, PatientKey, ReportedValue, ResultId,
    StatusClass,
};
use crate::core::clinical::panel::JudgedResult;
use crate::core::clinical::reasons;
use crate::core::clinical::state::{Note, State, Why, state};
use crate::core::clinical::version::{self, Current};
use crate::core::clinical::{Limits, demographics::Demographics};
use crate::core::episode::assemble::row;
use crate::core::episode::assess::Assessment;
use crate::core::fold::dossier::Dossier;
use crate::core::policy::{Detection, Policy};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One version of one result. The first fields are those of a row of evidence in an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultView {
    /// Its number in this view, from 1; `panel` and the transitions name results by it.
    pub n: u32,
    /// Value, state, interval with its origin, status, time, order, message and feed.
    #[serde(flatten)]
    pub row: Evidence,
    /// It stands and can be judged.
    pub counts: bool,
    /// Why it does not count, as one word: `superseded`, `withdrawn`, `preliminary`, `no_interval`, …
    pub why_not: Option<&'static str>,
    /// Why it does not count, or what part it takes, in words.
    pub reason: String,
    /// `judged` for the IgM of the verdict; `concurrent`, `stale` or `unusable` beside it.
    pub role: Option<&'static str>,
    /// This version is the one that stands (WIRE S-1).
    pub stands: bool,
    /// `final`, `preliminary`, `withdrawal`, `no_result` or `promotion`.
    pub status_class: &'static str,
    /// OBX-7 as reported.
    pub reported_interval: String,
    /// The id that it was reported under.
    pub reported_under: String,
    /// When this version was made, RFC 3339 (WIRE X-21).
    pub version_at: String,
    /// When its message was received, RFC 3339.
    pub received_at: String,
    /// Journal position of its message.
    pub position: u64,
    /// Journal position of the message that made a preliminary value final.
    pub promoted_by: Option<u64>,
    /// The listener.
    pub listener: String,
    /// `AE`, `AR`, `CE` or `CR` where a relay passed the message on and the laboratory system refused it;
    /// the result counts all the same (WIRE P-5).
    pub lis_ack: Option<&'static str>,
    /// The performing laboratory.
    pub laboratory: String,
    /// The method.
    pub method: String,
    /// OBX-4, where one analyte occurs twice in an order.
    pub sub_id: Option<String>,
    /// `reported_as_zero`, `status_assumed`, …
    pub notes: Vec<&'static str>,
    /// NTE after the OBX.
    pub comments: Vec<String>,
}

/// The results of a person as rows, and the rows of those that stand.
pub(super) struct Listing<'a> {
    pub(super) results: Vec<ResultView>,
    numbers: BTreeMap<&'a ResultId, u32>,
}

impl<'a> Listing<'a> {
    /// All versions, results in order of collection (those without a time first), the versions of
    /// one in order of S-1. Linear in their number, apart from sorting.
    pub(super) fn of(
        dossier: &'a Dossier,
        chart: &Chart<'a>,
        assessment: &Assessment,
        policy: &Policy,
    ) -> Self {
        let patient = &dossier.patient;
        let standing: BTreeMap<&ResultId, &JudgedResult<'a>> = chart
            .results
            .iter()
            .map(|result| (result.id(), result))
            .collect();
        let mut collected: BTreeMap<&ResultId, Option<Timestamp>> = BTreeMap::new();
        for observation in &patient.observations {
            let at = observation.observed.as_ref().map(|observed| observed.at);
            let known = collected.entry(&observation.id).or_default();
            *known = at.max(*known);
        }
        for (id, result) in &standing {
            collected.insert(id, result.observed().map(|observed| observed.at));
        }
        let time_of = |id: &ResultId| collected.get(id).copied().flatten();
        let mut versions: Vec<&'a Observation> = patient.observations.iter().collect();
        versions.sort_by(|a, b| {
            (time_of(&a.id), &a.id)
                .cmp(&(time_of(&b.id), &b.id))
                .then_with(|| version::compare(a, b))
        });
        let withdrawals = Withdrawals::of(patient);
        let mut listing = Self {
            results: Vec::with_capacity(versions.len()),
            numbers: BTreeMap::new(),
        };
        for (observation, n) in versions.into_iter().zip(1..) {
            let result = standing.get(&observation.id).copied();
            let view = match result.filter(|it| std::ptr::eq(it.current.observation, observation)) {
                Some(result) => {
                    listing.numbers.insert(&observation.id, n);
                    standing_row(n, result, assessment, &policy.detection)
                }
                None => {
                    let shown = as_if(observation, chart.person, policy);
                    let (word, text) = withdrawals.why_not(observation, result);
                    ResultView {
                        why_not: Some(word),
                        reason: text,
                        ..blank(n, &shown)
                    }
                }
            };
            let refused = dossier.refusals.get(&observation.position);
            listing.results.push(ResultView {
                lis_ack: refused.map(|code| code.word()),
                ..view
            });
        }
        listing
    }

    /// The number of the version of a result that stands.
    pub(super) fn number(&self, id: &ResultId) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}

/// A version that does not stand, judged as if it did; what has no value of its own has no state.
fn as_if<'a>(
    observation: &'a Observation,
    person: &Demographics,
    policy: &Policy,
) -> JudgedResult<'a> {
    let current = Current {
        observation,
        class: observation.status.class,
        promoted: false,
        position: observation.position,
        received_at: observation.received_at,
    };
    let sex = person.sex.as_ref().map(|sex| *sex.expose());
    let birth = person.birth.as_ref().map(|birth| birth.expose());
    let mut judged = state(&current, sex, birth, policy);
    match observation.status.class {
        StatusClass::Final | StatusClass::Preliminary => {}
        StatusClass::NoResult | StatusClass::Promotion | StatusClass::Withdrawal => {
            judged.state = State::Unknown(Why::NoValue);
            judged.limits = Limits::default();
            judged.interval_source = None;
        }
    }
    JudgedResult { current, judged }
}

/// A row without the parts that say whether it counts.
fn blank(n: u32, result: &JudgedResult<'_>) -> ResultView {
    let observation = result.current.observation;
    let shown = &observation.shown;
    ResultView {
        n,
        row: row(result),
        counts: false,
        why_not: None,
        reason: String::new(),
        role: None,
        stands: false,
        status_class: match observation.status.class {
            StatusClass::Final => "final",
            StatusClass::Preliminary => "preliminary",
            StatusClass::Withdrawal => "withdrawal",
            StatusClass::NoResult => "no_result",
            StatusClass::Promotion => "promotion",
        },
        reported_interval: shown.range.clone(),
        reported_under: observation.id.patient.exposed(),
        version_at: observation.version_at.to_rfc3339(),
        received_at: observation.received_at.to_rfc3339(),
        position: observation.position.0,
        promoted_by: result.current.promoted.then_some(result.current.position.0),
        listener: shown.listener.clone(),
        lis_ack: None,
        laboratory: shown.laboratory.clone(),
        method: shown.method.clone(),
        sub_id: observation.id.sub_id.clone(),
        notes: result.judged.notes.iter().map(|note| word(*note)).collect(),
        comments: shown.notes.expose().clone(),
    }
}

const fn word(note: Note) -> &'static str {
    match note {
        Note::ReportedAsZero => "reported_as_zero",
        Note::StatusAssumed => "status_assumed",
        Note::Promoted => "promoted",
        Note::ClockFuture => "clock_future",
        Note::Age(assumed) => assumed,
    }
}

/// The version that stands: judged, or the reason why it cannot be.
fn standing_row(
    n: u32,
    result: &JudgedResult<'_>,
    assessment: &Assessment,
    detection: &Detection,
) -> ResultView {
    let id = result.id();
    let beside = assessment
        .panel
        .iter()
        .find(|beside| beside.result.as_ref() == Some(id));
    let is_judged = assessment.anchor.as_ref() == Some(id);
    let role = if is_judged {
        Some("judged")
    } else {
        beside.map(|beside| beside.standing)
    };
    let (why_not, reason) = match result.state() {
        State::Unknown(why) => (Some(why.word()), reasons::unjudged(result, why)),
        State::Low | State::Normal | State::High | State::NotLow => {
            (None, part(id, role, assessment, detection))
        }
    };
    ResultView {
        counts: why_not.is_none(),
        why_not,
        reason,
        role,
        stands: true,
        ..blank(n, result)
    }
}

/// What part a judged result takes in the verdict.
fn part(
    id: &ResultId,
    role: Option<&str>,
    assessment: &Assessment,
    detection: &Detection,
) -> String {
    let name = id.analyte.name();
    let window = detection.concurrent_window.whole_days();
    match role {
        Some("judged") => "The newest IgM that can be judged: the verdict is about it.".to_owned(),
        Some("concurrent") => format!(
            "Stands beside this IgM: of its order or specimen, or the nearest {name} within {window} days."
        ),
        Some("stale") => format!(
            "Further than {window} days from the IgM: shown beside it, but cannot show isolation."
        ),
        _ if id.analyte == Analyte::IgM => {
            "An earlier IgM: counts for episodes and trend, the verdict is about the newest."
                .to_owned()
        }
        _ if assessment.anchor.is_none() => {
            format!("There is no IgM that can be judged for this {name} to stand beside.")
        }
        _ if assessment
            .panel
            .iter()
            .any(|beside| beside.analyte == id.analyte && beside.result.is_some()) =>
        {
            format!(
                "Another {name} stands beside the newest IgM: of its order or specimen, or nearer in time."
            )
        }
        _ => format!(
            "Not within {} days of the newest IgM.",
            detection.context_window.whole_days()
        ),
    }
}

/// An order of one reported patient and what was measured (S-3).
type Named<'a> = (&'a PatientKey, &'a OrderNumber, Analyte);

/// What takes results back, by what it names.
struct Withdrawals<'a> {
    single: BTreeMap<Named<'a>, Vec<&'a Observation>>,
    orders: BTreeMap<(&'a PatientKey, &'a OrderNumber), &'a GroupWithdrawal>,
}

impl<'a> Withdrawals<'a> {
    fn of(patient: &'a PooledPatient) -> Self {
        let mut single: BTreeMap<Named<'a>, Vec<&'a Observation>> = BTreeMap::new();
        for observation in &patient.observations {
            if observation.status.class == StatusClass::Withdrawal {
                let id = &observation.id;
                single
                    .entry((&id.patient, &id.order, id.analyte))
                    .or_default()
                    .push(observation);
            }
        }
        // Of those for one result and OBX-4 the newest, so that looking one up is quick.
        for list in single.values_mut() {
            list.sort_by_key(|one| std::cmp::Reverse((one.version_at, one.position)));
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|one| seen.insert(one.id.sub_id.as_deref()));
        }
        let mut orders: BTreeMap<_, &GroupWithdrawal> = BTreeMap::new();
        for (patient, withdrawal) in &patient.group_withdrawals {
            let newest = orders
                .entry((patient, &withdrawal.order))
                .or_insert(withdrawal);
            if newest.version_at < withdrawal.version_at {
                *newest = withdrawal;
            }
        }
        Self { single, orders }
    }

    /// Why a version does not stand, as a word and in words; `standing` is the one that does.
    fn why_not(
        &self,
        observation: &Observation,
        standing: Option<&JudgedResult<'_>>,
    ) -> (&'static str, String) {
        let letter = &observation.status.letter;
        match observation.status.class {
            StatusClass::Withdrawal => (
                "withdrawal",
                format!("Status {letter}: takes the result back and has no value of its own."),
            ),
            StatusClass::Promotion => (
                "promotion",
                format!(
                    "Status {letter}: makes a preliminary value final and has no value of its own."
                ),
            ),
            StatusClass::NoResult => ("no_result", format!("Status {letter}: no result yet.")),
            StatusClass::Final | StatusClass::Preliminary => match standing {
                Some(standing) => ("superseded", superseded(observation, standing)),
                None => ("withdrawn", self.withdrawn(observation)),
            },
        }
    }

    fn withdrawn(&self, observation: &Observation) -> String {
        let id = &observation.id;
        let single = self
            .single
            .get(&(&id.patient, &id.order, id.analyte))
            .into_iter()
            .flatten()
            .find(|one| {
                // One without OBX-4 holds for all, and a result without one is meant by all (S-3).
                one.id.sub_id.is_none() || id.sub_id.is_none() || one.id.sub_id == id.sub_id
            });
        let order = self.orders.get(&(&id.patient, &id.order));
        match (single, order) {
            (Some(single), order)
                if order.is_none_or(|order| order.version_at <= single.version_at) =>
            {
                format!(
                    "Withdrawn by the laboratory: status {} in {}.",
                    single.status.letter,
                    message(single)
                )
            }
            (_, Some(order)) => format!(
                "Its order was cancelled as a whole (journal position {}).",
                order.position
            ),
            (_, None) => "Withdrawn by the laboratory.".to_owned(),
        }
    }
}

fn superseded(observation: &Observation, standing: &JudgedResult<'_>) -> String {
    let other = standing.current.observation;
    let by = message(other);
    let is_final = |class| class == StatusClass::Final;
    if is_final(standing.current.class) && !is_final(observation.status.class) {
        format!("Preliminary: the final result in {by} stands.")
    } else if matches!(observation.value.expose(), ReportedValue::Absent)
        && observation.status.letter != "C"
    {
        format!("Has no value: the result in {by} stands.")
    } else if matches!(other.status.letter.as_str(), "C" | "A") {
        format!("Corrected by {by}.")
    } else {
        format!("Replaced by a later version in {by}.")
    }
}

/// Where a version came from: `message 4711 (journal position 12)`.
fn message(observation: &Observation) -> String {
    format!(
        "message {} (journal position {})",
        observation.shown.control_id, observation.position
    )
}
