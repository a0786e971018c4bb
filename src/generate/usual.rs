//! Everybody whose results mean nothing in particular: visits, and immunoglobulins as chance has them.

use super::hospital::{Line, Making, Report};
use super::message::{days, minutes};
use super::people::{Fate, usual_value};
use crate::core::time::Timestamp;

impl Making {
    /// Visits with blood counts, chemistry and sometimes immunoglobulins; all kinds of luck.
    pub(super) fn usual(&mut self) {
        let person = self.person("P", Fate::Usual);
        let visits = 1 + self.random.below(3) + self.random.below(2) * self.random.below(6);
        let immunology = self.random.chance(self.mix.immunology as f64 / 1_000.0);
        let admission = self.moment(0);
        self.admission(person, 0, admission.plus(minutes(-30)));
        let mut at = admission;
        let mut id = 0;
        if immunology && self.random.chance(0.05) {
            id = self.another_id(person);
            let merged = at.plus(minutes(self.random.between(-60 * 24 * 20, 60 * 24 * 60)));
            self.merge(person, id, 0, merged);
        }
        for visit in 0..visits {
            self.chemistry(person, id, at);
            // A year without texts is the same as ever.
            let texts = self.mix.texts as f64 / 1_000.0;
            if self.mix.texts > 0 && self.random.chance(texts) {
                self.microbiology(person, id, at);
            }
            if immunology && (visit == 0 || self.random.chance(0.4)) {
                self.panel_of_chance(person, id, at);
            }
            if self.random.chance(0.3) {
                id = 0;
            }
            at = at.plus(minutes(self.random.between(60 * 20, 60 * 24 * 40)));
            if at > self.mix.from.plus(days(self.mix.days)) {
                break;
            }
        }
        if self.random.chance(0.03) {
            // A name or a sex put right.
            let sex = self.hospital.people[person].sex;
            self.hospital.people[person].sex = if sex == "F" { "M" } else { "F" };
            self.admission(person, 0, at);
        }
    }

    /// Immunoglobulins as chance has it, on ways as chance has it: preliminary, corrected, withdrawn,
    /// in parts, late, out of order.
    fn panel_of_chance(&mut self, person: usize, id: usize, at: Timestamp) {
        let limits = self.hospital.people[person].limits(at);
        let mut values = limits.map(|limits| usual_value(&mut self.random, limits));
        if self.random.chance(0.02) {
            // CVID, myeloma: IgM is low in company.
            values[0] = values[0].min(limits[0].0 / 2).max(1);
            values[1] = if self.random.chance(0.5) {
                limits[1].0 / 2
            } else {
                limits[1].1 * 2
            };
        }
        let feed = self.laboratory(person, at);
        let whole = self.panel(person, id, at, values);
        let delay = match self.random.below(100) {
            0..2 => days(self.random.between(31, 120)),
            2..10 => days(self.random.between(1, 25)),
            _ => minutes(0),
        };
        let due = whole.version.plus(delay);
        let lines = whole.lines.clone();
        match self.random.below(20) {
            0 => {
                for line in lines {
                    let part = Report {
                        lines: vec![line],
                        ..whole.clone()
                    };
                    let due = due.plus(minutes(self.random.between(0, 60 * 24 * 3)));
                    self.report(due, feed, person, "", part);
                }
            }
            1 => {
                let mut early = whole.clone();
                early.version = at.plus(minutes(20));
                for line in &mut early.lines {
                    line.status = "P";
                    line.value = (line.value * self.random.between(5, 15) / 10).max(1);
                }
                // Out of order as often as not.
                let before = minutes(self.random.between(-60 * 24, 60 * 24));
                self.report(due.plus(before), feed, person, "", early);
                self.report(due, feed, person, "", whole);
            }
            2 | 3 => {
                let mut other = whole.clone();
                other.version = whole
                    .version
                    .plus(minutes(self.random.between(10, 60 * 24 * 9)));
                let line = self.random.below(3) as usize;
                let status = self.random.pick(&["C", "C", "C", "W", "D", "X"]);
                other.lines = vec![Line {
                    analyte: line,
                    value: usual_value(&mut self.random, limits[line]),
                    status,
                }];
                let other_due = other.version.plus(delay);
                let shuffled = self.random.chance(0.3);
                let (first, second) = if shuffled {
                    (other_due, due)
                } else {
                    (due, other_due)
                };
                self.report(first, feed, person, "", whole);
                self.report(second, feed, person, "", other);
            }
            4 => {
                let alone = Report {
                    lines: lines[..1].to_vec(),
                    ..whole
                };
                self.report(due, feed, person, "", alone);
            }
            _ => self.report(due, feed, person, "", whole),
        }
    }
}
