//! An alert as an HL7 2.5.1 message: ORU^R01 with ids and severity in OBR and OBX, the evidence as OBX
//! as it was reported, and the sentence in NTE. Our own reader reads it back (`tests` below).

use super::Letter;
use serde_json::Value;

/// Names in MSH.
#[derive(Debug, Clone)]
pub(super) struct Header<'a> {
    /// MSH-4, the site.
    pub(super) site: &'a str,
    /// MSH-5.
    pub(super) receiving_application: &'a str,
    /// MSH-6.
    pub(super) receiving_facility: &'a str,
}

/// MSH-10: the event's id, the same at each repeat; HL7 allows 20 characters before 2.7 and 199 after,
/// receivers take 50.
pub(super) fn control_id(letter: &Letter) -> String {
    letter.id().replace('/', "-")
}

/// The message, segments ended by CR, in UTF-8.
pub(super) fn message(letter: &Letter, header: &Header<'_>) -> String {
    let time = instant(letter.text("/time"));
    let mut segments = vec![
        format!(
            "MSH|^~\\&|PENTAMER|{}|{}|{}|{time}||ORU^R01^ORU_R01|{}|P|2.5.1|||AL|NE||UNICODE UTF-8",
            field(header.site),
            field(header.receiving_application),
            field(header.receiving_facility),
            field(&control_id(letter)),
        ),
        patient(letter),
        format!(
            "OBR|1|{alert}^PENTAMER|{alert}^PENTAMER|{}^{}^99PENTAMER|||{time}|||||||||||||||{time}||LAB|F",
            field(letter.kind()),
            field(letter.title()),
            alert = field(letter.id()),
        ),
    ];
    let mut notes = vec![letter.sentence().to_owned()];
    let link = letter.text("/data/link");
    if !link.is_empty() {
        notes.push(link.to_owned());
    }
    for (number, note) in (1..).zip(&notes) {
        segments.push(format!("NTE|{number}|L|{}", field(note)));
    }
    let mut number = 0_u32;
    let mut obx = |body: String| {
        number = number.saturating_add(1);
        segments.push(format!("OBX|{number}|{body}"));
    };
    for (code, name, pointer) in [
        ("ALERT", "Alert id", "/data/alert_id"),
        ("EPISODE", "Episode id", "/data/episode_id"),
        ("SEVERITY", "Severity", "/data/severity"),
        ("CLASS", "Classification", "/data/classification"),
        ("TIER", "Tier", "/data/tier"),
    ] {
        let value = letter.text(pointer);
        if !value.is_empty() {
            obx(format!(
                "ST|{code}^{name}^99PENTAMER||{}||||||F|||{time}",
                field(value)
            ));
        }
    }
    let rows = letter
        .event()
        .pointer("/data/evidence")
        .and_then(Value::as_array);
    for row in rows.into_iter().flatten() {
        obx(evidence(row));
    }
    segments.join("\r") + "\r"
}

fn patient(letter: &Letter) -> String {
    let text = |key: &str| letter.text(&format!("/data/patient/{key}"));
    if text("id").is_empty() {
        return "PID|1".to_owned();
    }
    format!(
        "PID|1||{}^^^{}^MR||{}||{}|{}",
        field(text("id")),
        field(text("authority")),
        field(text("name")),
        text("birth_date").replace('-', ""),
        field(text("sex")),
    )
}

/// What was measured, with the limits that it was judged by.
fn evidence(row: &Value) -> String {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, value) = match (text("value"), text("comparator")) {
        ("", _) => ("ST", field(text("reported"))),
        (value, "") => ("NM", field(value)),
        (value, comparator) => ("SN", format!("{}^{}", field(comparator), field(value))),
    };
    let range = match (text("low"), text("high")) {
        ("", "") => String::new(),
        ("", high) => format!("<{high}"),
        (low, "") => format!(">{low}"),
        (low, high) => format!("{low}-{high}"),
    };
    let flag = match text("state") {
        "low" => "L",
        "high" => "H",
        "normal" => "N",
        _ => "",
    };
    let system = match text("system") {
        "" => "L",
        system => system,
    };
    format!(
        "{kind}|{}^{}^{}||{value}|{}|{}|{flag}|||{}|||{}",
        field(text("code")),
        field(text("analyte")),
        field(system),
        field(text("unit")),
        field(&range),
        field(text("status")),
        instant(text("observed_at")),
    )
}

/// An RFC 3339 time as HL7 writes it, in UTC; empty where there is none.
fn instant(text: &str) -> String {
    let parsed: Option<jiff::Timestamp> = text.parse().ok();
    parsed.map_or_else(String::new, |at| {
        at.strftime("%Y%m%d%H%M%S+0000").to_string()
    })
}

/// Delimiters escaped; line breaks as `.br`, other control characters gone (HL7 2.5.1 2.7).
fn field(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => escaped.push_str("\\F\\"),
            '^' => escaped.push_str("\\S\\"),
            '&' => escaped.push_str("\\T\\"),
            '~' => escaped.push_str("\\R\\"),
            '\\' => escaped.push_str("\\E\\"),
            '\n' => escaped.push_str("\\.br\\"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
