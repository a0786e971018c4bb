//! One message from its bytes to what it says.

use super::message::{Message, Text, raw_header};
use super::obx::{OrderContext, read_results};
use super::order::Order;
use super::patient::{Identifiers, demographics, number_of};
use super::plain::read_plain;
use super::specimen;
use super::walk::{OrderGroup, PatientGroup, Style, Walk, walk};
use super::{Extraction, PatientPart, Refusal, Routine, Understood, glance};
use super::{associations, identity, place, status};
use crate::core::clinical::observation::{Given, GroupWithdrawal, OrderNumber, PatientKey};
use crate::core::fact::{JournalPosition, Reason, Received};
use crate::core::hl7::delimiters::Delimiters;
use crate::core::hl7::header::RawHeader;
use crate::core::hl7::segment::Segment;
use crate::core::hl7::segments::segments;
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;

/// Reads one stored message (WIRE 4): total, a pure function of its arguments.
///
/// Counts of what is known before the acknowledgement (`ignored_type`, `not_production`,
/// `no_control_id`, `unexpected_ack`, `msh_late`) are the listener's and not raised here.
///
/// Most messages have no result of ours: of these a glance tells, and only header and patient are read.
pub fn extract(received: &Received, position: JournalPosition, policy: &Policy) -> Extraction {
    let (raw, listener) = (&received.raw, &received.origin.listener);
    match glance(raw, listener, received.received_at, policy) {
        Some(routine) => extract_routine(&routine, received, position, policy),
        None => extract_whole(received, position, policy),
    }
}

/// As [`extract`], of a message at which a glance was taken: only header and patient are read, where what is
/// left out does not tell the character set.
pub fn extract_routine(
    routine: &Routine<'_>,
    received: &Received,
    position: JournalPosition,
    policy: &Policy,
) -> Extraction {
    if let Some(extraction) = read_plain(routine, received, position, policy) {
        return extraction;
    }
    let Some(short) = routine.shortened() else {
        return extract_whole(received, position, policy);
    };
    let short = Received {
        raw: short.into(),
        ..received.clone()
    };
    let mut extraction = extract_whole(&short, position, policy);
    for part in &mut extraction.patients {
        // A shortened message does not have the time of its event.
        part.demographics
            .iter_mut()
            .for_each(|report| report.at = routine.said);
    }
    extraction
}

/// As [`extract`], with every segment looked at.
pub fn extract_whole(
    received: &Received,
    position: JournalPosition,
    policy: &Policy,
) -> Extraction {
    let Some((start, header)) = raw_header(&received.raw) else {
        return refused(None, Reason::UnreadableMsh, 0);
    };
    let reading = policy.reading(&received.origin.listener);
    let Ok(mut text) = Text::decode(&received.raw, start, &header, &reading.charset) else {
        return refused(Some(&header), Reason::CharsetUtf16, 18);
    };
    let tally = std::mem::take(&mut text.counts);
    let Ok(delimiters) = Delimiters::read(&text.text) else {
        let mut extraction = refused(Some(&header), Reason::Delimiters, 2);
        extraction.counts = tally.into_counts();
        return extraction;
    };
    let Some(msh) = segments(&text.text, delimiters.field).next() else {
        return refused(Some(&header), Reason::UnreadableMsh, 0);
    };
    let message = Message::new(received, position, policy, &text, delimiters, msh, tally);
    let mut extraction = Extraction {
        message_type: message.message_type(),
        control_id: message.control_id.clone(),
        feed: message.feed.clone(),
        sent_at: message.sent_at,
        ..Extraction::default()
    };
    read_message(&message, &text.text, &mut extraction);
    extraction.counts = message.tally.into_counts();
    extraction
}

/// A message of which only the raw header can be shown.
fn refused(header: Option<&RawHeader<'_>>, reason: Reason, field: u32) -> Extraction {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut extraction = Extraction::default();
    if let Some(header) = header {
        extraction.control_id = text(header.field(10));
        extraction.feed = format!(
            "{}/{}",
            text(header.component(3, 1)),
            text(header.component(4, 1))
        );
        extraction.message_type = [header.component(9, 1), header.component(9, 2)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(text)
            .collect::<Vec<_>>()
            .join("^");
    }
    extraction.refusals.push(Refusal {
        reason,
        place: super::Place {
            segment: "MSH".to_owned(),
            occurrence: 1,
            field,
            name: place::field_name("MSH", field).to_owned(),
        },
        result: false,
        remedy: place::remedy(reason).to_owned(),
    });
    extraction
}

/// What a message is by MSH-9 (WIRE 4.1).
enum Kind {
    Results(Style),
    Demographics {
        /// One of the events that must have a PID.
        needs_pid: bool,
    },
    Identity(identity::Effect),
    Order,
    Ignored,
    Acknowledgement,
    Refused(Reason),
}

fn kind_of(message: &Message<'_>) -> Kind {
    let event = message.event.as_str();
    match (message.kind.as_str(), event) {
        ("", _) => Kind::Refused(Reason::NoType),
        ("ACK" | "MCF" | "NMD", _) => Kind::Acknowledgement,
        ("ORU", "" | "R01" | "R03" | "R30" | "R31" | "R32" | "R40") => {
            Kind::Results(Style::OrderFirst)
        }
        ("OUL", "R21") => Kind::Results(Style::OrderFirst),
        ("OUL", "R22" | "R23") => Kind::Results(Style::SpecimenFirst),
        ("OUL", "R24") => Kind::Results(Style::ResultLast),
        ("ORU" | "OUL", _) => Kind::Refused(Reason::Event),
        ("ORM" | "OML", _) => Kind::Order,
        ("ADT", _) => match identity::effect_of(event) {
            Some(effect) => Kind::Identity(effect),
            None => Kind::Demographics {
                needs_pid: matches!(event, "A01" | "A04" | "A05" | "A08" | "A13" | "A28" | "A31"),
            },
        },
        _ => Kind::Ignored,
    }
}

fn read_message<'m>(message: &Message<'m>, text: &'m str, extraction: &mut Extraction) {
    let kind = kind_of(message);
    extraction.understood = match kind {
        Kind::Results(_) => Understood::Results,
        Kind::Demographics { .. } => Understood::Demographics,
        Kind::Identity(_) => Understood::Identity,
        Kind::Order => Understood::Order,
        Kind::Ignored => Understood::Ignored,
        Kind::Acknowledgement => Understood::Acknowledgement,
        Kind::Refused(reason) => {
            extraction
                .refusals
                .push(message.refuse(reason, "MSH", 1, 9));
            Understood::Ignored
        }
    };
    if matches!(
        kind,
        Kind::Ignored | Kind::Acknowledgement | Kind::Refused(_)
    ) {
        return;
    }
    // A-40 e: a message of another processing id is stored and not read.
    let processing = message.processing.as_str();
    if matches!(processing, "P" | "T" | "D")
        && !message.reading.processing.eq_ignore_ascii_case(processing)
    {
        extraction.understood = Understood::NotProduction;
        extraction.processing = Some(message.processing.clone());
        return;
    }
    let style = match kind {
        Kind::Results(style) => style,
        _ => Style::OrderFirst,
    };
    let walk = walk(message, text, style);
    if let Some(refusal) = refuse_continuation(message, &walk) {
        extraction.refusals.push(refusal);
        return;
    }
    match kind {
        Kind::Results(_) => read_results_message(message, &walk, extraction),
        Kind::Demographics { needs_pid } => {
            if needs_pid || has_pid(&walk) {
                read_persons(message, &walk, Given::Absent, extraction);
            } else {
                extraction.understood = Understood::Ignored;
            }
        }
        Kind::Identity(effect) => read_identity(message, &walk, effect, extraction),
        Kind::Order => read_cancellations(message, &walk, extraction),
        Kind::Ignored | Kind::Acknowledgement | Kind::Refused(_) => {}
    }
}

/// parts of a message are not read singly.
fn refuse_continuation(message: &Message<'_>, walk: &Walk<'_>) -> Option<Refusal> {
    if message.continues {
        return Some(message.refuse(Reason::Continuation, "MSH", 1, 14));
    }
    let dsc = walk.dsc?;
    let pointer = message.word(message.raw_field(dsc, 1));
    (!pointer.is_empty()).then(|| message.refuse(Reason::Continuation, "DSC", dsc.occurrence, 1))
}

fn has_pid(walk: &Walk<'_>) -> bool {
    walk.groups.iter().any(|group| group.pid.is_some())
}

/// A PID with the key chosen from it.
struct Person<'m> {
    pid: Segment<'m>,
    key: PatientKey,
}

enum Whose<'m> {
    Person(Box<Person<'m>>),
    /// PID-3 names control material.
    Control,
    Refused(Refusal),
}

fn whose<'m>(message: &Message<'m>, group: &PatientGroup<'m>) -> Whose<'m> {
    let Some(line) = group.pid else {
        return Whose::Refused(message.refuse(Reason::MissingSegment, "PID", 1, 0));
    };
    let pid = message.segment(line);
    let identifiers = Identifiers::of_pid(message, &pid);
    if identifiers.is_control(&message.policy.site) {
        return Whose::Control;
    }
    match identifiers.choose(&message.policy.site) {
        Ok(chosen) => {
            let key = chosen.key(message);
            Whose::Person(Box::new(Person { pid, key }))
        }
        Err(reason) => Whose::Refused(message.refuse(reason, "PID", line.occurrence, 3)),
    }
}

fn read_results_message<'m>(message: &Message<'m>, walk: &Walk<'m>, extraction: &mut Extraction) {
    if walk.groups.is_empty() {
        extraction
            .refusals
            .push(message.refuse(Reason::MissingSegment, "PID", 1, 0));
    }
    for group in &walk.groups {
        let controls = group
            .orders
            .iter()
            .filter(|order| specimen::is_control_material(message, order))
            .count();
        let all_control = controls > 0 && controls == group.orders.len();
        let no_patient = message.kind == "OUL" && group.pid.is_none();
        if all_control || no_patient {
            message.tally.add("control_material");
            continue;
        }
        match whose(message, group) {
            Whose::Control => message.tally.add("control_material"),
            Whose::Refused(refusal) => extraction.refusals.push(refusal),
            Whose::Person(person) => {
                message.tally.add_many("control_material", controls as u64);
                let at = identity::report_time(message, walk.evn);
                read_patient(message, group, &person, at, extraction);
            }
        }
    }
}

fn read_patient<'m>(
    message: &Message<'m>,
    group: &PatientGroup<'m>,
    person: &Person<'m>,
    at: Timestamp,
    extraction: &mut Extraction,
) {
    let report = demographics(message, &person.pid, at, Given::Absent);
    let born = match &report.birth {
        Given::Value(birth) => Some(birth.expose().earliest),
        Given::Absent | Given::Cleared => None,
    };
    let mut part = PatientPart {
        key: person.key.clone(),
        demographics: Some(report),
        observations: Vec::new(),
        group_withdrawals: Vec::new(),
        associations: associations::diagnoses(message, group),
    };
    part.associations
        .extend(associations::drugs(message, group));
    let account = number_of(message, person.pid.field(18));
    // Only results need the visit; PV1 is long, and most groups have none that concern us.
    let has_results = group.orders.iter().any(|order| !order.results.is_empty());
    let visit = group
        .pv1
        .filter(|_| has_results)
        .map(|pv1| number_of(message, message.segment(pv1).field(19)))
        .unwrap_or_default();
    for order_group in &group.orders {
        if specimen::is_control_material(message, order_group) {
            continue;
        }
        part.group_withdrawals
            .extend(withdrawal(message, order_group, true));
        if order_group.results.is_empty() {
            continue;
        }
        let mut order = Order::read(message, order_group);
        let of_order = specimen::of_order(message, order_group, &order);
        order.collected = of_order.collected;
        let context = OrderContext {
            message,
            key: &person.key,
            order: &order,
            specimen: &of_order,
            account: &account,
            visit: &visit,
            born,
        };
        let (observations, refused) = read_results(&context, &order_group.results);
        part.observations.extend(observations);
        extraction.refusals.extend(refused.refusals);
        extraction.called.extend(refused.called);
    }
    if !group.has_obx && part.group_withdrawals.is_empty() {
        extraction
            .refusals
            .push(message.refuse(Reason::MissingSegment, "OBX", 1, 0));
    }
    extraction.patients.push(part);
}

/// S-5, X-30. A placer number serves only where the results came with it, never in an order message.
fn withdrawal<'m>(
    message: &Message<'m>,
    group: &OrderGroup<'m>,
    by_placer: bool,
) -> Option<GroupWithdrawal> {
    if !status::withdraws_order(message, group) {
        return None;
    }
    let order = Order::read(message, group);
    let number = if !order.filler.is_empty() {
        OrderNumber::Filler(Phi::new(order.filler.clone()))
    } else if by_placer && !order.placer.is_empty() {
        OrderNumber::Placer(Phi::new(order.placer.clone()))
    } else {
        return None;
    };
    Some(GroupWithdrawal {
        order: number,
        version_at: order.version_at(message, "").0,
        position: message.position,
    })
}

/// Demographics and diagnoses of every PID.
fn read_persons(
    message: &Message<'_>,
    walk: &Walk<'_>,
    deleted: Given<bool>,
    extraction: &mut Extraction,
) {
    if !has_pid(walk) {
        extraction
            .refusals
            .push(message.refuse(Reason::MissingSegment, "PID", 1, 0));
    }
    let at = identity::report_time(message, walk.evn);
    for group in walk.groups.iter().filter(|group| group.pid.is_some()) {
        match whose(message, group) {
            Whose::Control => message.tally.add("control_material"),
            Whose::Refused(refusal) => extraction.refusals.push(refusal),
            Whose::Person(person) => {
                let mut associations = associations::diagnoses(message, group);
                associations.extend(associations::drugs(message, group));
                extraction.patients.push(PatientPart {
                    demographics: Some(demographics(message, &person.pid, at, deleted.clone())),
                    key: person.key,
                    observations: Vec::new(),
                    group_withdrawals: Vec::new(),
                    associations,
                });
            }
        }
    }
}

fn read_identity(
    message: &Message<'_>,
    walk: &Walk<'_>,
    effect: identity::Effect,
    extraction: &mut Extraction,
) {
    let deleted = if effect == identity::Effect::Delete {
        Given::Value(true)
    } else {
        Given::Absent
    };
    read_persons(message, walk, deleted, extraction);
    let at = identity::event_time(message, walk.evn);
    let (events, refusals) = identity::read_events(message, effect, &walk.groups, at);
    extraction.identity = events;
    for refusal in refusals {
        // A survivor without identifier is refused already with its demographics.
        if !extraction.refusals.contains(&refusal) {
            extraction.refusals.push(refusal);
        }
    }
}

/// X-30, and the drugs of an order.
fn read_cancellations(message: &Message<'_>, walk: &Walk<'_>, extraction: &mut Extraction) {
    for group in &walk.groups {
        let group_withdrawals: Vec<_> = group
            .orders
            .iter()
            .filter_map(|order| withdrawal(message, order, false))
            .collect();
        let associations = associations::drugs(message, group);
        if group_withdrawals.is_empty() && associations.is_empty() {
            continue;
        }
        match whose(message, group) {
            Whose::Control => message.tally.add("control_material"),
            Whose::Refused(refusal) => extraction.refusals.push(refusal),
            Whose::Person(person) => extraction.patients.push(PatientPart {
                key: person.key,
                demographics: None,
                observations: Vec::new(),
                group_withdrawals,
                associations,
            }),
        }
    }
}
