//! Merges, moves and links of patient identities (WIRE 4.8).

use super::message::{Line, Message};
use super::patient::{Identifiers, number_of};
use super::walk::PatientGroup;
use super::{IdentityEvent, IdentityKind, Refusal};
use crate::core::clinical::observation::PatientKey;
use crate::core::fact::Reason;
use crate::core::hl7::segment::Segment;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use sha2::{Digest, Sha256};

/// What an ADT event does to identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// MRG-1 gives way to PID-3.
    Merge {
        /// A39: MRG-4 gives way to PID-2 as well.
        external: bool,
    },
    /// Results of account MRG-3 go to PID-3.
    MoveAccount,
    /// Results of visit MRG-5 go to PID-3.
    MoveVisit,
    /// Two PID are linked, or unlinked.
    Link(bool),
    /// A29: the person was deleted at the source.
    Delete,
    /// Visits, accounts and alternate ids: nothing that results hang on.
    Nothing,
}

/// The effect of an event; `None` for events that are not about identity.
pub(super) fn effect_of(event: &str) -> Option<Effect> {
    Some(match event {
        "A18" | "A30" | "A34" | "A36" | "A40" | "A43" | "A46" | "A47" => {
            Effect::Merge { external: false }
        }
        "A39" => Effect::Merge { external: true },
        "A44" => Effect::MoveAccount,
        "A45" => Effect::MoveVisit,
        "A24" => Effect::Link(true),
        "A37" => Effect::Link(false),
        "A29" => Effect::Delete,
        "A23" | "A35" | "A41" | "A42" | "A48" | "A49" | "A50" | "A51" => Effect::Nothing,
        _ => return None,
    })
}

/// The time of an identity event: EVN-6, else EVN-2, else MSH-7, else receipt; clamped (T-8).
pub(super) fn event_time(message: &Message<'_>, evn: Option<Line<'_>>) -> Timestamp {
    time_of(message, evn, &[6, 2])
}

/// The sender's time of demographics: EVN-2, else MSH-7, else receipt.
pub(super) fn report_time(message: &Message<'_>, evn: Option<Line<'_>>) -> Timestamp {
    time_of(message, evn, &[2])
}

fn time_of(message: &Message<'_>, evn: Option<Line<'_>>, fields: &[usize]) -> Timestamp {
    let leaves = fields.iter().map(|number| {
        evn.map_or("", |evn| {
            let raw = evn.raw.raw_field(*number, message.delimiters.field);
            message.first_leaf(raw)
        })
    });
    match message.first_instant(leaves) {
        Some(at) => message.clamp(at),
        None => message.sent_or_received(),
    }
}

/// Reads the identity events of a message.
pub(super) fn read_events(
    message: &Message<'_>,
    effect: Effect,
    groups: &[PatientGroup<'_>],
    at: Timestamp,
) -> (Vec<IdentityEvent>, Vec<Refusal>) {
    let mut events = Vec::new();
    let mut refusals = Vec::new();
    match effect {
        Effect::Nothing | Effect::Delete => {}
        Effect::Link(linked) => {
            let keys: Vec<PatientKey> = groups
                .iter()
                .filter_map(|group| group.pid)
                .filter_map(|pid| chosen_key(message, pid).ok())
                .collect();
            if let [survivor, others @ ..] = keys.as_slice() {
                for prior in others {
                    let kind = IdentityKind::Link { linked };
                    push(
                        message,
                        &mut events,
                        kind,
                        prior.clone(),
                        survivor.clone(),
                        at,
                    );
                }
            }
        }
        Effect::Merge { .. } | Effect::MoveAccount | Effect::MoveVisit => {
            for group in groups {
                read_merges(message, effect, group, at, &mut events, &mut refusals);
            }
        }
    }
    (events, refusals)
}

fn chosen_key(message: &Message<'_>, pid: Line<'_>) -> Result<PatientKey, Reason> {
    let pid = Segment::parse(pid.raw, &message.delimiters);
    let identifiers = Identifiers::of_pid(message, &pid);
    identifiers
        .choose(&message.policy.site)
        .map(|chosen| chosen.key(message))
}

fn read_merges(
    message: &Message<'_>,
    effect: Effect,
    group: &PatientGroup<'_>,
    at: Timestamp,
    events: &mut Vec<IdentityEvent>,
    refusals: &mut Vec<Refusal>,
) {
    // A group without PID is refused by the caller.
    let Some(pid_line) = group.pid else {
        return;
    };
    if group.merges.is_empty() {
        refusals.push(message.refuse(Reason::MissingSegment, "MRG", 1, 0));
        return;
    }
    let pid = Segment::parse(pid_line.raw, &message.delimiters);
    let survivor = Identifiers::of_pid(message, &pid);
    for line in &group.merges {
        let mrg = Segment::parse(line.raw, &message.delimiters);
        let prior = Identifiers::of_mrg(message, &mrg);
        let pairs = match pair(message, &prior, &survivor) {
            Ok(pairs) => pairs,
            Err((reason, true)) => {
                refusals.push(message.refuse(reason, "MRG", line.occurrence, 1));
                continue;
            }
            Err((reason, false)) => {
                refusals.push(message.refuse(reason, "PID", pid_line.occurrence, 3));
                continue;
            }
        };
        let moved = |field: usize| number_of(message, mrg.field(field));
        let kind = match effect {
            Effect::MoveAccount => IdentityKind::MoveAccount(Phi::new(moved(3))),
            Effect::MoveVisit => IdentityKind::MoveVisit(Phi::new(moved(5))),
            _ => IdentityKind::Merge,
        };
        if let IdentityKind::MoveAccount(number) | IdentityKind::MoveVisit(number) = &kind
            && number.expose().is_empty()
        {
            message.tally.add("move_unattributable");
            continue;
        }
        // An enterprise id that stays beside a number that changes is no self merge.
        if pairs.iter().all(|(prior, survivor)| prior == survivor) {
            message.tally.add("self_merge");
        }
        for (prior, survivor) in pairs {
            push(message, events, kind.clone(), prior, survivor, at);
        }
        if let (Effect::Merge { external: true }, Some(prior), Some(survivor)) =
            (effect, prior.external(), survivor.external())
        {
            let (prior, survivor) = (prior.key(message), survivor.key(message));
            push(message, events, IdentityKind::Merge, prior, survivor, at);
        }
    }
}

/// I-1: identifiers of the same authority and type; else of the same authority where one side names
/// no type; else the chosen ones of each. The error says whether the prior side is at fault.
fn pair(
    message: &Message<'_>,
    prior: &Identifiers<'static>,
    survivor: &Identifiers<'static>,
) -> Result<Vec<(PatientKey, PatientKey)>, (Reason, bool)> {
    let chosen_prior = prior
        .choose(&message.policy.site)
        .map_err(|reason| (reason, true))?;
    let chosen_survivor = survivor
        .choose(&message.policy.site)
        .map_err(|reason| (reason, false))?;
    let usable = |identifiers: &Identifiers<'static>| {
        identifiers
            .list
            .iter()
            .filter(|identifier| identifier.is_usable(message))
            .cloned()
            .collect::<Vec<_>>()
    };
    let (priors, survivors) = (usable(prior), usable(survivor));
    for strict in [true, false] {
        let pairs: Vec<_> = priors
            .iter()
            .filter(|prior| !prior.authority().is_empty())
            .filter_map(|prior| {
                let same = survivors.iter().find(|survivor| {
                    survivor.authority() == prior.authority()
                        && if strict {
                            survivor.kind == prior.kind
                        } else {
                            survivor.kind.is_empty() || prior.kind.is_empty()
                        }
                })?;
                Some((prior.key(message), same.key(message)))
            })
            .collect();
        if !pairs.is_empty() {
            return Ok(pairs);
        }
    }
    Ok(vec![(
        chosen_prior.key(message),
        chosen_survivor.key(message),
    )])
}

fn push(
    message: &Message<'_>,
    events: &mut Vec<IdentityEvent>,
    kind: IdentityKind,
    prior: PatientKey,
    survivor: PatientKey,
    at: Timestamp,
) {
    if prior == survivor {
        return;
    }
    let content_hash = hash_of(&kind, &prior, &survivor);
    events.push(IdentityEvent {
        kind,
        prior,
        survivor,
        at,
        content_hash,
        position: message.position,
    });
}

/// Without the time: it is compared before, and a clamped one differs between receipts.
fn hash_of(kind: &IdentityKind, prior: &PatientKey, survivor: &PatientKey) -> [u8; 8] {
    let content = postcard::to_stdvec(&(kind, prior, survivor)).unwrap_or_default();
    super::first_eight(&Sha256::digest(&content))
}
