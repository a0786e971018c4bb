//! Synthetic patients for the tests of the verdict: results built by hand, without any message.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::association::{AssociationRow, AssociationTable, Class, Kind};
use super::observation::{
    Analyte, AssociationSeen, BirthDate, DemographicsReport, Flag, Given, GroupWithdrawal,
    Observation, ObservedAt, OrderNumber, PatientKey, ReportedRange, ReportedValue, ResultId,
    ResultStatus, Sex, Shown, Specimen, StatusClass, TimeSource,
};
use super::{Amount, Comparator, Limits, Unit};
use crate::core::episode::Transition;
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use crate::core::time::{Span, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// The built-in policy of a site that turned on the drugs of the samples, which are off by default
/// (CLINICAL 2.4); the samples carry them as diagnoses of ICD-10.
pub fn with_drugs() -> Policy {
    let row = |label: &str, code: &str, class| AssociationRow {
        label: label.to_owned(),
        system: "I10".to_owned(),
        code: code.to_owned(),
        classes: vec![class],
        kind: Kind::Drug,
        max_age: None,
        enabled: true,
        source: "the site".to_owned(),
    };
    let rows = vec![
        row("rituximab", "L01FA01", Class::Secondary),
        row("human immunoglobulin", "J06BA*", Class::Context),
    ];
    Policy {
        associations: AssociationTable::built_in().with_rows(rows).into(),
        ..Policy::built_in()
    }
}

/// Day 0 of all samples.
pub const DAY_0: Date = date(2026, 1, 3);

/// 08:00 UTC on a day.
pub fn at(day: i64) -> Timestamp {
    let morning = jiff::tz::TimeZone::UTC
        .to_timestamp(on(day).at(8, 0, 0, 0))
        .expect("a day of this age");
    Timestamp::from_jiff(morning)
}

/// The civil date of a day.
pub fn on(day: i64) -> Date {
    DAY_0.checked_add(day.days()).expect("a day of this age")
}

pub fn key(id: &str) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(id.to_owned()),
    }
}

pub fn number(text: &str) -> Decimal {
    text.parse().expect("a number")
}

/// `0.21`, `<0.2`, `0.2..0.4`.
pub fn reported(text: &str) -> ReportedValue {
    let amount = |comparator, value: &str| {
        ReportedValue::Amount(Amount {
            comparator,
            value: number(value),
        })
    };
    if let Some((a, b)) = text.split_once("..") {
        return ReportedValue::Range(number(a), number(b));
    }
    for (symbol, comparator) in [
        ("<=", Comparator::AtMost),
        (">=", Comparator::AtLeast),
        ("<", Comparator::Below),
        (">", Comparator::Above),
        ("~", Comparator::About),
    ] {
        if let Some(rest) = text.strip_prefix(symbol) {
            return amount(comparator, rest);
        }
    }
    amount(Comparator::Exactly, text)
}

/// An observation in the making: final, serum, g/L, with the adult interval, received an hour after
/// its collection.
pub struct Sample(Observation);

/// A result of patient `1`.
pub fn result(analyte: Analyte, order: &str, day: i64, value: &str) -> Sample {
    let (low, high) = match analyte {
        Analyte::IgM => ("0.4", "2.3"),
        Analyte::IgG => ("7", "16"),
        Analyte::IgA => ("0.7", "4"),
        Analyte::IgG1 => ("3.41", "8.94"),
        Analyte::IgG2 => ("1.71", "6.32"),
        Analyte::IgG3 => ("0.18", "1.06"),
        Analyte::IgG4 => ("0.03", "2"),
    };
    Sample(Observation {
        id: ResultId {
            patient: key("1"),
            order: OrderNumber::Filler(Phi::new(order.to_owned())),
            analyte,
            specimen: Specimen::Serum,
            sub_id: None,
        },
        status: ResultStatus {
            class: StatusClass::Final,
            letter: "F".to_owned(),
            assumed: false,
        },
        version_at: at(day).plus(Span::seconds(1800)),
        observed: Some(ObservedAt {
            at: at(day),
            date: on(day),
            source: TimeSource::Obx14,
            text: on(day).strftime("%Y%m%d0800").to_string(),
            clamped: false,
        }),
        value: Phi::new(reported(value)),
        unit: Unit::GramPerLitre,
        range: ReportedRange::Plain(Limits {
            low: Some(number(low)),
            high: Some(number(high)),
        }),
        flag: None,
        shown: Shown {
            reported: Phi::new(format!("{value} g/L")),
            range: format!("{low}-{high}"),
            code: match analyte {
                Analyte::IgM => "2472-9",
                Analyte::IgG => "2465-3",
                Analyte::IgA => "2458-8",
                _ => "",
            }
            .to_owned(),
            system: "LN".to_owned(),
            specimen: "SER".to_owned(),
            order: Phi::new(order.to_owned()),
            control_id: format!("M{order}"),
            feed: "LAB/HOSP".to_owned(),
            listener: "lab".to_owned(),
            ..Shown::default()
        },
        position: JournalPosition(u64::try_from(day + 100_000).expect("a day of this age")),
        received_at: at(day).plus(Span::seconds(3600)),
        content_hash: [0; 8],
    })
}

impl Sample {
    pub fn with(mut self, change: impl FnOnce(&mut Observation)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn unit(self, unit: Unit) -> Self {
        self.with(|o| {
            let value = o.shown.reported.expose().replace("g/L", &unit.shown());
            o.shown.reported = Phi::new(value);
            o.unit = unit;
        })
    }

    pub fn range(self, low: &str, high: &str) -> Self {
        let side = |text: &str| (!text.is_empty()).then(|| number(text));
        let limits = Limits {
            low: side(low),
            high: side(high),
        };
        self.with(|o| {
            o.range = ReportedRange::Plain(limits);
            o.shown.range = format!("{low}-{high}");
        })
    }

    pub fn no_range(self) -> Self {
        self.with(|o| {
            o.range = ReportedRange::None;
            o.shown.range = String::new();
        })
    }

    pub fn flag(self, flag: Flag) -> Self {
        self.with(|o| {
            o.flag = Some(flag);
            o.shown.flag = match flag {
                Flag::Low => "L",
                Flag::VeryLow => "LL",
                Flag::High => "H",
                Flag::VeryHigh => "HH",
                Flag::Normal => "N",
            }
            .to_owned();
        })
    }

    /// Status by its letter.
    pub fn status(self, letter: &str) -> Self {
        let class = match letter {
            "I" | "O" | "N" => StatusClass::NoResult,
            "P" | "R" | "S" => StatusClass::Preliminary,
            "D" | "W" | "X" => StatusClass::Withdrawal,
            "U" => StatusClass::Promotion,
            _ => StatusClass::Final,
        };
        self.with(|o| {
            o.status.class = class;
            o.status.letter = letter.to_owned();
        })
    }

    pub fn value(self, value: ReportedValue) -> Self {
        self.with(|o| o.value = Phi::new(value))
    }

    /// Sent (version, receipt, position) as of a later day.
    pub fn sent(self, day: i64) -> Self {
        self.with(|o| {
            o.version_at = at(day).plus(Span::seconds(1800));
            o.received_at = at(day).plus(Span::seconds(3600));
            o.position = JournalPosition(u64::try_from(day + 100_000).expect("a day of this age"));
        })
    }

    pub fn of(self, id: &str) -> Self {
        self.with(|o| o.id.patient = key(id))
    }

    pub fn sub_id(self, sub_id: &str) -> Self {
        self.with(|o| o.id.sub_id = Some(sub_id.to_owned()))
    }

    pub fn build(mut self) -> Observation {
        use sha2::{Digest, Sha256};
        let content = serde_json::to_vec(&(
            &self.0.id,
            &self.0.status,
            &self.0.value,
            &self.0.unit,
            &self.0.range,
            &self.0.flag,
            &self.0.observed,
            &self.0.version_at,
            &self.0.shown.account,
        ))
        .expect("it is data");
        let hash = Sha256::digest(content);
        self.0.content_hash.copy_from_slice(&hash[..8]);
        self.0
    }
}

pub fn igm(order: &str, day: i64, value: &str) -> Sample {
    result(Analyte::IgM, order, day, value)
}

pub fn igg(order: &str, day: i64, value: &str) -> Sample {
    result(Analyte::IgG, order, day, value)
}

pub fn iga(order: &str, day: i64, value: &str) -> Sample {
    result(Analyte::IgA, order, day, value)
}

/// A patient in the making.
#[derive(Clone)]
pub struct Person(pub PooledPatient);

impl Person {
    /// Patient `1`, nothing known.
    pub fn new() -> Self {
        Self(PooledPatient {
            survivor: key("1"),
            members: BTreeSet::from([key("1")]),
            observations: Vec::new(),
            group_withdrawals: Vec::new(),
            demographics: Vec::new(),
            associations: Vec::new(),
            transitions: Vec::new(),
        })
    }

    /// A woman (or man) of 34 on day 0.
    pub fn adult(sex: Sex) -> Self {
        Self::new().born(34 * 12 + 1, sex)
    }

    /// Born so many months before day 0.
    pub fn born(self, months: i64, sex: Sex) -> Self {
        let birth = DAY_0.checked_sub(months.months()).expect("a birth date");
        self.demographics(|report| {
            report.birth = Given::Value(Phi::new(BirthDate {
                earliest: birth,
                latest: birth,
            }));
            report.sex = Given::Value(Phi::new(sex));
            report.name = Given::Value(Phi::new("Doe, Jane".to_owned()));
        })
    }

    pub fn demographics(mut self, change: impl FnOnce(&mut DemographicsReport)) -> Self {
        let sent = i64::try_from(self.0.demographics.len()).expect("a few");
        let mut report = DemographicsReport {
            at: at(-1000).plus(Span::seconds(sent)),
            birth: Given::Absent,
            sex: Given::Absent,
            name: Given::Absent,
            dead: Given::Absent,
            unreliable: Given::Absent,
            deleted: Given::Absent,
            position: JournalPosition(1),
        };
        change(&mut report);
        self.0.demographics.push((key("1"), report));
        self
    }

    pub fn with(mut self, samples: impl IntoIterator<Item = Sample>) -> Self {
        self.0
            .observations
            .extend(samples.into_iter().map(Sample::build));
        self
    }

    /// A panel of one order: IgM, IgG, IgA; empty text leaves one out.
    pub fn panel(self, order: &str, day: i64, m: &str, g: &str, a: &str) -> Self {
        let samples = [(Analyte::IgM, m), (Analyte::IgG, g), (Analyte::IgA, a)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(analyte, value)| result(analyte, order, day, value));
        self.with(samples)
    }

    pub fn diagnosis(mut self, code: &str, day: i64) -> Self {
        self.0.associations.push(AssociationSeen {
            code: Phi::new(code.to_owned()),
            system: "I10".to_owned(),
            text: Phi::default(),
            field: "DG1-3".to_owned(),
            at: at(day),
            removed: false,
            position: JournalPosition(1),
        });
        self
    }

    pub fn cancelled(mut self, order: &str, day: i64) -> Self {
        self.0.group_withdrawals.push((
            key("1"),
            GroupWithdrawal {
                order: OrderNumber::Filler(Phi::new(order.to_owned())),
                version_at: at(day),
                position: JournalPosition(u64::try_from(day + 100_000).expect("a day")),
            },
        ));
        self
    }

    /// Takes results away, as an undone merge or a move does.
    pub fn without(mut self, order: &str) -> Self {
        let gone = OrderNumber::Filler(Phi::new(order.to_owned()));
        self.0.observations.retain(|o| o.id.order != gone);
        self
    }

    pub fn recorded(mut self, transitions: &[Transition]) -> Self {
        self.0.transitions.extend_from_slice(transitions);
        self
    }
}
