//! Alerts, queues and mutes as the API shows them (DESIGN.md, "small print", API). Answers hold patients'
//! data: they travel in [`Phi`].

use super::alert::{PhiLevel, cloud_event};
use super::delivery::mute::Scope;
use super::delivery::{Acknowledged, Muted};
use super::episode::recorded::{self, Standing};
use super::episode::{EpisodeId, Transition, TransitionKind};
use super::fold::state::{State, StateError};
use super::fold::values::{DeliveryMark, DeliveryOutcome};
use super::fold::views::{self, Waiting};
use super::phi::Phi;
use super::time::Timestamp;
use serde_json::{Value, json};

/// Which alerts are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<TransitionKind>,
    /// At least this pressing.
    pub minimum_severity: Option<super::episode::Severity>,
    /// Page or worklist.
    pub delivery: Option<super::episode::Delivery>,
    /// Of episodes that somebody took note of, or not.
    pub acknowledged: Option<bool>,
    /// Decided at or after.
    pub since: Option<Timestamp>,
    /// Decided before.
    pub until: Option<Timestamp>,
}

/// How many alerts are looked at for one page at most: then the page is short, and has a `next`.
const LOOK_AT: u64 = 20_000;
const CHUNK: usize = 200;

/// One page, newest first: `{"items": […], "next": cursor or null}`.
pub fn alerts(
    state: &dyn State,
    filter: &Filter,
    before: Option<u64>,
    limit: usize,
    site: &str,
) -> Result<Phi<Value>, StateError> {
    let mut items = Vec::new();
    let mut before = before;
    let mut looked_at = 0_u64;
    loop {
        let chunk = views::alerts_newest_first(state, before, CHUNK)?;
        let Some((last, _)) = chunk.last() else {
            return Ok(page(items, None));
        };
        let last = *last;
        for (place, transition) in &chunk {
            if items.len() >= limit {
                return Ok(page(items, before));
            }
            before = Some(*place);
            looked_at = looked_at.saturating_add(1);
            let ack = views::acknowledgement(state, &transition.episode.0)?;
            if wanted(filter, transition, ack.is_some()) {
                let ack = ack.map(|mark| mark.fact);
                items.push(item(state, transition, ack.as_ref(), site)?);
            }
        }
        if last <= 1 {
            return Ok(page(items, None));
        }
        if items.len() >= limit || looked_at >= LOOK_AT {
            return Ok(page(items, before));
        }
    }
}

fn page(items: Vec<Value>, next: Option<u64>) -> Phi<Value> {
    let next = next
        .filter(|place| *place > 1)
        .map(|place| place.to_string());
    Phi::new(json!({"items": items, "next": next}))
}

fn wanted(filter: &Filter, transition: &Transition, acknowledged: bool) -> bool {
    filter.kind.is_none_or(|kind| transition.kind == kind)
        && filter
            .minimum_severity
            .is_none_or(|least| transition.severity >= least)
        && filter
            .delivery
            .is_none_or(|delivery| transition.delivery.shown() == delivery)
        && filter
            .acknowledged
            .is_none_or(|wanted| wanted == acknowledged)
        && filter.since.is_none_or(|since| transition.at >= since)
        && filter.until.is_none_or(|until| transition.at < until)
}

/// One alert; `None` where there is none of this id.
pub fn alert(
    state: &dyn State,
    alert_id: &str,
    site: &str,
) -> Result<Option<Phi<Value>>, StateError> {
    let Some((_, transition)) = views::alert(state, alert_id)? else {
        return Ok(None);
    };
    let ack = views::acknowledgement(state, &transition.episode.0)?;
    let ack = ack.map(|mark| mark.fact);
    let item = item(state, &transition, ack.as_ref(), site)?;
    Ok(Some(Phi::new(item)))
}

/// `{"alert": CloudEvent, "episode": {…}, "acknowledged": null | {…}}`.
fn item(
    state: &dyn State,
    transition: &Transition,
    ack: Option<&Acknowledged>,
    site: &str,
) -> Result<Value, StateError> {
    let record = views::record(state, &transition.filed_under)?;
    Ok(json!({
        "alert": cloud_event(transition, site, PhiLevel::Full),
        "episode": episode(&record.transitions, &transition.episode),
        "acknowledged": ack.map(acknowledged),
    }))
}

fn acknowledged(ack: &Acknowledged) -> Value {
    json!({
        "by": ack.by,
        "at": ack.at.to_rfc3339(),
        "comment": ack.comment.expose(),
        "informed": ack.informed.expose(),
        "known": ack.known,
    })
}

fn episode(all: &[Transition], id: &EpisodeId) -> Value {
    let standing = recorded::episodes(all)
        .get(id)
        .map_or(Standing::None, |recorded| recorded.standing);
    let mut steps: Vec<&Transition> = all.iter().filter(|step| step.episode == *id).collect();
    steps.sort_by_key(|step| step.number);
    let transitions: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "n": step.number,
                "kind": step.kind,
                "severity": step.severity,
                "delivery": step.delivery.shown(),
                "at": step.at.to_rfc3339(),
                "alert_id": step.alert_id.0,
            })
        })
        .collect();
    json!({
        "id": id.0,
        "open": standing == Standing::Open,
        "opened_at": steps.first().map(|step| step.at.to_rfc3339()),
        "transitions": transitions,
    })
}

/// One row of a queue: what waits, without the patient.
pub fn waiting(waiting: &Waiting) -> Value {
    let transition = &waiting.transition;
    json!({
        "place": waiting.place,
        "alert_id": transition.alert_id.0,
        "kind": transition.kind,
        "severity": transition.severity,
        "delivery": transition.delivery.shown(),
        "at": transition.at.to_rfc3339(),
        "attempted_at": waiting.attempted.map(Timestamp::to_rfc3339),
        "escalation": waiting.step,
    })
}

/// One dead letter.
pub fn dead((one, mark): &(Waiting, DeliveryMark)) -> Value {
    let mut row = waiting(one);
    if let Some(DeliveryOutcome::Dead { at, reason }) = &mark.outcome
        && let Some(row) = row.as_object_mut()
    {
        row.insert("dead_at".to_owned(), Value::from(at.to_rfc3339()));
        row.insert("reason".to_owned(), Value::from(reason.as_str()));
    }
    row
}

/// One mute.
pub fn mute(mute: &Muted, now: Timestamp) -> Phi<Value> {
    let (patient, rule) = match &mute.scope {
        Scope::Patient(key) => (Some(key.exposed()), None),
        Scope::Rule(word) => (None, Some(word.clone())),
    };
    Phi::new(json!({
        "id": mute.id,
        "patient": patient,
        "rule": rule,
        "until": mute.until.to_rfc3339(),
        "over": now >= mute.until,
        "by": mute.by,
        "reason": mute.reason.expose(),
        "at": mute.at.to_rfc3339(),
    }))
}
