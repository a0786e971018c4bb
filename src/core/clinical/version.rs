//! Which version of each result stands (WIRE 4.7): a pure function of the set of versions.
//!
//! S-1 is a total order over the versions of one result; withdrawals are versions too, and count
//! also where they come before the result that they take back.

use super::observation::{
    Analyte, GroupWithdrawal, Observation, OrderNumber, PatientKey, ReportedValue, ResultId,
    StatusClass,
};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

/// The one version of a result that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current<'a> {
    /// The version.
    pub observation: &'a Observation,
    /// Final or preliminary; a preliminary version that a U promoted is final.
    pub class: StatusClass,
    /// True where a U made it final (WIRE S-1, CLINICAL 9.8).
    pub promoted: bool,
    /// The fact that made it what it is: its own, or that of the promotion.
    pub position: JournalPosition,
    /// When that fact was received.
    pub received_at: Timestamp,
}

/// A version that stands, among those of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The version.
    pub current: Current<'a>,
    /// The number of its order: the same for all results of one order of one reported patient, which
    /// follow each other.
    pub order: usize,
}

/// The place of a version in S-1's order; the greatest stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Final and withdrawal before preliminary.
    final_class: bool,
    /// A version without a value says nothing against an earlier value, unless it is a correction
    /// (CLINICAL 9.8: `""` removes nothing).
    says_something: bool,
    version_at: Timestamp,
    kind: Kind,
    content: [u8; 8],
    /// Of copies of one version the first received is the one that counts.
    first: Reverse<JournalPosition>,
}

/// At equal version time: withdrawal, then correction, then the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Plain,
    Corrected,
    Withdrawal,
}

/// What takes back or promotes, by the OBX-4 it named (`None`: none, so it means all).
#[derive(Default)]
struct Marks<'a> {
    withdrawals: BTreeMap<Option<&'a str>, Timestamp>,
    promotions: BTreeMap<Option<&'a str>, (Timestamp, Reverse<JournalPosition>, Timestamp)>,
}

/// Keeps the greater of two marks.
fn raise<K: Ord, V: Ord>(marks: &mut BTreeMap<K, V>, key: K, value: V) {
    match marks.entry(key) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(value);
        }
        std::collections::btree_map::Entry::Occupied(mut place) => {
            if *place.get() < value {
                place.insert(value);
            }
        }
    }
}

/// The mark that holds for a result with this OBX-4: one without OBX-4 holds for all, and a result
/// without one is meant by all (S-3).
fn mark_for<V: Copy + Ord>(marks: &BTreeMap<Option<&str>, V>, sub_id: Option<&str>) -> Option<V> {
    match sub_id {
        None => marks.values().max().copied(),
        Some(_) => marks.get(&None).max(marks.get(&sub_id)).copied(),
    }
}

/// An order of one reported patient and what was measured: what a withdrawal names (S-3).
type Named<'a> = (&'a PatientKey, &'a OrderNumber, Analyte);

/// A result as a key that sorts by its order number first: results of one order stand together. The
/// beginning of the order number is held as a number: mostly it tells orders apart without a look at
/// the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByOrder<'a> {
    beginning: u64,
    id: &'a ResultId,
}

impl<'a> ByOrder<'a> {
    /// The key of a result.
    pub fn of(id: &'a ResultId) -> Self {
        let number = match &id.order {
            OrderNumber::Filler(number) | OrderNumber::Placer(number) => number.expose(),
            OrderNumber::Unnumbered { observed, .. } => observed,
        };
        let beginning = match number.as_bytes().first_chunk() {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => number
                .bytes()
                .zip([56, 48, 40, 32, 24, 16, 8])
                .fold(0, |beginning, (byte, shift)| {
                    beginning | u64::from(byte) << shift
                }),
        };
        Self { beginning, id }
    }
}

impl Ord for ByOrder<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.id, other.id);
        let beginning = self.beginning.cmp(&other.beginning);
        beginning
            .then_with(|| a.order.cmp(&b.order))
            .then_with(|| a.patient.cmp(&b.patient))
            .then_with(|| {
                (a.analyte, a.specimen, &a.sub_id).cmp(&(b.analyte, b.specimen, &b.sub_id))
            })
    }
}

impl PartialOrd for ByOrder<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The longest order number that a [`Filed`] holds whole.
const WHOLE: usize = 15;

/// A version as a key that sorts by its order, then by reported patient and result. Order number and
/// patient are numbers, since texts would have to be compared thousands of times for one verdict.
#[derive(Clone, Copy)]
struct Filed<'a> {
    /// Of an order number of at most 15 bytes all of it, its length and its kind; of another one the
    /// beginning.
    number: u128,
    /// The number of the reported patient among those of the person.
    patient: usize,
    version: &'a Observation,
}

/// Numbers the patients, and files the versions.
fn filed(observations: &[Observation]) -> Vec<Filed<'_>> {
    let mut patients: Vec<&PatientKey> = Vec::new();
    let mut filed = Vec::with_capacity(observations.len());
    for version in observations {
        let reported = &version.id.patient;
        let patient = match patients.iter().position(|known| *known == reported) {
            Some(patient) => patient,
            None => {
                patients.push(reported);
                patients.len().saturating_sub(1)
            }
        };
        filed.push(Filed {
            number: beginning(&version.id.order),
            patient,
            version,
        });
    }
    filed
}

/// See [`Filed::number`]. The last byte is 0 for a beginning, else the kind and the length.
fn beginning(order: &OrderNumber) -> u128 {
    let (kind, number) = match order {
        OrderNumber::Filler(number) => (0x10, number.expose()),
        OrderNumber::Placer(number) => (0x20, number.expose()),
        OrderNumber::Unnumbered { observed, .. } => (0, observed),
    };
    let mut bytes = [0; WHOLE + 1];
    let kept = number.len().min(WHOLE);
    if let (Some(to), Some(from)) = (bytes.get_mut(..kept), number.as_bytes().get(..kept)) {
        to.copy_from_slice(from);
    }
    let whole = (kind > 0)
        .then(|| u8::try_from(number.len()).ok())
        .flatten();
    if let Some(length) = whole.filter(|length| usize::from(*length) <= WHOLE)
        && let Some(last) = bytes.last_mut()
    {
        *last = kind + length;
    }
    u128::from_be_bytes(bytes)
}

impl Filed<'_> {
    /// By order number and reported patient.
    fn by_order(&self, other: &Self) -> Ordering {
        let number = self.number.cmp(&other.number);
        let whole = self.number.to_le_bytes().first() != Some(&0);
        number
            .then_with(|| {
                if whole {
                    Ordering::Equal
                } else {
                    self.version.id.order.cmp(&other.version.id.order)
                }
            })
            .then(self.patient.cmp(&other.patient))
    }

    fn is_of_one_order(&self, other: &Self) -> bool {
        self.by_order(other).is_eq()
    }

    /// Of two versions of one order.
    fn is_of_one_result(&self, other: &Self) -> bool {
        self.by_result(other).is_eq()
    }

    fn by_result(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.version.id, &other.version.id);
        (a.analyte, a.specimen, &a.sub_id).cmp(&(b.analyte, b.specimen, &b.sub_id))
    }
}

impl Ord for Filed<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.by_order(other).then_with(|| self.by_result(other))
    }
}

impl PartialOrd for Filed<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Filed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Filed<'_> {}

/// The versions that stand, one for each result that has one; results of one order stand together.
///
/// Withdrawals match by reported patient, order, analyte and OBX-4 and ignore value, unit, time and
/// specimen (S-3); group withdrawals (S-5, X-30) match by reported patient and order; a U promotes
/// the preliminary versions that are not newer than itself.
pub fn current<'a>(
    observations: &'a [Observation],
    group_withdrawals: &'a [(PatientKey, GroupWithdrawal)],
) -> Vec<Standing<'a>> {
    let mut groups: BTreeMap<(&PatientKey, &OrderNumber), Timestamp> = BTreeMap::new();
    for (patient, withdrawal) in group_withdrawals {
        raise(
            &mut groups,
            (patient, &withdrawal.order),
            withdrawal.version_at,
        );
    }
    let mut marks: BTreeMap<Named<'a>, Marks<'a>> = BTreeMap::new();
    for observation in observations {
        let sub_id = observation.id.sub_id.as_deref();
        match observation.status.class {
            StatusClass::Withdrawal => raise(
                &mut marks.entry(named(&observation.id)).or_default().withdrawals,
                sub_id,
                observation.version_at,
            ),
            StatusClass::Promotion => raise(
                &mut marks.entry(named(&observation.id)).or_default().promotions,
                sub_id,
                (
                    observation.version_at,
                    Reverse(observation.position),
                    observation.received_at,
                ),
            ),
            StatusClass::NoResult | StatusClass::Preliminary | StatusClass::Final => {}
        }
    }
    let mut versions = filed(observations);
    versions.sort();
    let mut standing = Vec::with_capacity(versions.len());
    for (order, of_one_order) in versions.chunk_by(Filed::is_of_one_order).enumerate() {
        for versions in of_one_order.chunk_by(Filed::is_of_one_result) {
            let Some(id) = versions.first().map(|first| &first.version.id) else {
                continue;
            };
            let sub_id = id.sub_id.as_deref();
            let marks = marks.get(&named(id));
            let promotion = marks.and_then(|marks| mark_for(&marks.promotions, sub_id));
            let newest = versions
                .iter()
                .filter_map(|filed| version(filed.version, promotion))
                .reduce(|kept, next| {
                    if rank(&kept) < rank(&next) {
                        next
                    } else {
                        kept
                    }
                });
            let Some(newest) = newest else {
                continue;
            };
            let withdrawn = marks
                .and_then(|marks| mark_for(&marks.withdrawals, sub_id))
                .max(groups.get(&(&id.patient, &id.order)).copied());
            let stands = withdrawn.is_none_or(|at| {
                let rank = rank(&newest);
                rank.final_class && rank.says_something && at < rank.version_at
            });
            if stands {
                standing.push(Standing {
                    current: newest,
                    order,
                });
            }
        }
    }
    standing
}

fn named(id: &ResultId) -> Named<'_> {
    (&id.patient, &id.order, id.analyte)
}

/// The version as a candidate; `None` for what is no value (I, O, N, U and withdrawals).
fn version(
    observation: &Observation,
    promotion: Option<(Timestamp, Reverse<JournalPosition>, Timestamp)>,
) -> Option<Current<'_>> {
    let plain = Current {
        observation,
        class: observation.status.class,
        promoted: false,
        position: observation.position,
        received_at: observation.received_at,
    };
    match observation.status.class {
        StatusClass::Final => Some(plain),
        StatusClass::Preliminary => Some(match promotion {
            Some((at, Reverse(position), received_at)) if at >= observation.version_at => {
                let own = (observation.position, observation.received_at);
                let (position, received_at) = own.max((position, received_at));
                Current {
                    class: StatusClass::Final,
                    promoted: true,
                    position,
                    received_at,
                    ..plain
                }
            }
            Some(_) | None => plain,
        }),
        StatusClass::NoResult | StatusClass::Promotion | StatusClass::Withdrawal => None,
    }
}

fn rank(candidate: &Current<'_>) -> Rank {
    let observation = candidate.observation;
    let letter = observation.status.letter.as_str();
    Rank {
        final_class: candidate.class == StatusClass::Final,
        says_something: letter == "C"
            || !matches!(observation.value.expose(), ReportedValue::Absent),
        version_at: observation.version_at,
        kind: if matches!(letter, "C" | "A") && !candidate.promoted {
            Kind::Corrected
        } else {
            Kind::Plain
        },
        content: observation.content_hash,
        first: Reverse(observation.position),
    }
}

/// Compares two versions of one result by S-1; for showing them in order.
pub fn compare(a: &Observation, b: &Observation) -> Ordering {
    let key = |observation: &Observation| {
        let kind = match observation.status.class {
            StatusClass::Withdrawal => Kind::Withdrawal,
            _ if matches!(observation.status.letter.as_str(), "C" | "A") => Kind::Corrected,
            _ => Kind::Plain,
        };
        let final_class = matches!(
            observation.status.class,
            StatusClass::Final | StatusClass::Withdrawal
        );
        (
            final_class,
            observation.version_at,
            kind,
            observation.content_hash,
            Reverse(observation.position),
        )
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests;
