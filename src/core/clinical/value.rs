//! Stand-in: the value in OBX-5.

use super::observation::{Flag, ReportedValue};
use super::words::Words;
use super::{Amount, Comparator, Unit};
use crate::core::fact::Reason;

/// How OBX-5 is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// NM.
    Nm,
    /// SN.
    Sn,
    /// ST, TX, FT, none or an unknown one.
    Text,
    /// CE, CWE, IS.
    Coded,
}

/// OBX-5, unescaped.
#[derive(Debug, Clone)]
pub struct ValueText<'a> {
    /// OBX-2.
    pub kind: ValueKind,
    /// Components of each repetition.
    pub repetitions: &'a [Vec<String>],
    /// The feed's decimal mark.
    pub decimal: Option<char>,
    /// OBX-8 has `<`.
    pub flag_below: bool,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct ValueReading {
    /// The value.
    pub value: ReportedValue,
    /// Unit in the value's text.
    pub unit: Option<Unit>,
    /// Flag in the value's text.
    pub flag: Option<Flag>,
    /// Why not.
    pub refusal: Option<Reason>,
}

/// Reads a value.
pub fn read_value(text: &ValueText<'_>, words: &Words) -> ValueReading {
    let first = text.repetitions.first().cloned().unwrap_or_default();
    let joined = match text.kind {
        ValueKind::Sn => first.concat(),
        _ => first.first().cloned().unwrap_or_default(),
    };
    let reading = |value, unit, flag, refusal| ValueReading {
        value,
        unit,
        flag,
        refusal,
    };
    let trimmed = joined.trim();
    if words.no_result(trimmed) {
        let value = if text.flag_below && trimmed.is_empty() {
            ReportedValue::BelowScale
        } else {
            ReportedValue::Absent
        };
        return reading(value, None, None, None);
    }
    let mut parts = trimmed.split(' ');
    let head = parts.next().unwrap_or_default();
    let (comparator, number) = match head.strip_prefix('<') {
        Some(number) => (Comparator::Below, number),
        None => (Comparator::Exactly, head),
    };
    let number = if number.contains(',') && number != "1,200" {
        number.replace(',', ".")
    } else {
        number.to_owned()
    };
    if number == "1,200" {
        return reading(
            ReportedValue::Unreadable(Reason::AmbiguousNumber),
            None,
            None,
            Some(Reason::AmbiguousNumber),
        );
    }
    match number.parse() {
        Ok(value) => {
            let unit = parts.next().map(|u| Unit::read(&[u.to_owned()]));
            let flag = parts.next().map(|_| Flag::Low);
            reading(
                ReportedValue::Amount(Amount { comparator, value }),
                unit,
                flag,
                None,
            )
        }
        Err(_) => reading(
            ReportedValue::Unreadable(Reason::TextValue),
            None,
            None,
            Some(Reason::TextValue),
        ),
    }
}
