//! Planted isolated low IgM, message by message.

use super::hospital::{Line, Making, Report, Says};
use super::message::{ADT, AUTHORITY, days, minutes, stamp};
use super::people::{COURSES, Course, Fate, deficient, normal_value};
use crate::core::time::Timestamp;

impl Making {
    /// A patient with the next course in turn.
    pub(super) fn planted(&mut self) {
        let course = COURSES[self.planted % COURSES.len()];
        self.planted += 1;
        let person = self.person("P", Fate::Planted(course));
        let at = self.moment(200);
        self.admission(person, 0, at.plus(days(-1)));
        let feed = self.laboratory(person, at);
        let limits = self.hospital.people[person].limits(at);
        let low = |making: &mut Self| {
            let rest =
                [1, 2].map(|analyte: usize| normal_value(&mut making.random, limits[analyte]));
            [deficient(&mut making.random), rest[0], rest[1]]
        };
        let values = low(self);
        let account = format!("A{}", self.number());
        let first_id = match course {
            Course::Merged | Course::TwoIds | Course::Moved => self.another_id(person),
            _ => 0,
        };
        let first = self.panel(person, first_id, at, values);
        let due = first.version;
        let send =
            |making: &mut Self, due, report| making.report(due, feed, person, &account, report);
        let later = |making: &mut Self, from: i64, to: i64| {
            at.plus(minutes(making.random.between(from * 1_440, to * 1_440)))
        };
        match course {
            Course::Once => send(self, due, first),
            Course::Lasting => {
                send(self, due, first);
                let again = later(self, 35, 60);
                let values = low(self);
                let second = self.panel(person, 0, again, values);
                send(self, second.version, second);
                if self.random.chance(0.5) {
                    let again = later(self, 70, 150);
                    let values = low(self);
                    let third = self.panel(person, 0, again, values);
                    send(self, third.version, third);
                }
            }
            Course::Split => {
                for line in first.lines.clone() {
                    let due = due.plus(minutes(self.random.between(0, 60 * 24 * 4)));
                    send(
                        self,
                        due,
                        Report {
                            lines: vec![line],
                            ..first.clone()
                        },
                    );
                }
            }
            Course::Preliminary => {
                let mut early = first.clone();
                early.version = at.plus(minutes(20));
                early.lines.iter_mut().for_each(|line| line.status = "P");
                send(self, early.version, early);
                send(self, due, first);
            }
            Course::CorrectedLow => {
                let corrected = changed(
                    &first,
                    later(self, 3, 9),
                    0,
                    deficient(&mut self.random),
                    "C",
                );
                send(self, due, first);
                send(self, corrected.version, corrected);
            }
            Course::Late => {
                let due = at.plus(days(self.random.between(10, 27)));
                send(self, due, first);
            }
            Course::Merged => {
                send(self, due, first);
                let merged = later(self, 3, 60);
                self.merge(person, 1, 0, merged);
            }
            Course::TwoIds => {
                send(self, due, first);
                let again = later(self, 2, 20);
                let values = low(self);
                let second = self.panel(person, 0, again, values);
                send(self, second.version, second);
                let merged = later(self, 30, 60);
                self.merge(person, 1, 0, merged);
            }
            Course::Transient => {
                send(self, due, first);
                let again = later(self, 5, 90);
                let values = limits.map(|limits| normal_value(&mut self.random, limits));
                let second = self.panel(person, 0, again, values);
                send(self, second.version, second);
            }
            Course::Corrected => {
                let value = normal_value(&mut self.random, limits[0]);
                let corrected = changed(&first, later(self, 3, 20), 0, value, "C");
                send(self, due, first);
                send(self, corrected.version, corrected);
            }
            Course::Withdrawn => {
                let status = self.random.pick(&["W", "D", "X"]);
                let withdrawn = changed(&first, later(self, 3, 20), 0, values[0], status);
                send(self, due, first);
                send(self, withdrawn.version, withdrawn);
            }
            Course::Cancelled => {
                let cancelled = later(self, 3, 20);
                let gone = Report {
                    version: cancelled,
                    lines: first
                        .lines
                        .iter()
                        .map(|line| Line {
                            status: "X",
                            ..*line
                        })
                        .collect(),
                    ..first.clone()
                };
                let body = format!(
                    "{}ORC|CA||{}||||||{}\r",
                    self.pid(person, 0, ""),
                    first.order,
                    stamp(cancelled)
                );
                send(self, due, first);
                self.send(
                    cancelled,
                    feed,
                    person,
                    "ORM^O01",
                    &body,
                    Says::Report(gone),
                );
            }
            Course::Moved => {
                send(self, due, first);
                let moved = later(self, 3, 20);
                let body = format!(
                    "EVN|A44|{}\r{}MRG|{}^^^{AUTHORITY}^MR||{account}\r",
                    stamp(moved),
                    self.pid(person, 0, &account),
                    self.hospital.people[person].ids[1]
                );
                self.send(moved, ADT, person, "ADT^A44", &body, Says::Other);
            }
            Course::Progressed => {
                send(self, due, first);
                let again = later(self, 30, 120);
                let mut values = low(self);
                values[1] = limits[1].0 / 2;
                let second = self.panel(person, 0, again, values);
                send(self, second.version, second);
            }
            Course::Known => {
                let coded = at.plus(days(-20));
                self.diagnosis(person, coded, "D80.4^Selective IgM deficiency");
                send(self, due, first);
            }
            Course::Severe | Course::Septic => {
                let mut severe = first;
                severe.lines[0].value = self.random.between(6, 19);
                if course == Course::Septic {
                    self.diagnosis(person, at.plus(days(-12)), "A40.3^Pneumococcal sepsis");
                }
                send(self, due, severe);
            }
            Course::Stale => {
                let due = at.plus(days(self.random.between(31, 150)));
                send(self, due, first);
            }
        }
    }
}

impl Making {
    /// A08 with one diagnosis.
    fn diagnosis(&mut self, person: usize, at: Timestamp, code: &str) {
        let (time, pid) = (stamp(at), self.pid(person, 0, ""));
        let body = format!("EVN|A08|{time}\r{pid}DG1|1||{code}^I10||{time}|F\r");
        self.send(at, ADT, person, "ADT^A08", &body, Says::Other);
    }
}

/// A later version of one line of a report.
fn changed(
    of: &Report,
    version: Timestamp,
    line: usize,
    value: i64,
    status: &'static str,
) -> Report {
    Report {
        version: version.max(of.version.plus(minutes(1))),
        lines: vec![Line {
            analyte: line,
            value,
            status,
        }],
        ..of.clone()
    }
}
