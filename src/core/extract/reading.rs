//! What OBX-2 and OBX-5 to OBX-8 say: value, unit, interval, flag, or why they cannot be read (WIRE 4.4).

use super::message::Message;
use super::note;
use super::walk::ResultLines;
use crate::core::clinical::Unit;
use crate::core::clinical::analyte::Matched;
use crate::core::clinical::observation::{Flag, ReportedRange, ReportedValue, StatusClass};
use crate::core::clinical::range::read_range;
use crate::core::clinical::value::{ValueKind, ValueText, read_value};
use crate::core::fact::Reason;
use crate::core::hl7::segment::{Field, Segment};
use rust_decimal::Decimal;

/// Text longer than this is a document, not a value.
const LONGEST_VALUE: usize = 4096;

/// What OBX-5 to OBX-8 say.
pub(super) struct Reading {
    pub(super) value: ReportedValue,
    pub(super) unit: Unit,
    pub(super) range: ReportedRange,
    pub(super) flag: Option<Flag>,
    /// Why not, and at which field.
    pub(super) refusal: Option<(Reason, u32)>,
}

/// OBX-2; `None` for documents, which are skipped without decoding.
pub(super) fn value_kind(type_name: &str, value: &str) -> Option<ValueKind> {
    let kind = match type_name {
        "NM" => ValueKind::Nm,
        "SN" => ValueKind::Sn,
        "CE" | "CWE" | "IS" => ValueKind::Coded,
        "ED" | "RP" | "CF" => return None,
        _ => ValueKind::Text,
    };
    (value.len() <= LONGEST_VALUE).then_some(kind)
}

pub(super) fn is_known_type(type_name: &str) -> bool {
    matches!(
        type_name,
        "NM" | "SN"
            | "ST"
            | "TX"
            | "FT"
            | "CE"
            | "CWE"
            | "CF"
            | "ED"
            | "RP"
            | "DT"
            | "TM"
            | "DTM"
            | "TS"
            | "NA"
            | "IS"
            | "ID"
    )
}

fn components(message: &Message<'_>, field: Field<'_, '_>) -> Vec<Vec<String>> {
    field
        .repetitions()
        .map(|repetition| {
            repetition
                .components()
                .map(|component| message.text(component.raw()))
                .collect()
        })
        .collect()
}

pub(super) fn units(message: &Message<'_>, obx: &Segment<'_>) -> Unit {
    let all = components(message, obx.field(6));
    match all.first().map(|first| Unit::read(first)) {
        Some(Unit::Other(text)) if text.trim() == "\"\"" => Unit::Missing,
        Some(unit) => unit,
        None => Unit::Missing,
    }
}

/// A mnemonic such as IGM counts only with a mass unit (CLINICAL 3.4), or where an earlier version of
/// the same order may have to give way and no unit is needed: withdrawn, promoted, or without value.
pub(super) fn has_mass_unit(message: &Message<'_>, obx: &Segment<'_>, class: StatusClass) -> bool {
    let unit = units(message, obx);
    if unit != Unit::Missing {
        return unit.to_gram_per_litre(Decimal::ONE).is_some();
    }
    let value = message.word(obx.field(5).component(1).raw());
    matches!(class, StatusClass::Withdrawal | StatusClass::Promotion)
        || value.is_empty()
        || message.policy.words.no_result(&value)
}

/// Whether this is a concentration by mass of something in serum, as far as OBX alone tells.
pub(super) fn is_amount(message: &Message<'_>, obx: &Segment<'_>) -> bool {
    let type_name = message
        .word(obx.field(2).component(1).subcomponent(1))
        .to_uppercase();
    let Some(kind) = value_kind(&type_name, obx.field(5).raw()) else {
        return false;
    };
    let repetitions = components(message, obx.field(5));
    let text = ValueText {
        kind,
        repetitions: &repetitions,
        decimal: message.reading.decimal,
        flag_below: false,
    };
    let value = read_value(&text, &message.policy.words).value;
    let is_number = matches!(value, ReportedValue::Amount(_) | ReportedValue::Range(..));
    is_number
        && units(message, obx)
            .to_gram_per_litre(Decimal::ONE)
            .is_some()
}

/// OBX-8: the first repetition that is one of ours, and whether any is `<`.
fn read_flags(message: &Message<'_>, obx: &Segment<'_>) -> (Option<Flag>, bool) {
    let codes: Vec<String> = obx
        .field(8)
        .repetitions()
        .map(|repetition| {
            repetition
                .components()
                .map(|component| message.word(component.subcomponent(1)))
                .find(|code| !code.is_empty())
                .unwrap_or_default()
                .to_uppercase()
        })
        .collect();
    let known = codes.iter().find_map(|code| {
        Some(match code.as_str() {
            "L" | "LOW" | "<" => Flag::Low,
            "LL" => Flag::VeryLow,
            "H" | "HIGH" | ">" => Flag::High,
            "HH" => Flag::VeryHigh,
            "N" | "NORMAL" => Flag::Normal,
            _ => return None,
        })
    });
    (known, codes.iter().any(|code| code == "<"))
}

pub(super) fn read_values(
    message: &Message<'_>,
    obx: &Segment<'_>,
    kind: ValueKind,
    matched: &Matched,
    notes: &[String],
) -> Reading {
    let (flag, flag_below) = read_flags(message, obx);
    let repetitions = components(message, obx.field(5));
    let decimal = message.reading.decimal;
    let text = ValueText {
        kind,
        repetitions: &repetitions,
        decimal,
        flag_below,
    };
    let read = read_value(&text, &message.policy.words);
    let flag = flag.or(read.flag);
    let stated = units(message, obx);
    let contradiction = match &read.unit {
        Some(of_text) => stated != Unit::Missing && stated != *of_text,
        None => false,
    };
    let unit = match (stated, read.unit) {
        (Unit::Missing, Some(of_text)) => of_text,
        (Unit::Missing, None) => matched.default_unit.clone().unwrap_or(Unit::Missing),
        (stated, _) => stated,
    };
    let ranges = components(message, obx.field(7));
    let range = read_range(&ranges, &unit, decimal, &message.policy.words);
    if let Some(count) = range.count {
        message.tally.add(count);
    }
    let refusal = read
        .refusal
        .map(|reason| (reason, 5))
        .or(contradiction.then_some((Reason::UnknownUnit, 6)))
        .or_else(|| refuse_value(&read.value, &unit, &range.range, flag))
        .or_else(|| {
            let told = read.value == ReportedValue::Absent
                && notes
                    .iter()
                    .any(|note| note::may_hold_value(matched.analyte, note));
            told.then_some((Reason::ValueInNote, 5))
        });
    Reading {
        value: read.value,
        unit,
        range: range.range,
        flag,
        refusal,
    }
}

/// V-8, and CLINICAL 9.7: a unit is needed only where neither interval nor flag serves.
fn refuse_value(
    value: &ReportedValue,
    unit: &Unit,
    range: &ReportedRange,
    flag: Option<Flag>,
) -> Option<(Reason, u32)> {
    let numbers = match value {
        ReportedValue::Amount(amount) => [amount.value, amount.value],
        ReportedValue::Range(low, high) => [*low, *high],
        _ => return None,
    };
    let impossible = |number: Decimal| {
        let converted = unit.to_gram_per_litre(number).unwrap_or(number);
        (number.is_sign_negative() && !number.is_zero()) || converted > Decimal::from(1_000_000)
    };
    if numbers.into_iter().any(impossible) {
        return Some((Reason::Implausible, 5));
    }
    if *range != ReportedRange::None || flag.is_some() {
        return None;
    }
    match unit {
        Unit::Missing => Some((Reason::NoUnit, 6)),
        unit if unit.to_gram_per_litre(Decimal::ONE).is_none() => Some((Reason::UnknownUnit, 6)),
        _ => None,
    }
}

pub(super) fn read_notes(message: &Message<'_>, lines: &ResultLines<'_>) -> Vec<String> {
    lines
        .notes
        .iter()
        .map(|line| {
            let nte = Segment::parse(line.raw, &message.delimiters);
            let repetitions: Vec<String> = nte
                .field(3)
                .repetitions()
                .map(|repetition| message.text(repetition.raw()))
                .collect();
            repetitions.join("\n")
        })
        .filter(|note| !note.trim().is_empty())
        .collect()
}
