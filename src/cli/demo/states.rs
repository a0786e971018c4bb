//! More people for the pages: a course over a year, one that is confirmed, one in part, one to review, and
//! what people did about them.

use crate::clock;
use crate::core::audit::Noted;
use crate::core::clinical::observation::PatientKey;
use crate::core::delivery::mute::Scope;
use crate::core::delivery::{Acknowledged, Muted};
use crate::core::fact::Fact;
use crate::core::fold::lists::standing_episodes;
use crate::core::fold::state::State;
use crate::core::phi::Phi;
use crate::core::time::{Span, Timestamp};
use crate::journal::Draft;

/// A result of one day: how many days ago, IgM, IgG, IgA, status.
type Day = (i64, &'static str, &'static str, &'static str, &'static str);

struct Person {
    id: u32,
    name: &'static str,
    born: &'static str,
    sex: &'static str,
    days: &'static [Day],
}

const PEOPLE: [Person; 5] = [
    Person {
        id: 200_001,
        name: "SAMPLE^FLORA",
        born: "19670412",
        sex: "F",
        days: &[
            (420, "0.71", "10.4", "1.9", "F"),
            (330, "0.55", "10.1", "1.8", "F"),
            (240, "0.48", "9.8", "1.9", "C"),
            (120, "0.33", "9.9", "1.7", "F"),
            (80, "<0.3", "9.6", "1.8", "F"),
            (38, "0.28", "9.7", "1.7", "F"),
            (2, "0.26", "9.5", "1.6", "F"),
            (0, "0.25", "", "", "P"),
        ],
    },
    Person {
        id: 200_002,
        name: "SAMPLE^GEORG",
        born: "19550109",
        sex: "M",
        days: &[(1, "0.31", "", "1.4", "F")],
    },
    Person {
        id: 200_003,
        name: "SAMPLE^HANNA",
        born: "19890730",
        sex: "F",
        days: &[
            (40, "0.22", "11.2", "2.1", "F"),
            (1, "0.19", "11.0", "2.0", "F"),
        ],
    },
    Person {
        id: 200_004,
        name: "SAMPLE^IVAN",
        born: "19720226",
        sex: "M",
        days: &[(1, "<0.5", "8.2", "1.1", "F")],
    },
    Person {
        id: 200_005,
        name: "SAMPLE^JUNE",
        born: "19981015",
        sex: "F",
        days: &[(1, "0.29", "9.0", "1.3", "F")],
    },
];

fn at(days_ago: i64) -> String {
    let micros = clock::now().as_micros() - Span::days(days_ago).as_micros();
    let at = Timestamp::from_micros(micros).to_jiff();
    at.strftime("%Y%m%d%H%M%S+0000").to_string()
}

/// One message a day and person, oldest first.
pub(super) fn messages() -> Vec<String> {
    let mut all: Vec<(i64, String)> = Vec::new();
    for person in &PEOPLE {
        for day in person.days {
            all.push((day.0, message(person, day)));
        }
    }
    all.sort_by_key(|(days, _)| std::cmp::Reverse(*days));
    all.into_iter().map(|(_, message)| message).collect()
}

fn message(person: &Person, (days, igm, igg, iga, status): &Day) -> String {
    let (when, id) = (at(*days), person.id);
    let order = format!("F-{id}-{days}");
    let mut text = format!(
        "MSH|^~\\&|LAB|GENERAL|PENTAMER|IMMUNOLOGY|{when}||ORU^R01^ORU_R01|D{id}-{days}|P|2.5.1\r\
         PID|1||{id}^^^GENERAL^MR||{}||{}|{}\r\
         OBR|1|P-{id}-{days}|{order}|IGS^Immunoglobulins^L|||{when}|||||||||||||||{when}||LAB|{status}\r",
        person.name, person.born, person.sex
    );
    let results = [
        (1, "2472-9^IgM^LN", igm, "0.4-2.3"),
        (2, "2465-3^IgG^LN", igg, "7.0-16.0"),
        (3, "2458-8^IgA^LN", iga, "0.7-4.0"),
    ];
    for (number, code, value, range) in results {
        if !value.is_empty() {
            let kind = if value.starts_with('<') { "ST" } else { "NM" };
            text.push_str(&format!(
                "OBX|{number}|{kind}|{code}||{value}|g/L|{range}||||{status}|||{when}\r"
            ));
        }
    }
    text
}

/// What people did: one episode acknowledged, one patient muted, one note.
pub(super) fn acts(state: &dyn State) -> Vec<Draft> {
    let at = clock::now();
    let key = |id: u32| PatientKey {
        authority: "GENERAL".to_owned(),
        id: Phi::new(id.to_string()),
    };
    let episodes = standing_episodes(state).unwrap_or_default();
    let of = |id: u32| {
        let key = key(id);
        episodes.iter().find(move |one| one.filed_under == key)
    };
    let mut facts = Vec::new();
    if let Some(one) = of(200_003) {
        facts.push(Fact::Acknowledged(Acknowledged {
            alert_id: one.alert_id.clone(),
            by: "dr.example".to_owned(),
            comment: Phi::new(
                "Seen in clinic; subclasses and vaccine responses ordered.".to_owned(),
            ),
            informed: Phi::new("general practitioner, by letter".to_owned()),
            known: false,
            at,
        }));
    }
    if of(200_005).is_some() {
        facts.push(Fact::Muted(Muted {
            id: "demo".to_owned(),
            scope: Scope::Patient(key(200_005)),
            until: Timestamp::from_micros(at.as_micros() + Span::days(30).as_micros()),
            by: "dr.example".to_owned(),
            reason: Phi::new("in a trial; followed there".to_owned()),
            at,
        }));
    }
    facts.push(Fact::Noted(Noted {
        patient: key(200_001),
        at,
        by: "dr.example".to_owned(),
        text: Phi::new("Falling for a year; no infections so far.".to_owned()),
    }));
    facts.into_iter().map(Draft::from).collect()
}
