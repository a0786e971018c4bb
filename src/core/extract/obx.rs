//! One OBX that the analyte map names, as a version of a result (WIRE 4.4).

use super::message::{Line, Message};
use super::order::Order;
use super::reading::{
    Reading, has_mass_unit, is_amount, is_known_type, read_notes, read_values, units, value_kind,
};
use super::repeats::{Draft, settle_repeats, settle_withdrawals, tell_apart};
use super::shown::{laboratory, method, reported};
use super::specimen::{self, OrderSpecimen, Verdict};
use super::status::result_status;
use super::walk::ResultLines;
use super::{Called, Coding, Refusal, first_eight};
use crate::core::clinical::analyte::{Match, Matched, Triplet};
use crate::core::clinical::observation::{
    Analyte, Observation, PatientKey, ReportedRange, ReportedValue, ResultId, ResultStatus, Shown,
    Specimen, StatusClass,
};
use crate::core::fact::Reason;
use crate::core::hl7::segment::Segment;
use crate::core::phi::Phi;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

/// What the results of one order share.
pub(super) struct OrderContext<'a, 'm> {
    pub(super) message: &'a Message<'m>,
    pub(super) key: &'a PatientKey,
    pub(super) order: &'a Order<'m>,
    pub(super) specimen: &'a OrderSpecimen<'m>,
    pub(super) account: &'a str,
    pub(super) visit: &'a str,
    /// Earliest day of birth, where PID-7 gives one.
    pub(super) born: Option<Date>,
}

/// Results that were refused.
#[derive(Default)]
pub(super) struct Refused {
    pub(super) refusals: Vec<Refusal>,
    /// How those call themselves that a row for their code might mend.
    pub(super) called: Vec<Called>,
}

/// All results of one order.
pub(super) fn read_results<'m>(
    context: &OrderContext<'_, 'm>,
    results: &[ResultLines<'m>],
) -> (Vec<Observation>, Refused) {
    let mut refused = Refused::default();
    let mut drafts: Vec<Draft<'m>> = results
        .iter()
        .filter_map(|lines| read_result(context, lines, &mut refused))
        .collect();
    tell_apart(&mut drafts);
    settle_withdrawals(&mut drafts);
    settle_repeats(context.message, &mut drafts, &mut refused.refusals);
    let observations = drafts
        .into_iter()
        .map(|draft| {
            let mut observation = draft.observation;
            observation.content_hash = hash_of(&observation, draft.version_is_sent);
            observation
        })
        .collect();
    (observations, refused)
}

fn read_result<'m>(
    context: &OrderContext<'_, 'm>,
    lines: &ResultLines<'m>,
    refused: &mut Refused,
) -> Option<Draft<'m>> {
    let message = context.message;
    let obx = message.segment(lines.obx);
    let mut refuse = |reason, field| {
        refused
            .called
            .extend(called(message, lines.obx, &obx, reason));
        let refusal = message.refuse_result(reason, lines.obx, field);
        refused.refusals.push(refusal);
    };
    let (matched, mismatch) = match look_up(message, &obx) {
        Match::No => return None,
        Match::Unlisted(_) => {
            let elsewhere = specimen::judge(context.specimen.kind, None) == Verdict::NotOurs;
            if !elsewhere && is_amount(message, &obx) {
                refuse(Reason::UnknownCode, 3);
            }
            return None;
        }
        Match::One(matched) => (matched, false),
        Match::TextMismatch(analyte) => (mismatched(message, &obx, analyte), true),
        Match::Conflict => {
            refuse(Reason::CodeConflict, 3);
            return None;
        }
    };
    let type_name = message
        .word(obx.field(2).component(1).subcomponent(1))
        .to_uppercase();
    let kind = value_kind(&type_name, obx.field(5).raw())?;
    let status = result_status(
        message,
        obx.field(11).raw(),
        context.order.status,
        obx.field(31).component(1).raw(),
    );
    if matched.needs_mass_unit && !has_mass_unit(message, &obx, status.class) {
        return None;
    }
    let withdrawn = status.class == StatusClass::Withdrawal;
    let specimen = match specimen::judge(context.specimen.kind, matched.specimen) {
        Verdict::Counts(specimen) => Some(specimen),
        Verdict::NotOurs => return None,
        // What is withdrawn needs no specimen (S-3).
        Verdict::CannotTell if withdrawn => Some(Specimen::Serum),
        Verdict::CannotTell => None,
    };
    // Counted only now: these are ours (WIRE 12.12).
    if matched.guessed {
        message.tally.add("ln_guess");
    }
    let notes = read_notes(message, lines);
    let mut reading = match status.class {
        StatusClass::Withdrawal | StatusClass::NoResult => Reading {
            value: ReportedValue::Absent,
            unit: units(message, &obx),
            range: ReportedRange::None,
            flag: None,
            refusal: None,
        },
        StatusClass::Preliminary | StatusClass::Final | StatusClass::Promotion => {
            if !is_known_type(&type_name) && !obx.field(5).raw().is_empty() {
                message.tally.add("obx2_guess");
            }
            read_values(message, &obx, kind, &matched, &notes)
        }
    };
    let flaw = [3, 5, 6, 7].into_iter().find_map(|field: u32| {
        let reason = message.flaw(obx.field(field as usize).raw())?;
        Some((reason, field))
    });
    let refusal = if withdrawn || status.class == StatusClass::NoResult {
        None
    } else if mismatch {
        Some((Reason::CodeTextMismatch, 3))
    } else {
        flaw.or(reading.refusal)
    };
    match (refusal, specimen, status.class) {
        // U says only that an earlier value is final; a bad copy of the value does not matter.
        (Some(_), _, StatusClass::Promotion) => reading.value = ReportedValue::Absent,
        (Some((reason, field)), _, _) => {
            reading.value = ReportedValue::Unreadable(reason);
            refuse(reason, field);
        }
        (None, None, _) => {
            reading.value = ReportedValue::Unreadable(Reason::SpecimenAmbiguous);
            let (line, field) = match context.specimen.line {
                Some(line) if line.raw.name == "OBR" => (line, 15),
                Some(line) => (line, 4),
                None => (lines.obx, 3),
            };
            let refusal = message.refuse_result(Reason::SpecimenAmbiguous, line, field);
            refused.refusals.push(refusal);
        }
        (None, Some(_), _) => {}
    }
    Some(assemble(
        context,
        Parts {
            obx: &obx,
            line: lines.obx,
            matched,
            status,
            specimen: specimen.unwrap_or(Specimen::Serum),
            reading,
            notes,
        },
    ))
}

/// All that one observation is put together from.
struct Parts<'p, 'm> {
    obx: &'p Segment<'m>,
    line: Line<'m>,
    matched: Matched,
    status: ResultStatus,
    specimen: Specimen,
    reading: Reading,
    notes: Vec<String>,
}

fn assemble<'m>(context: &OrderContext<'_, 'm>, parts: Parts<'_, 'm>) -> Draft<'m> {
    let (message, order, obx) = (context.message, context.order, parts.obx);
    let obx14 = obx.field(14).component(1).raw();
    let observed = order.observed_at(message, obx14, context.born);
    let observed_text = observed.as_ref().map_or("", |at| at.text.as_str());
    let (version_at, of_receipt) = order.version_at(message, obx.field(19).component(1).raw());
    let reading = parts.reading;
    let specimen_code = match context.specimen.code.as_str() {
        "" if parts.specimen == Specimen::Cord => "BLDCO".to_owned(),
        "" => "SER".to_owned(),
        code => code.to_owned(),
    };
    let specimen_id = if context.specimen.id.is_empty() {
        order.filler.clone()
    } else {
        context.specimen.id.clone()
    };
    let shown = Shown {
        reported: Phi::new(reported(message, obx, &reading.unit)),
        range: message.text(obx.field(7).raw()).trim().to_owned(),
        flag: message.word(obx.field(8).component(1).subcomponent(1)),
        code: parts.matched.code,
        system: parts.matched.system,
        specimen: specimen_code,
        order: Phi::new(order.shown_number()),
        control_id: message.control_id.clone(),
        feed: message.feed.clone(),
        listener: message.received.origin.listener.clone(),
        laboratory: laboratory(message, obx),
        method: method(message, obx),
        account: Phi::new(context.account.to_owned()),
        visit: Phi::new(context.visit.to_owned()),
        notes: Phi::new(parts.notes),
        specimen_id: Phi::new(specimen_id),
    };
    let id = ResultId {
        patient: context.key.clone(),
        order: order.number(message, observed_text),
        analyte: parts.matched.analyte,
        specimen: parts.specimen,
        sub_id: None,
    };
    Draft {
        observation: Observation {
            id,
            status: parts.status,
            version_at,
            observed,
            value: Phi::new(reading.value),
            unit: reading.unit,
            range: reading.range,
            flag: reading.flag,
            shown,
            position: message.position,
            received_at: message.received.received_at,
            content_hash: [0; 8],
        },
        sub_id: message.word(obx.field(4).raw()),
        line: parts.line,
        version_is_sent: !of_receipt,
    }
}

fn look_up(message: &Message<'_>, obx: &Segment<'_>) -> Match {
    let codings = codings(message, obx);
    let triplets: Vec<Triplet<'_>> = codings.iter().map(Coding::triplet).collect();
    message.policy.analytes.lookup(&triplets, &message.feed)
}

/// OBX-3: .1-.3, .4-.6, and since 2.7 .10-.12.
fn codings(message: &Message<'_>, obx: &Segment<'_>) -> Vec<Coding> {
    let field = obx.field(3).first();
    let part = |number: usize| message.word(field.component(number).subcomponent(1));
    [1, 4, 10]
        .into_iter()
        .map(|first| Coding {
            code: part(first),
            text: part(first + 1),
            system: part(first + 2),
        })
        .filter(|coding| !coding.code.is_empty() || !coding.text.is_empty())
        .collect()
}

/// How a result calls itself, where a row for its code might mend what it is refused for, or it is the unit.
fn called(
    message: &Message<'_>,
    line: Line<'_>,
    obx: &Segment<'_>,
    reason: Reason,
) -> Option<Called> {
    let is_of_code = matches!(
        reason,
        Reason::UnknownUnit
            | Reason::UnknownCode
            | Reason::CodeConflict
            | Reason::CodeTextMismatch
            | Reason::NoUnit
    );
    is_of_code.then(|| Called {
        reason,
        occurrence: line.occurrence,
        codings: codings(message, obx),
        unit: message.word(obx.field(6).component(1).raw()),
    })
}

/// A result whose code names the analyte and whose text another one.
fn mismatched(message: &Message<'_>, obx: &Segment<'_>, analyte: Analyte) -> Matched {
    let part = |number: usize| message.word(obx.field(3).component(number).subcomponent(1));
    Matched {
        analyte,
        code: part(1),
        system: part(3),
        specimen: None,
        default_unit: None,
        needs_mass_unit: false,
        guessed: false,
    }
}

/// Over the content of the version: not over position, receipt, and what names the copy (control id,
/// feed, listener). Times that were clamped to receipt count by their text.
fn hash_of(observation: &Observation, version_is_sent: bool) -> [u8; 8] {
    let version = version_is_sent.then_some(observation.version_at);
    let observed = observation.observed.as_ref().map(|observed| {
        (
            (!observed.clamped).then_some((observed.at, observed.date)),
            observed.source,
            &observed.text,
        )
    });
    let shown = &observation.shown;
    let content = (
        (&observation.id, &observation.status, version, observed),
        (
            &observation.value,
            &observation.unit,
            &observation.range,
            observation.flag,
        ),
        (
            &shown.reported,
            &shown.range,
            &shown.flag,
            &shown.code,
            &shown.system,
        ),
        (
            &shown.specimen,
            &shown.order,
            &shown.laboratory,
            &shown.method,
        ),
        (
            &shown.account,
            &shown.visit,
            &shown.notes,
            &shown.specimen_id,
        ),
    );
    let bytes = postcard::to_stdvec(&content).unwrap_or_default();
    first_eight(&Sha256::digest(&bytes))
}
