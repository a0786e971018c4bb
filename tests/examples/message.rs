//! The messages of the examples: text with places for the times, which are made only when it is sent.

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, ToSpan as _, tz::TimeZone};

/// Whose messages they are.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Age on day 0: `34 y`, `2 mo`, or empty for an unknown birth date. A few days older, so that
    /// neither a leap day nor the day of the run changes it.
    pub age: &'static str,
    /// PID-8.
    pub sex: &'static str,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The day on which it is sent and received.
    pub sent: i64,
    text: String,
}

const REPORT: &str = r"MSH|^~\&|LAB|HOSP|PENT|IMM|{sent}||ORU^R01^ORU_R01|{control}|P|2.5.1
PID|1||{patient}^^^HOSP^MR||DOE^JANE||{born}|{sex}
ORC|RE||{order}
OBR|1||{order}|IG^Immunoglobulins^L|||{collected}||||||||||||||||||F
";

const UPDATE: &str = r"MSH|^~\&|ADM|HOSP|PENT|IMM|{sent}||ADT^A08^ADT_A01|{control}|P|2.5.1
EVN|A08|{sent}
PID|1||{patient}^^^HOSP^MR||DOE^JANE||{born}|{sex}
";

/// A report (ORU^R01) of one order, collected on `day` at eight in the morning and sent three hours
/// later. `lines` are the segments after the OBR.
pub fn report(order: &str, day: i64, lines: &str) -> Message {
    Message {
        sent: day,
        text: (REPORT.to_owned() + lines)
            .replace("{order}", order)
            .replace("{collected}", &format!("{{{day}}}")),
    }
}

/// News about a person (ADT^A08) on a day, with the segments after the PID.
pub fn update(day: i64, lines: &str) -> Message {
    Message {
        sent: day,
        text: UPDATE.to_owned() + lines,
    }
}

impl Message {
    /// The same, sent on a later day.
    pub fn sent(self, day: i64) -> Self {
        Self { sent: day, ..self }
    }

    /// With a diagnosis of ICD-10 that was made on a day.
    pub fn diagnosis(self, code: &str, day: i64) -> Self {
        let dg1 = format!("DG1|1||{code}^^I10||{{{day}}}|F\nORC|");
        Self {
            text: self.text.replacen("ORC|", &dg1, 1),
            ..self
        }
    }

    /// The bytes on the wire, without the frame. Day 0 begins `at`.
    pub fn text(&self, person: &Person, patient: &str, control: &str, at: Timestamp) -> String {
        let morning = TimeZone::UTC.to_datetime(at);
        let written = |time: DateTime| time.strftime("%Y%m%d%H%M%S+0000").to_string();
        let mut text = self
            .text
            .replace("{patient}", patient)
            .replace("{control}", control)
            .replace("{sex}", person.sex)
            .replace("{born}", &born(person.age, morning))
            .replace(
                "{sent}",
                &written(moved(morning, self.sent.days().hours(3))),
            )
            .replace('\n', "\r");
        while let Some((before, rest)) = text.split_once('{') {
            let (day, after) = rest.split_once('}').expect("a place that is closed");
            let day: i64 = day.parse().expect("a place that is known");
            text = [before, &written(moved(morning, day.days())), after].concat();
        }
        text
    }
}

fn moved(time: DateTime, by: Span) -> DateTime {
    time.checked_add(by).expect("a time in reach")
}

/// PID-7 of somebody of this age.
fn born(age: &str, on: DateTime) -> String {
    let Some((number, unit)) = age.split_once(' ') else {
        return String::new();
    };
    let number: i64 = number.parse().expect("a number");
    let age = match unit {
        "y" => number.years(),
        "mo" => number.months(),
        _ => panic!("an age such as `34 y` or `8 mo`"),
    };
    let day = moved(moved(on, -age), -3.days()).date();
    day.strftime("%Y%m%d").to_string()
}

/// An OBX of IgM; `rest` is from OBX-5 on.
pub fn igm(rest: &str) -> String {
    format!("OBX|1|NM|2472-9^IgM^LN||{}\n", complete(rest))
}

/// An OBX of IgG.
pub fn igg(rest: &str) -> String {
    format!("OBX|2|NM|2465-3^IgG^LN||{}\n", complete(rest))
}

/// An OBX of IgA.
pub fn iga(rest: &str) -> String {
    format!("OBX|3|NM|2458-8^IgA^LN||{}\n", complete(rest))
}

/// Value, unit, interval, flag, as `0.21|g/L|0.4-2.3|L`; a status after another three, else F.
fn complete(rest: &str) -> String {
    match rest.matches('|').count() {
        3 => format!("{rest}|||F"),
        6 => rest.to_owned(),
        _ => panic!("value, unit, interval and flag, perhaps a status: {rest}"),
    }
}

/// IgM, IgG and IgA in g/L with the intervals of adults, as value and flag: `0.21|L`.
pub fn adult(igm_value: &str, igg_value: &str, iga_value: &str) -> String {
    let with = |text: &str, interval: &str| {
        let (value, flag) = text.split_once('|').unwrap_or((text, ""));
        format!("{value}|g/L|{interval}|{flag}")
    };
    [
        igm(&with(igm_value, "0.4-2.3")),
        igg(&with(igg_value, "7.0-16.0")),
        iga(&with(iga_value, "0.7-4.0")),
    ]
    .concat()
}

/// IgM, IgG and IgA in g/L without intervals.
pub fn bare(igm_value: &str, igg_value: &str, iga_value: &str) -> String {
    let with = |text: &str| {
        let (value, flag) = text.split_once('|').unwrap_or((text, ""));
        format!("{value}|g/L||{flag}")
    };
    [
        igm(&with(igm_value)),
        igg(&with(igg_value)),
        iga(&with(iga_value)),
    ]
    .concat()
}
