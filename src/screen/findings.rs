//! What a policy would have found, in numbers and as cases.

use super::person::{AGES, Case, Person, Told};
use crate::core::episode::{Delivery, Severity, TransitionKind};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeMap;

/// What one policy would have found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Persons from IgM to persistence.
    pub persons: Persons,
    /// IgM results that stand.
    pub igm: u64,
    /// Of these low.
    pub low_igm: u64,
    /// Where the limits of those that could be judged came from.
    pub sources: BTreeMap<&'static str, u64>,
    /// Why the others could not be judged.
    pub unjudged: BTreeMap<&'static str, u64>,
    /// What would have been told, by the Monday of the week.
    pub weeks: BTreeMap<Date, Week>,
    /// The same by what happened: pages and all.
    pub told: BTreeMap<TransitionKind, (u64, u64)>,
    /// Cases by age group: female, male, unknown.
    pub ages: [[u64; 3]; AGES.len()],
    /// Cases by class and label of what was coded beside them.
    pub associations: BTreeMap<(String, String), u64>,
    /// Persons with isolated low IgM.
    pub cases: Vec<Case>,
}

/// Persons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Persons {
    /// With IgM.
    pub with_igm: u64,
    /// With a low IgM.
    pub low: u64,
    /// With an isolated one.
    pub isolated: u64,
    /// With one that was confirmed four weeks later or more.
    pub persistent: u64,
    /// With an episode that is open at the end.
    pub open: u64,
    /// With low IgM in company.
    pub other_patterns: u64,
}

/// One week, by severity: routine, prompt, urgent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Week {
    /// Pages.
    pub pages: [u64; 3],
    /// For the worklist only.
    pub worklist: [u64; 3],
}

impl Week {
    /// All of it.
    pub fn all(&self) -> u64 {
        self.pages.iter().chain(&self.worklist).sum()
    }
}

/// The place of a severity in a [`Week`].
pub const fn place(severity: Severity) -> usize {
    match severity {
        Severity::Routine => 0,
        Severity::Prompt => 1,
        Severity::Urgent => 2,
    }
}

impl Findings {
    /// Takes one person.
    pub(super) fn take(&mut self, person: Person, policy: &Policy) {
        let persons = &mut self.persons;
        persons.with_igm += 1;
        persons.low += u64::from(person.has_low);
        persons.isolated += u64::from(person.is_isolated);
        persons.persistent += u64::from(person.is_persistent);
        persons.other_patterns += u64::from(person.has_other_pattern);
        self.igm += person.igm;
        self.low_igm += person.low_igm;
        add(&mut self.sources, person.sources);
        add(&mut self.unjudged, person.unjudged);
        for told in &person.told {
            self.tell(told, policy);
        }
        let Some(case) = person.case else { return };
        self.persons.open += u64::from(case.open);
        let sex = match case.sex {
            Some("F") => 0,
            Some(_) => 1,
            None => 2,
        };
        if let Some(count) = self
            .ages
            .get_mut(case.age_group)
            .and_then(|row| row.get_mut(sex))
        {
            *count += 1;
        }
        for one in case.associations.expose() {
            let key = (one.class.clone(), one.label.clone());
            *self.associations.entry(key).or_default() += 1;
        }
        self.cases.push(*case);
    }

    fn tell(&mut self, told: &Told, policy: &Policy) {
        let week = self.weeks.entry(monday(told.at, policy)).or_default();
        let is_page = told.delivery == Delivery::Page;
        let counts = if is_page {
            &mut week.pages
        } else {
            &mut week.worklist
        };
        if let Some(count) = counts.get_mut(place(told.severity)) {
            *count += 1;
        }
        let (pages, all) = self.told.entry(told.kind).or_default();
        *pages += u64::from(is_page);
        *all += 1;
    }

    /// Adds what was found of others.
    pub(super) fn add(&mut self, other: Self) {
        let (persons, more) = (&mut self.persons, other.persons);
        persons.with_igm += more.with_igm;
        persons.low += more.low;
        persons.isolated += more.isolated;
        persons.persistent += more.persistent;
        persons.open += more.open;
        persons.other_patterns += more.other_patterns;
        self.igm += other.igm;
        self.low_igm += other.low_igm;
        add(&mut self.sources, other.sources);
        add(&mut self.unjudged, other.unjudged);
        add(&mut self.associations, other.associations);
        for (monday, more) in other.weeks {
            let week = self.weeks.entry(monday).or_default();
            for (count, more) in week.pages.iter_mut().zip(more.pages) {
                *count += more;
            }
            for (count, more) in week.worklist.iter_mut().zip(more.worklist) {
                *count += more;
            }
        }
        for (kind, (pages, all)) in other.told {
            let sum = self.told.entry(kind).or_default();
            sum.0 += pages;
            sum.1 += all;
        }
        let rows = self.ages.iter_mut().flatten();
        for (count, more) in rows.zip(other.ages.into_iter().flatten()) {
            *count += more;
        }
        self.cases.extend(other.cases);
    }

    /// Puts the cases in order: the most pressing first, then the newest.
    pub(super) fn sort(&mut self) {
        self.cases.sort_by(|a, b| {
            (b.severity, b.opened_at, a.key.expose()).cmp(&(
                a.severity,
                a.opened_at,
                b.key.expose(),
            ))
        });
    }

    /// Pages.
    pub fn pages(&self) -> u64 {
        self.told.values().map(|(pages, _)| pages).sum()
    }

    /// All that would have been told, worklist included.
    pub fn alerts(&self) -> u64 {
        self.told.values().map(|(_, all)| all).sum()
    }
}

fn add<K: Ord>(sum: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sum.entry(key).or_default() += count;
    }
}

/// The Monday of the week, at the site.
fn monday(at: Timestamp, policy: &Policy) -> Date {
    let day = policy.site.zone.to_datetime(at.to_jiff()).date();
    let behind = i64::from(day.weekday().since(Weekday::Monday));
    day.checked_sub(jiff::Span::new().days(behind))
        .unwrap_or(day)
}
