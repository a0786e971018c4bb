//! Texts of one result as reported, for the evidence.

use super::message::Message;
use super::patient::number_of;
use crate::core::clinical::Unit;
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

/// OBX-23, else OBX-15.
pub(super) fn laboratory(message: &Message<'_>, obx: &Segment<'_>) -> String {
    [(23, 1), (15, 2), (15, 1)]
        .into_iter()
        .map(|(field, component)| {
            message.word(obx.field(field).component(component).subcomponent(1))
        })
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

/// OBX-17 and OBX-18.
pub(super) fn method(message: &Message<'_>, obx: &Segment<'_>) -> String {
    let field = obx.field(17);
    let name = message.word(field.component(2).subcomponent(1));
    let method = if name.is_empty() {
        number_of(message, field)
    } else {
        name
    };
    let instrument = number_of(message, obx.field(18));
    [method, instrument]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" / ")
}
