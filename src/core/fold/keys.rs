//! Keys of the state: one letter for the table, then what orders its entries.

use crate::core::clinical::observation::{OrderNumber, PatientKey};
use crate::core::fact::JournalPosition;

/// Records of patients, by reported id.
pub const PATIENTS: &[u8] = b"P";
/// Which reported ids have results of an order number.
pub const ORDERS: &[u8] = b"O";
/// Patients with news that is not decided about.
pub const DIRTY: &[u8] = b"D";
/// Alerts in the order in which they were recorded.
pub const ALERTS: &[u8] = b"A";
/// Alert id → its place in that order.
pub const ALERT_IDS: &[u8] = b"a";
/// How far each sink is.
pub const SINKS: &[u8] = b"S";
/// What was not understood.
pub const QUARANTINE: &[u8] = b"Q";
/// Parts of messages that wait for the rest.
pub const PARTS: &[u8] = b"C";
/// Single values about the state itself.
pub const META: &[u8] = b"M";

/// Number of alerts recorded.
pub fn alert_count() -> Vec<u8> {
    joined(META, &[b"alerts"])
}

/// Hash of the policy that the state was folded with.
pub fn policy() -> Vec<u8> {
    joined(META, &[b"policy"])
}

/// The record of a patient.
pub fn patient(key: &PatientKey) -> Vec<u8> {
    joined(PATIENTS, &[&patient_bytes(key)])
}

/// The dirty mark of a patient.
pub fn dirty(key: &PatientKey) -> Vec<u8> {
    joined(DIRTY, &[&patient_bytes(key)])
}

/// The reported ids with results of an order; `None` where the order has no number.
pub fn order(order: &OrderNumber) -> Option<Vec<u8>> {
    match order {
        OrderNumber::Filler(number) => Some(joined(ORDERS, &[b"F", number.expose().as_bytes()])),
        OrderNumber::Placer(number) => Some(joined(ORDERS, &[b"P", number.expose().as_bytes()])),
        OrderNumber::Unnumbered { .. } => None,
    }
}

/// An alert by its place, from 1.
pub fn alert(place: u64) -> Vec<u8> {
    joined(ALERTS, &[&place.to_be_bytes()])
}

/// The place of an alert id.
pub fn alert_id(id: &str) -> Vec<u8> {
    joined(ALERT_IDS, &[id.as_bytes()])
}

/// A sink's cursor.
pub fn sink(name: &str) -> Vec<u8> {
    joined(SINKS, &[name.as_bytes()])
}

/// A quarantine entry: the fact, and the number of the refusal within it.
pub fn quarantine(position: JournalPosition, number: u32) -> Vec<u8> {
    joined(
        QUARANTINE,
        &[&position.0.to_be_bytes(), &number.to_be_bytes()],
    )
}

/// A part of a message, by the newest fact in it.
pub fn part(position: JournalPosition) -> Vec<u8> {
    joined(PARTS, &[&position.0.to_be_bytes()])
}

/// The authority's length first: no two keys can run into each other.
fn patient_bytes(key: &PatientKey) -> Vec<u8> {
    let length = u32::try_from(key.authority.len()).unwrap_or(u32::MAX);
    joined(
        &length.to_be_bytes(),
        &[key.authority.as_bytes(), key.id.expose().as_bytes()],
    )
}

fn joined(first: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let mut key = first.to_vec();
    for part in rest {
        key.extend_from_slice(part);
    }
    key
}
