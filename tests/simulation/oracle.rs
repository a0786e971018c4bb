//! What must happen, said by somebody else: a few plain rules over what the generator wrote, fed with
//! the messages as they came to be stored. It knows the clear cases only, and leaves the rest alone.

use super::hospital::{Event, Line, Report, Says};
use super::message::days;
use super::people::{Fate, Person};
use pentamer::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Of one person.
#[derive(Default)]
pub struct Case {
    reports: Vec<(Report, Timestamp)>,
    merges: Vec<(usize, usize)>,
    /// A final IgM below its limit was reported, whatever became of it.
    pub ever_low: bool,
    /// At some time isolated low IgM stood beyond doubt, fresh enough to page.
    pub must_page: bool,
    /// A low IgM came so late that it could only be shown: what comes after may have been told.
    stale: bool,
}

/// Of everybody who had immunoglobulins.
#[derive(Default)]
pub struct Oracle {
    pub cases: BTreeMap<usize, Case>,
    touched: BTreeSet<usize>,
}

/// Result, current version.
type Standing<'a> = BTreeMap<(usize, &'a str, usize), (&'a Report, Line, Timestamp)>;

fn is_final(status: &str) -> bool {
    matches!(status, "F" | "C")
}

fn is_withdrawn(status: &str) -> bool {
    matches!(status, "W" | "D" | "X")
}

/// Which of two versions stands (WIRE S-1).
fn rank(report: &Report, line: &Line) -> (bool, Timestamp, u8) {
    let by_status = match line.status {
        status if is_withdrawn(status) => 2,
        "C" => 1,
        _ => 0,
    };
    (line.status != "P", report.version, by_status)
}

impl Oracle {
    /// A message was stored.
    pub fn take(&mut self, event: &Event, received_at: Timestamp) {
        match &event.says {
            Says::Report(report) => {
                let case = self.cases.entry(event.person).or_default();
                let low = |line: &Line| {
                    line.analyte == 0 && is_final(line.status) && line.value < report.limits[0].0
                };
                let is_low = report.lines.iter().any(low);
                case.ever_low |= is_low;
                case.stale |= is_low && received_at.since(report.collected) > days(29);
                case.reports.push((report.clone(), received_at));
            }
            Says::Merge { prior, survivor } => {
                let case = self.cases.entry(event.person).or_default();
                case.merges.push((*prior, *survivor));
            }
            Says::Other => return,
        }
        self.touched.insert(event.person);
    }

    /// Everything stored so far is about to be decided.
    pub fn settle(&mut self, people: &[Person]) {
        for number in std::mem::take(&mut self.touched) {
            let person = &people[number];
            let Some(case) = self.cases.get_mut(&number) else {
                continue;
            };
            let clear = match person.fate {
                Fate::Usual => true,
                Fate::Planted(course) => course.pages(),
                Fate::Trap(_) => false,
            };
            if clear && !case.must_page && !case.stale {
                case.must_page = case.stands_isolated(person);
            }
        }
    }
}

impl Case {
    /// Of the first identifier, or of all where they are merged.
    fn pools(&self) -> Vec<BTreeSet<usize>> {
        if self.merges.is_empty() {
            vec![BTreeSet::from([0]), BTreeSet::from([1])]
        } else {
            vec![BTreeSet::from([0, 1])]
        }
    }

    fn stands_isolated(&self, person: &Person) -> bool {
        self.pools()
            .iter()
            .any(|pool| self.stands_isolated_in(pool, person))
    }

    fn stands_isolated_in(&self, pool: &BTreeSet<usize>, person: &Person) -> bool {
        let mut standing: Standing<'_> = BTreeMap::new();
        for (report, at) in self
            .reports
            .iter()
            .filter(|(report, _)| pool.contains(&report.id))
        {
            for line in &report.lines {
                let key = (report.id, report.order.as_str(), line.analyte);
                let newer = standing
                    .get(&key)
                    .is_none_or(|(other, standing, _)| rank(report, line) > rank(other, standing));
                if newer {
                    standing.insert(key, (report, *line, *at));
                }
            }
        }
        standing.retain(|_, (_, line, _)| is_final(line.status));
        let igm: Vec<_> = standing
            .iter()
            .filter(|((_, _, analyte), _)| *analyte == 0)
            .collect();
        igm.iter()
            .any(|((id, order, _), (report, line, received_at))| {
                let within = |analyte: usize| {
                    standing
                        .get(&(*id, *order, analyte))
                        .is_some_and(|(report, line, _)| {
                            let (low, high) = report.limits[analyte];
                            (low..=high).contains(&line.value)
                        })
                };
                let overtaken = igm.iter().any(|(_, (other, value, _))| {
                    value.value >= other.limits[0].0 && other.collected > report.collected
                });
                line.value < report.limits[0].0
                    && within(1)
                    && within(2)
                    && !overtaken
                    && !person.is_infant(report.collected)
                    && received_at.since(report.collected) <= days(29)
            })
    }
}
