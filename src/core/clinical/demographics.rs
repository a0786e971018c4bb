//! Who the person is, folded from all that was reported (WIRE ).

use super::observation::{BirthDate, DemographicsReport, Given, PatientKey, Sex};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demographics {
    /// PID-7.
    pub birth: Option<Phi<BirthDate>>,
    /// PID-8.
    pub sex: Option<Phi<Sex>>,
    /// PID-5.
    pub name: Option<Phi<String>>,
    /// PID-30/29: nothing pages any more (CLINICAL 9.22).
    pub dead: bool,
    /// PID-31/32: shown, and blocks `confirmed` (CLINICAL 9.22).
    pub unreliable: bool,
    /// A29 of the surviving id: no new detection.
    pub deleted: bool,
}

/// Newest wins per field, empty keeps, `""` clears; what the survivor's messages say outranks what
/// those of prior ids say. A pure function of the set: at equal times the greater value wins.
///
/// Only the survivor's own A29 counts: sources delete an id that was merged away as a matter of course.
pub fn fold(survivor: &PatientKey, reports: &[(PatientKey, DemographicsReport)]) -> Demographics {
    Demographics {
        birth: newest(survivor, reports, |report| &report.birth),
        sex: newest(survivor, reports, |report| &report.sex),
        name: newest(survivor, reports, |report| &report.name),
        dead: newest(survivor, reports, |report| &report.dead).unwrap_or(false),
        unreliable: newest(survivor, reports, |report| &report.unreliable).unwrap_or(false),
        deleted: value(newest_of(
            reports.iter().filter(|(key, _)| key == survivor),
            |report| &report.deleted,
        ))
        .unwrap_or(false),
    }
}

fn newest<T: Ord + Clone>(
    survivor: &PatientKey,
    reports: &[(PatientKey, DemographicsReport)],
    field: impl Fn(&DemographicsReport) -> &Given<T> + Copy,
) -> Option<T> {
    let own = newest_of(reports.iter().filter(|(key, _)| key == survivor), field);
    value(own.or_else(|| newest_of(reports.iter().filter(|(key, _)| key != survivor), field)))
}

fn newest_of<'a, T: Ord + 'a>(
    reports: impl Iterator<Item = &'a (PatientKey, DemographicsReport)>,
    field: impl Fn(&'a DemographicsReport) -> &'a Given<T>,
) -> Option<&'a Given<T>> {
    let given: Option<(Timestamp, &Given<T>)> = reports
        .map(|(_, report)| (report.at, field(report)))
        .filter(|(_, given)| !matches!(given, Given::Absent))
        .max();
    given.map(|(_, given)| given)
}

fn value<T: Clone>(given: Option<&Given<T>>) -> Option<T> {
    match given {
        Some(Given::Value(value)) => Some(value.clone()),
        Some(Given::Absent | Given::Cleared) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Demographics, fold};
    use crate::core::clinical::observation::{DemographicsReport, Given, PatientKey, Sex};
    use crate::core::fact::JournalPosition;
    use crate::core::phi::Phi;
    use crate::core::time::Timestamp;

    fn key(id: &str) -> PatientKey {
        PatientKey {
            authority: "HOSP".to_owned(),
            id: Phi::new(id.to_owned()),
        }
    }

    fn report(at: i64) -> DemographicsReport {
        DemographicsReport {
            at: Timestamp::from_micros(at),
            birth: Given::Absent,
            sex: Given::Absent,
            name: Given::Absent,
            dead: Given::Absent,
            unreliable: Given::Absent,
            deleted: Given::Absent,
            position: JournalPosition(1),
        }
    }

    #[test]
    fn the_newest_of_each_field_wins_empty_keeps_and_null_clears() {
        let survivor = key("1");
        let first = DemographicsReport {
            sex: Given::Value(Phi::new(Sex::Male)),
            name: Given::Value(Phi::new("A".to_owned())),
            dead: Given::Value(true),
            ..report(1)
        };
        let second = DemographicsReport {
            sex: Given::Value(Phi::new(Sex::Female)),
            dead: Given::Cleared,
            ..report(2)
        };
        let want = Demographics {
            sex: Some(Phi::new(Sex::Female)),
            name: Some(Phi::new("A".to_owned())),
            ..Demographics::default()
        };
        for order in [
            [first.clone(), second.clone(), report(3)],
            [report(3), second, first],
        ] {
            let reports: Vec<_> = order.into_iter().map(|r| (survivor.clone(), r)).collect();
            assert_eq!(fold(&survivor, &reports), want);
        }
    }

    #[test]
    fn the_survivor_outranks_prior_ids_even_when_older() {
        let (survivor, prior) = (key("1"), key("2"));
        let own = DemographicsReport {
            sex: Given::Value(Phi::new(Sex::Female)),
            ..report(1)
        };
        let other = DemographicsReport {
            sex: Given::Value(Phi::new(Sex::Male)),
            name: Given::Value(Phi::new("B".to_owned())),
            deleted: Given::Value(true),
            ..report(9)
        };
        let person = fold(&survivor, &[(prior, other), (survivor.clone(), own)]);
        assert_eq!(person.sex, Some(Phi::new(Sex::Female)));
        assert_eq!(
            person.name,
            Some(Phi::new("B".to_owned())),
            "what the survivor does not say is filled from prior ids"
        );
        assert!(!person.deleted, "the old id was deleted, not the person");
    }
}
