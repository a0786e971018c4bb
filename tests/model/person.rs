//! Who the person is and how old (WIRE X-18, CLINICAL 6.7), and which diagnoses count (CLINICAL 9.17).

use super::table;
use jiff::civil::Date;
use pentamer::core::clinical::observation::{
    AssociationSeen, BirthDate, DemographicsReport, Given, OrderNumber, ResultId, Sex,
};
use pentamer::core::phi::Phi;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::{Span, Timestamp};

/// A result in words; the patients are made up.
pub fn shown(id: &ResultId) -> String {
    let order = match &id.order {
        OrderNumber::Filler(number) | OrderNumber::Placer(number) => number.expose(),
        OrderNumber::Unnumbered { at, .. } => at,
    };
    let sub_id = id.sub_id.as_deref().unwrap_or("");
    format!(
        "{} {order} {} {:?} {sub_id}",
        id.patient.id.expose(),
        id.analyte.name(),
        id.specimen
    )
}

/// The demographics that count.
#[derive(Debug, Clone, Default)]
pub struct Person {
    pub birth: Option<BirthDate>,
    pub sex: Option<Sex>,
    pub dead: bool,
    pub unreliable: bool,
    pub deleted: bool,
}

/// The newest that says anything: first of the survivor's own reports, else of the others'.
fn newest<T: Ord + Clone>(
    patient: &PooledPatient,
    field: impl Fn(&DemographicsReport) -> &Given<T>,
    others_too: bool,
) -> Option<T> {
    let mut own = Vec::new();
    let mut others = Vec::new();
    for (key, report) in &patient.demographics {
        let given = field(report);
        if matches!(given, Given::Absent) {
            continue;
        }
        if *key == patient.survivor {
            own.push((report.at, given.clone()));
        } else if others_too {
            others.push((report.at, given.clone()));
        }
    }
    own.sort();
    others.sort();
    match own.pop().or(others.pop()) {
        Some((_, Given::Value(value))) => Some(value),
        _ => None,
    }
}

pub fn person(patient: &PooledPatient) -> Person {
    Person {
        birth: newest(patient, |report| &report.birth, true).map(Phi::into_exposed),
        sex: newest(patient, |report| &report.sex, true).map(Phi::into_exposed),
        dead: newest(patient, |report| &report.dead, true).unwrap_or(false),
        unreliable: newest(patient, |report| &report.unreliable, true).unwrap_or(false),
        deleted: newest(patient, |report| &report.deleted, false).unwrap_or(false),
    }
}

/// The age when something was collected.
#[derive(Debug, Clone)]
pub enum Age {
    Unknown,
    BeforeBirth,
    Between {
        born_first: Date,
        born_last: Date,
        on: Date,
    },
}

impl Age {
    pub fn on(birth: Option<BirthDate>, on: Date) -> Self {
        match birth {
            None => Self::Unknown,
            Some(birth) if on < birth.earliest => Self::BeforeBirth,
            Some(birth) => Self::Between {
                born_first: birth.earliest,
                born_last: birth.latest.min(on),
                on,
            },
        }
    }

    fn reached(born: Date, on: Date, months: i64, days: i64) -> bool {
        let span = jiff::Span::new().months(months).days(days);
        on >= born.checked_add(span).expect("a date")
    }

    pub fn youngest_has_reached(&self, months: i64, days: i64) -> bool {
        matches!(self, Self::Between { born_last, on, .. } if Self::reached(*born_last, *on, months, days))
    }

    pub fn oldest_has_reached(&self, months: i64, days: i64) -> bool {
        matches!(self, Self::Between { born_first, on, .. } if Self::reached(*born_first, *on, months, days))
    }

    /// Certainly younger; an unknown age counts as 4 years or more (6.3).
    pub fn is_surely_below(&self, months: i64) -> bool {
        matches!(self, Self::Between { .. }) && !self.oldest_has_reached(months, 0)
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// What counts beside a result of this time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside {
    /// Class S alone.
    pub secondary: bool,
    /// Class P alone; class S lowers it.
    pub prompt: bool,
    /// Class P of a row "S, P" (9.12).
    pub prompt_stands: bool,
    /// Class U within 90 d.
    pub urgent: bool,
    /// D80.4.
    pub known: bool,
    /// On immunoglobulin.
    pub treated: bool,
}

pub fn beside(seen: &[AssociationSeen], collected: Timestamp, age: &Age) -> Beside {
    let mut found = Beside::default();
    for one in seen.iter().filter(|one| !one.removed) {
        let taken_back = seen.iter().any(|other| {
            other.removed
                && other.code == one.code
                && other.system == one.system
                && other.at >= one.at
        });
        let within = |days| {
            one.at <= collected.plus(Span::days(7)) && collected.since(one.at) <= Span::days(days)
        };
        let (classes, below_months) = table::classes(one.code.expose());
        let of_age = below_months.is_none_or(|months| age.is_surely_below(months));
        if taken_back || !of_age || !within(365) {
            continue;
        }
        match classes {
            "K" => found.known = true,
            "S" => found.secondary = true,
            "P" => found.prompt = true,
            "SP" => found.prompt_stands = true,
            "U" => found.urgent |= within(90),
            "T" => found.treated = true,
            _ => {}
        }
    }
    found
}
