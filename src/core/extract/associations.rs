//! Diagnoses, reasons and drugs beside the results (WIRE X-24, CLINICAL 2).

use super::message::{Line, Message};
use super::walk::PatientGroup;
use crate::core::clinical::observation::AssociationSeen;
use crate::core::hl7::segment::{Field, Repetition, Segment};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;

/// Where a code stands and when it was made.
struct Source {
    field: &'static str,
    at: Timestamp,
    removed: bool,
    /// System of codes that name none (DG1-2).
    system: String,
    /// Text of codes that name none (DG1-4).
    text: String,
}

/// DG1-3, PV2-3, OBR-31 and ORC-16 of a patient group, each triplet that has a code.
pub(super) fn diagnoses(message: &Message<'_>, group: &PatientGroup<'_>) -> Vec<AssociationSeen> {
    let mut seen = Vec::new();
    for line in &group.diagnoses {
        let dg1 = message.segment(*line);
        let at = message
            .first_instant([dg1.field(5).component(1).raw()])
            .map(|at| message.clamp(at))
            .unwrap_or_else(|| message.sent_or_received());
        let source = Source {
            field: "DG1-3",
            at,
            removed: message
                .word(dg1.field(21).component(1).raw())
                .eq_ignore_ascii_case("D"),
            system: message.word(dg1.field(2).component(1).subcomponent(1)),
            text: message.word(dg1.field(4).component(1).raw()),
        };
        read_field(message, dg1.field(3), &source, &mut seen);
    }
    let by_number = |seen: &mut Vec<AssociationSeen>, line: Option<Line<'_>>, field, name| {
        if let Some(line) = line {
            read_number(message, line, field, name, seen);
        }
    };
    by_number(&mut seen, group.pv2, 3, "PV2-3");
    for order in &group.orders {
        by_number(&mut seen, order.obr, 31, "OBR-31");
        by_number(&mut seen, order.orc, 16, "ORC-16");
    }
    seen
}

/// RXA-5, RXE-2 and RXO-1 of a patient group.
pub(super) fn drugs(message: &Message<'_>, group: &PatientGroup<'_>) -> Vec<AssociationSeen> {
    let mut seen = Vec::new();
    for line in &group.drugs {
        let (field, name) = match line.raw.name {
            "RXA" => (5, "RXA-5"),
            "RXE" => (2, "RXE-2"),
            _ => (1, "RXO-1"),
        };
        read_number(message, *line, field, name, &mut seen);
    }
    seen
}

/// Codes of a field, which is parsed only if it is not empty.
fn read_number(
    message: &Message<'_>,
    line: Line<'_>,
    field: usize,
    name: &'static str,
    seen: &mut Vec<AssociationSeen>,
) {
    if line
        .raw
        .raw_field(field, message.delimiters.field)
        .is_empty()
    {
        return;
    }
    let segment = Segment::parse(line.raw, &message.delimiters);
    let source = Source {
        field: name,
        at: message.sent_or_received(),
        removed: false,
        system: String::new(),
        text: String::new(),
    };
    read_field(message, segment.field(field), &source, seen);
}

fn read_field(
    message: &Message<'_>,
    field: Field<'_, '_>,
    source: &Source,
    seen: &mut Vec<AssociationSeen>,
) {
    for repetition in field.repetitions() {
        for first in [1, 4] {
            read_triplet(message, repetition, first, source, seen);
        }
    }
}

fn read_triplet(
    message: &Message<'_>,
    repetition: Repetition<'_, '_>,
    first: usize,
    source: &Source,
    seen: &mut Vec<AssociationSeen>,
) {
    let part = |offset: usize| message.word(repetition.component(first + offset).subcomponent(1));
    let code = part(0);
    let mut text = part(1);
    // A drug is known by its name as well (CLINICAL 2.4); a diagnosis only by its code.
    let named_drug = source.field.starts_with("RX") && !text.is_empty();
    if code.is_empty() && !named_drug {
        return;
    }
    let mut system = part(2);
    if system.is_empty() && first == 1 {
        system.clone_from(&source.system);
    }
    if text.is_empty() {
        text.clone_from(&source.text);
    }
    seen.push(AssociationSeen {
        code: Phi::new(code),
        system,
        text: Phi::new(text),
        field: source.field.to_owned(),
        at: source.at,
        removed: source.removed,
        position: message.position,
    });
}
