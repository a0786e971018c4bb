//! The step of an episode that says a person took note of it.

use super::identity::alert_id;
use super::recorded::KNOWN;
use super::{Delivery, Transition, TransitionKind};
use crate::core::delivery::Acknowledged;
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;

/// The `acknowledged` of the episode that an acknowledged alert belongs to, after the steps there are;
/// `None` where the alert is not among them. It goes to those who were paged. The comment stays here:
/// nobody knows what a person wrote into it.
pub fn acknowledged<'t>(
    steps: impl Iterator<Item = &'t Transition> + Clone,
    fact: &Acknowledged,
    position: JournalPosition,
    site: &str,
) -> Option<Transition> {
    let seen = steps
        .clone()
        .find(|step| step.alert_id.0 == fact.alert_id)?;
    let of_it = steps.filter(|step| step.episode == seen.episode);
    let last = of_it.clone().max_by_key(|step| step.number)?;
    let paged = of_it.clone().any(|step| step.delivery == Delivery::Page);
    let told = of_it
        .filter(|step| step.kind != TransitionKind::Reopened)
        .max_by_key(|step| step.number)?;
    let delivery = if paged {
        Delivery::Page
    } else {
        Delivery::Worklist
    };
    let number = last.number.saturating_add(1);
    let id = alert_id(site, &seen.episode, number);
    let mut alert = told.alert.expose().clone();
    alert.alert_id.clone_from(&id.0);
    alert.kind = TransitionKind::Acknowledged;
    alert.delivery = delivery;
    alert.supersedes = None;
    alert.tier_reason = if fact.known {
        Some(KNOWN.to_owned())
    } else {
        alert.tier_reason.filter(|reason| reason != KNOWN)
    };
    alert.explanation = format!("Acknowledged by {}. {}", fact.by, alert.explanation);
    Some(Transition {
        number,
        alert_id: id,
        kind: TransitionKind::Acknowledged,
        delivery,
        at: fact.at,
        evidence_through: position,
        alert: Phi::new(alert),
        ..told.clone()
    })
}
