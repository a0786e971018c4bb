//! All that stands for one person, judged: a pure function of the set of results.

use super::demographics::{self, Demographics};
use super::panel::{self, JudgedResult, Timelines};
use super::related::Associations;
use super::state::Judge;
use super::version::{self, Standing};
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;

/// The results of a person, each with its state.
pub struct Results<'a> {
    /// Who it is.
    pub person: Demographics,
    /// Every result that stands; those of one order stand together.
    pub all: Vec<JudgedResult<'a>>,
    /// Of each of them the number of its order.
    pub(super) orders: Vec<usize>,
    /// The places of the results in time.
    pub(super) timelines: Timelines<'a>,
    /// Diagnoses and drugs.
    pub associations: Associations<'a>,
}

impl<'a> Results<'a> {
    /// Judges all that stands for a person.
    pub fn judge(patient: &'a PooledPatient, policy: &'a Policy) -> Self {
        let person = demographics::fold(&patient.survivor, &patient.demographics);
        let mut judge = Judge::of(&person, policy);
        let standing = version::current(&patient.observations, &patient.group_withdrawals);
        let orders = standing.iter().map(|one| one.order).collect();
        let mut all: Vec<_> = standing
            .into_iter()
            .map(|Standing { current, .. }| JudgedResult {
                judged: judge.state(&current),
                current,
            })
            .collect();
        let timelines = panel::timelines(&all);
        panel::mark_conflicts(&mut all, &timelines);
        Self {
            person,
            all,
            orders,
            timelines,
            associations: Associations::of(&patient.associations, policy),
        }
    }
}
