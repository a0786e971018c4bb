//! What is true of all that is ever told: ids, numbers, and nothing taken back that was not said.

use pentamer::core::episode::{Transition, TransitionKind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Of transitions in the order in which they were made: no alert id twice, numbers without gaps, and
/// what is replaced, taken back or told more of was told before and not taken back since.
pub fn consistent(made: &[Transition]) -> Result<(), TestCaseError> {
    let mut issued = BTreeSet::new();
    let mut numbers: BTreeMap<_, u32> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for one in made {
        let number = numbers.entry(&one.episode).or_default();
        *number += 1;
        prop_assert_eq!(one.number, *number, "numbers have no gaps");
        let alert = one.alert.expose();
        prop_assert_eq!(&alert.alert_id, &one.alert_id.0);
        prop_assert_eq!(&alert.episode_id, &one.episode.0);
        if let Some(replaced) = &alert.supersedes {
            let known = if alert.tier_reason.as_deref() == Some("merged") {
                // The surviving episode may be told of by the same decision.
                replaced != &alert.episode_id && made.iter().any(|one| one.episode.0 == *replaced)
            } else {
                issued.contains(replaced)
            };
            prop_assert!(known, "what is replaced was told before");
        }
        prop_assert!(
            issued.insert(one.alert_id.0.clone()),
            "an alert id is issued once"
        );
        match one.kind {
            TransitionKind::Detected | TransitionKind::OtherPattern => {
                told.insert(&one.episode);
            }
            TransitionKind::Retracted => {
                prop_assert!(
                    told.remove(&one.episode),
                    "only what was told is taken back"
                );
            }
            TransitionKind::Confirmed
            | TransitionKind::Progressed
            | TransitionKind::Resolved
            | TransitionKind::Acknowledged
            | TransitionKind::Reopened => {
                prop_assert!(told.contains(&one.episode), "{:?} of nothing", one.kind);
            }
        }
    }
    Ok(())
}
