//! Diagnoses and drugs that count beside a result (CLINICAL 2, ruling 17).

use super::age::AgeReading;
use super::association::{AssociationRow, Class};
use super::observation::AssociationSeen;
use crate::core::policy::{Detection, Policy};
use crate::core::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// How long after the collection an association still counts (CLINICAL 9.17).
const AFTER: Span = Span::days(7);

/// The system of rows whose code is a drug's name.
const TEXT: &str = "TEXT";

/// What it was reported as: its code, or the name of a drug that was sent without one.
pub fn code_or_name(seen: &AssociationSeen) -> &str {
    let code = seen.code.expose();
    match drug_name(seen) {
        Some(name) if code.is_empty() => name,
        _ => code,
    }
}

/// An association that the table knows.
#[derive(Debug, Clone)]
pub struct Related<'a> {
    /// As reported.
    pub seen: &'a AssociationSeen,
    /// The rows of the table that hold for its code.
    pub rows: Vec<&'a AssociationRow>,
}

impl Related<'_> {
    /// The rows that hold at an age: a row with `max_age` only where the age is known to be below.
    pub fn rows_at<'r>(&'r self, age: &'r AgeReading) -> impl Iterator<Item = &'r AssociationRow> {
        self.rows.iter().copied().filter(|row| {
            row.max_age
                .is_none_or(|most| age.is_below(most) == Some(true))
        })
    }
}

/// All associations of a person that the table knows, by date.
#[derive(Debug, Clone, Default)]
pub struct Associations<'a>(Vec<Related<'a>>);

/// What the associations beside one result amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Class S in a row without P.
    pub secondary: bool,
    /// Class P in a row without S: a class S elsewhere lowers it (CLINICAL 9.12).
    pub prompt: bool,
    /// A row "S, P": its P stands (CLINICAL 9.12).
    pub prompt_stands: bool,
    /// Class U, within its own shorter window.
    pub urgent: bool,
    /// The diagnosis itself, D80.4.
    pub known: bool,
    /// Immunoglobulin replacement.
    pub treated: bool,
}

impl<'a> Associations<'a> {
    /// Looks all codes up; a removal (DG1-21 = D) takes the same code with the same or an earlier date.
    pub fn of(seen: &'a [AssociationSeen], policy: &'a Policy) -> Self {
        let mut removed: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
        for one in seen.iter().filter(|one| one.removed) {
            let at = removed
                .entry((one.code.expose(), &one.system))
                .or_insert(one.at);
            *at = one.at.max(*at);
        }
        // One entry a code, system and date; messages repeat their diagnoses over and over.
        let mut distinct: BTreeMap<(Timestamp, &str, &str, &str), &AssociationSeen> =
            BTreeMap::new();
        for one in seen.iter().filter(|one| !one.removed) {
            let code = (one.code.expose().as_str(), one.system.as_str());
            if removed.get(&code).is_some_and(|at| one.at <= *at) {
                continue;
            }
            let name = drug_name(one).unwrap_or_default();
            let kept = distinct
                .entry((one.at, code.0, code.1, name))
                .or_insert(one);
            *kept = (*kept).min(one);
        }
        let related = distinct.into_values().filter_map(|seen| {
            let find = |code: &str, system: &str, default: &str| {
                policy.associations.lookup(code, system, default)
            };
            let default = &policy.site.default_dx_system;
            let mut rows = find(seen.code.expose(), &seen.system, default);
            if let Some(name) = drug_name(seen) {
                rows.extend(find(name, TEXT, ""));
            }
            (!rows.is_empty()).then_some(Related { seen, rows })
        });
        Self(related.collect())
    }

    /// Those that count for a sample collected at `at`, oldest first.
    pub fn beside(&self, at: Timestamp, detection: &Detection) -> &[Related<'a>] {
        self.within(at, detection.association_window)
    }

    fn within(&self, at: Timestamp, before: Span) -> &[Related<'a>] {
        let from = self.0.partition_point(|one| at.since(one.seen.at) > before);
        let to = self.0.partition_point(|one| one.seen.at <= at.plus(AFTER));
        self.0.get(from..to).unwrap_or_default()
    }

    /// What they amount to beside a sample.
    pub fn flags(&self, at: Timestamp, age: &AgeReading, detection: &Detection) -> Flags {
        let mut flags = Flags::default();
        if self.0.is_empty() {
            return flags;
        }
        for related in self.beside(at, detection) {
            for row in related.rows_at(age) {
                let has = |class| row.classes.contains(&class);
                let (secondary, prompt) = (has(Class::Secondary), has(Class::Prompt));
                flags.secondary |= secondary && !prompt;
                flags.prompt |= prompt && !secondary;
                flags.prompt_stands |= prompt && secondary;
                flags.known |= has(Class::Known);
                flags.treated |= row.is_immunoglobulin();
            }
        }
        flags.urgent = self
            .within(at, detection.urgent_association_window)
            .iter()
            .flat_map(|related| related.rows_at(age))
            .any(|row| row.classes.contains(&Class::Urgent));
        flags
    }
}

/// The name of a drug, which orders often write without a code (CLINICAL 2.4).
fn drug_name(seen: &AssociationSeen) -> Option<&str> {
    (seen.field.starts_with("RX") && !seen.text.expose().trim().is_empty())
        .then(|| seen.text.expose().as_str())
}

#[cfg(test)]
mod tests {
    use super::{Associations, code_or_name};
    use crate::core::clinical::age::AgeReading;
    use crate::core::clinical::association::{AssociationRow, AssociationTable, Class, Kind};
    use crate::core::clinical::observation::AssociationSeen;
    use crate::core::fact::JournalPosition;
    use crate::core::phi::Phi;
    use crate::core::policy::Policy;
    use crate::core::time::{Span, Timestamp};

    #[test]
    fn a_drug_is_known_by_its_name_where_its_code_is_not() {
        let row = |code: &str, system: &str| AssociationRow {
            label: "rituximab".to_owned(),
            system: system.to_owned(),
            code: code.to_owned(),
            classes: vec![Class::Secondary],
            kind: Kind::Drug,
            max_age: None,
            enabled: true,
            source: "site".to_owned(),
        };
        let mut policy = Policy::built_in();
        let rows = vec![row("L01FA01", "ATC"), row("rituximab*", "TEXT")];
        policy.associations = AssociationTable::built_in().with_rows(rows).into();
        let drug = |code: &str, text: &str, system: &str, field: &str| AssociationSeen {
            text: Phi::new(text.to_owned()),
            system: system.to_owned(),
            field: field.to_owned(),
            ..seen(code, 990, false)
        };
        let list = [
            drug("", "Rituximab 500 mg", "", "RXA-5"),
            drug("", "Ibuprofen", "", "RXA-5"),
            drug("4711", "RITUXIMAB", "L", "RXO-1"),
            drug("L01FA01", "MabThera", "ATC", "RXE-2"),
            // A diagnosis is known by its code alone.
            drug("Z51.1", "Rituximab", "I10", "DG1-3"),
        ];
        let known = Associations::of(&list, &policy);
        let at = Timestamp::default().plus(Span::days(1000));
        let names: Vec<_> = known
            .beside(at, &policy.detection)
            .iter()
            .map(|one| code_or_name(one.seen))
            .collect();
        assert_eq!(names, ["Rituximab 500 mg", "4711", "L01FA01"]);
        let flags = known.flags(at, &AgeReading::Unknown, &policy.detection);
        assert!(flags.secondary);
    }

    fn seen(code: &str, day: i64, removed: bool) -> AssociationSeen {
        AssociationSeen {
            code: Phi::new(code.to_owned()),
            system: "I10".to_owned(),
            text: Phi::default(),
            field: "DG1-3".to_owned(),
            at: Timestamp::default().plus(Span::days(day)),
            removed,
            position: JournalPosition(1),
        }
    }

    #[test]
    fn counts_up_to_its_window_before_and_a_week_after() {
        let policy = Policy::built_in();
        let at = Timestamp::default().plus(Span::days(1000));
        for (day, counts, urgent) in [
            (634, false, false),
            (635, true, false),
            (909, true, false),
            (910, true, true),
            (1007, true, true),
            (1008, false, false),
        ] {
            let list = [seen("A40.3", day, false)];
            let known = Associations::of(&list, &policy);
            assert_eq!(
                known.beside(at, &policy.detection).len(),
                usize::from(counts),
                "{day}"
            );
            let flags = known.flags(at, &AgeReading::Unknown, &policy.detection);
            assert_eq!(flags.urgent, urgent, "{day}");
        }
    }

    #[test]
    fn a_removal_takes_the_same_code_and_no_other() {
        let policy = Policy::built_in();
        let at = Timestamp::default().plus(Span::days(1000));
        let list = [
            seen("C90.0", 990, true),
            seen("C90.0", 990, false),
            seen("C90.0", 995, false),
            seen("M06.9", 990, false),
        ];
        let known = Associations::of(&list, &policy);
        let days: Vec<_> = known
            .beside(at, &policy.detection)
            .iter()
            .map(|one| {
                (
                    one.seen.code.expose().as_str(),
                    at.since(one.seen.at).whole_days(),
                )
            })
            .collect();
        assert_eq!(days, [("M06.9", 10), ("C90.0", 5)]);
    }
}
