//! Texts of one result as reported, for the evidence.

use super::message::Message;
use crate::core::clinical::Unit;
use crate::core::clinical::interval::NAMES_APART;
use crate::core::hl7::segment::Segment;

/// Value and unit as reported: `21 mg/dL`, `<0.2 g/L`.
pub(super) fn reported(message: &Message<'_>, obx: &Segment<'_>, of_value: &Unit) -> String {
    let is_sn = message.word(obx.field(2).component(1).raw()) == "SN";
    let values: Vec<String> = obx
        .field(5)
        .repetitions()
        .map(|repetition| {
            let mut parts = repetition
                .components()
                .map(|component| message.word(component.raw()))
                .filter(|part| !part.is_empty());
            if is_sn {
                parts.collect::<String>()
            } else {
                parts.next().unwrap_or_default()
            }
        })
        .filter(|value| !value.is_empty())
        .collect();
    let value = values.join("; ");
    let of_field = [1, 4, 2]
        .into_iter()
        .map(|number| message.word(obx.field(6).component(number).raw()))
        .find(|unit| !unit.is_empty());
    let unit = of_field.unwrap_or_else(|| of_value.shown());
    let said = value.to_lowercase().contains(&unit.to_lowercase());
    if value.is_empty() || said {
        value
    } else {
        format!("{value} {unit}")
    }
}

/// OBX-23 (name .1, identifier .10), else OBX-15 (text .2, code .1). `[[interval]] laboratory` may be
/// any of them.
pub(super) fn laboratory(message: &Message<'_>, obx: &Segment<'_>) -> String {
    let organization = joined(message, obx, &[(23, 1), (23, 10)]);
    if organization.is_empty() {
        joined(message, obx, &[(15, 2), (15, 1)])
    } else {
        organization
    }
}

/// OBX-17 (text .2, code .1) and OBX-18 (.1). `[[interval]] method` may be any of them.
pub(super) fn method(message: &Message<'_>, obx: &Segment<'_>) -> String {
    joined(message, obx, &[(17, 2), (17, 1), (18, 1)])
}

/// Components of fields, each different text once.
fn joined(message: &Message<'_>, obx: &Segment<'_>, places: &[(usize, usize)]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (field, component) in places {
        let name = message.word(obx.field(*field).component(*component).subcomponent(1));
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(NAMES_APART)
}
