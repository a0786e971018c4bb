//! Withdrawals that find nothing to withdraw, or only at another patient (WIRE S-3, S-4).
//!
//! A withdrawal is always kept under the patient that it was sent for: it can touch no other's
//! results, because identity holds the reported patient. So "not applied" is true by construction,
//! whatever comes first, and should the two ids turn out to be one person, order has not mattered.
//! What S-4 adds is that a person learns of it.

use super::apply::{Envelope, Fold};
use super::keys;
use super::overlay::Overlay;
use super::pool::Component;
use super::state::StateError;
use super::{records, tables};
use crate::core::clinical::observation::{Observation, OrderNumber, PatientKey, StatusClass};
use crate::core::extract::{PatientPart, Place, Refusal};
use crate::core::fact::Reason;
use std::collections::BTreeSet;

/// So many patients under one filler number are looked at; more is a number that names no order.
const HOLDERS: usize = 64;

/// Remembers under which patient an order's results are; withdrawals are no results.
pub(super) fn index_order(
    overlay: &mut Overlay<'_>,
    observation: &Observation,
) -> Result<(), StateError> {
    let OrderNumber::Filler(filler) = &observation.id.order else {
        return Ok(());
    };
    if observation.status.class == StatusClass::Withdrawal {
        return Ok(());
    }
    let key = keys::order(filler.expose(), &observation.id.patient);
    overlay.store_new(tables::ORDERS, key, &()).map(drop)
}

impl Fold<'_> {
    /// Looks at the withdrawals of one patient group (the `occurrence`-th of the message): a
    /// refusal for each order that is stored only under another person, else
    /// `withdrawal_pending` for each single withdrawal without its result.
    pub(super) fn check_withdrawals(
        &mut self,
        envelope: &Envelope<'_>,
        part: &PatientPart,
        occurrence: u32,
    ) -> Result<Vec<Refusal>, StateError> {
        let withdrawn = part
            .observations
            .iter()
            .filter(|observation| observation.status.class == StatusClass::Withdrawal);
        let mut orders: BTreeSet<&OrderNumber> = part
            .group_withdrawals
            .iter()
            .map(|withdrawal| &withdrawal.order)
            .collect();
        orders.extend(withdrawn.clone().map(|observation| &observation.id.order));
        let mut elsewhere = BTreeSet::new();
        for order in orders {
            if is_elsewhere(&self.overlay, order, &part.key)? {
                elsewhere.insert(order);
            }
        }
        let mut pending = 0;
        for observation in withdrawn {
            let id = &observation.id;
            if !elsewhere.contains(&id.order) && !records::has_value(&self.overlay, id)? {
                pending += 1;
            }
        }
        let listener = &envelope.message.origin.listener;
        self.effects.count(listener, "withdrawal_pending", pending);
        let refused = u64::try_from(elsewhere.len()).unwrap_or(u64::MAX);
        self.effects.count(listener, "quarantined_results", refused);
        Ok(elsewhere.iter().map(|_| refusal(occurrence)).collect())
    }
}

/// True if results of this filler order are stored, but none under this patient or an id that is
/// pooled with it.
fn is_elsewhere(
    overlay: &Overlay<'_>,
    order: &OrderNumber,
    patient: &PatientKey,
) -> Result<bool, StateError> {
    let OrderNumber::Filler(filler) = order else {
        return Ok(false);
    };
    if overlay
        .get(&keys::order(filler.expose(), patient))?
        .is_some()
    {
        return Ok(false);
    }
    let prefix = keys::named(keys::ORDERS, filler.expose());
    let holders = overlay.scan(&prefix, &prefix, HOLDERS)?;
    if holders.is_empty() {
        return Ok(false);
    }
    let pool = Component::around(overlay, patient)?.aliases.pool(patient);
    let is_pooled = holders.iter().any(|(key, _)| {
        let holder = key.get(prefix.len()..).and_then(keys::read_patient);
        holder.is_some_and(|(holder, _)| pool.contains(&holder))
    });
    Ok(!is_pooled)
}

fn refusal(occurrence: u32) -> Refusal {
    Refusal {
        reason: Reason::WithdrawalOtherPatient,
        place: Place {
            segment: "PID".to_owned(),
            occurrence,
            field: 3,
            name: "patient identifier list".to_owned(),
        },
        result: true,
        remedy: "the order withdrawn here is stored under another patient; ask the laboratory \
                 which patient it belongs to, and to withdraw it there"
            .to_owned(),
    }
}
