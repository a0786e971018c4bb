//! Ids of episodes and alerts: hashes, so that merges, re-sends and rebuilds give the same ones.

use super::{AlertId, EpisodeId};
use crate::core::clinical::observation::{OrderNumber, ResultId, Specimen};
use crate::core::policy::hex;
use sha2::{Digest, Sha256};

/// A hash over parts, each preceded by its length: no two lists of parts run together.
struct Parts(Sha256);

impl Parts {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn and(mut self, part: &str) -> Self {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.update(length.to_be_bytes());
        self.0.update(part.as_bytes());
        self
    }

    fn hex(self) -> String {
        hex(self.0.finalize().iter().take(16))
    }
}

/// The episode that a result opens: hash of the site and of the result under the id that it was
/// reported with (CLINICAL 9.6), so that it survives merges.
pub fn episode_id(site: &str, opening: &ResultId) -> EpisodeId {
    let parts = Parts::new()
        .and(site)
        .and(&opening.patient.authority)
        .and(opening.patient.id.expose());
    let parts = match &opening.order {
        OrderNumber::Filler(number) => parts.and("filler").and(number.expose()),
        OrderNumber::Placer(number) => parts.and("placer").and(number.expose()),
        OrderNumber::Unnumbered { code, observed, at } => {
            parts.and("unnumbered").and(code).and(observed).and(at)
        }
    };
    let parts = parts
        .and(opening.analyte.name())
        .and(match opening.specimen {
            Specimen::Serum => "serum",
            Specimen::Cord => "cord",
        });
    EpisodeId(
        match &opening.sub_id {
            Some(sub_id) => parts.and("sub").and(sub_id),
            None => parts.and("whole"),
        }
        .hex(),
    )
}

/// The alert of transition `number` of an episode.
pub fn alert_id(site: &str, episode: &EpisodeId, number: u32) -> AlertId {
    AlertId(
        Parts::new()
            .and(site)
            .and(&episode.0)
            .and(&number.to_string())
            .hex(),
    )
}

#[cfg(test)]
mod tests {
    use super::{alert_id, episode_id};
    use crate::core::clinical::observation::{
        Analyte, OrderNumber, PatientKey, ResultId, Specimen,
    };
    use crate::core::phi::Phi;

    fn result(authority: &str, id: &str, order: OrderNumber) -> ResultId {
        ResultId {
            patient: PatientKey {
                authority: authority.to_owned(),
                id: Phi::new(id.to_owned()),
            },
            order,
            analyte: Analyte::IgM,
            specimen: Specimen::Serum,
            sub_id: None,
        }
    }

    fn filler(number: &str) -> OrderNumber {
        OrderNumber::Filler(Phi::new(number.to_owned()))
    }

    #[test]
    fn every_part_counts_and_parts_do_not_run_together() {
        let with_sub_id = ResultId {
            sub_id: Some("1".to_owned()),
            ..result("A", "12", filler("3"))
        };
        let ids: std::collections::BTreeSet<_> = [
            episode_id("s", &result("A", "12", filler("3"))),
            episode_id("t", &result("A", "12", filler("3"))),
            episode_id("s", &result("A1", "2", filler("3"))),
            episode_id("s", &result("A", "1", filler("23"))),
            episode_id(
                "s",
                &result("A", "12", OrderNumber::Placer(Phi::new("3".to_owned()))),
            ),
            episode_id("s", &with_sub_id),
        ]
        .into_iter()
        .collect();
        assert_eq!(ids.len(), 6);
        assert!(ids.iter().all(|id| id.0.len() == 32));
    }

    #[test]
    fn the_ids_are_a_promise_to_the_sinks() {
        let episode = episode_id("site", &result("HOSP", "4711", filler("F1")));
        assert_eq!(episode.0, "6cdf966932899792de16bff2aaca9f85");
        assert_eq!(
            alert_id("site", &episode, 1).0,
            "8dbe3a15cef6166da01ed159b33fcd16"
        );
    }
}
