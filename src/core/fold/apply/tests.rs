mod parts;

use super::super::testing::*;
use super::super::views;
use super::*;
use crate::core::clinical::observation::{
    AssociationSeen, Given, GroupWithdrawal, OrderNumber, Sex,
};
use crate::core::extract::{IdentityKind, Place};
use crate::core::fold::state::State;
use crate::core::phi::Phi;
use bytes::Bytes;
use proptest::prelude::*;

fn count(effects: &Effects, name: &'static str) -> u64 {
    let key = ("main".to_owned(), name);
    effects.counts.get(&key).copied().unwrap_or_default()
}

fn outcome(effects: &Effects, name: &'static str) -> u64 {
    let key = ("main".to_owned(), name);
    effects.messages.get(&key).copied().unwrap_or_default()
}

fn refusal(reason: Reason, result: bool) -> Refusal {
    Refusal {
        reason,
        place: Place {
            segment: "OBX".to_owned(),
            occurrence: 3,
            field: 5,
            name: "observation value".to_owned(),
        },
        result,
        remedy: "mend it".to_owned(),
    }
}

fn fold(said: Vec<Said>) -> (Plain, Effects) {
    let script = Script(said);
    let state = Plain::default();
    let effects = script.fold_onto(&state, &script.facts());
    (state, effects)
}

#[test]
fn a_result_is_kept_under_its_reported_id_and_marks_the_patient() {
    let (state, effects) = fold(vec![results("1", vec![igm("1", "F1", 5, "")])]);
    let record = timeless(&state, "1");
    assert_eq!(record.observations.len(), 1);
    assert_eq!(views::dirty_count(&state).unwrap(), 1);
    assert_eq!(state.position().unwrap(), JournalPosition(1));
    assert!(effects.messages.is_empty());
    assert_eq!(count(&effects, "obx2_guess"), 1);
    assert_eq!(effects.patients_touched, 1);
}

#[test]
fn a_version_sent_again_is_one_version_and_no_news() {
    let same = || results("1", vec![igm("1", "F1", 5, "")]);
    let script = Script(vec![same(), same()]);
    let facts = script.facts();
    let state = Plain::default();
    script.fold_onto(&state, &facts[..1]);
    script.fold_onto(&state, &[(JournalPosition(2), decided(1, Vec::new()))]);
    let effects = script.fold_onto(&state, &[(JournalPosition(3), facts[1].1.clone())]);
    assert_eq!(timeless(&state, "1").observations.len(), 1);
    assert_eq!(effects.patients_touched, 0);
    assert_eq!(views::dirty_count(&state).unwrap(), 0);
}

#[test]
fn demographics_alone_decide_nothing() {
    let report = || demographics(1, Given::Value("DOE"), Given::Absent);
    let (state, effects) = fold(vec![named("1", report())]);
    assert_eq!(effects.patients_touched, 0);
    assert_eq!(timeless(&state, "1").demographics.len(), 1);
    let (_, effects) = fold(vec![
        results("1", vec![igm("1", "F1", 5, "")]),
        named("1", report()),
    ]);
    assert_eq!(effects.patients_touched, 2);
}

#[test]
fn of_demographics_the_newest_of_each_field_is_kept() {
    let (state, _) = fold(vec![
        named("1", demographics(3, Given::Value("NEW"), Given::Absent)),
        named(
            "1",
            demographics(1, Given::Value("OLD"), Given::Value(Sex::Male)),
        ),
        named(
            "1",
            demographics(2, Given::Cleared, Given::Value(Sex::Female)),
        ),
        named("1", demographics(9, Given::Absent, Given::Absent)),
    ]);
    let kept = timeless(&state, "1").demographics;
    assert_eq!(
        kept.into_iter().collect::<Vec<_>>(),
        [
            demographics(2, Given::Cleared, Given::Value(Sex::Female)),
            demographics(3, Given::Value("NEW"), Given::Absent),
        ]
    );
}

#[test]
fn diagnoses_and_group_withdrawals_are_sets() {
    let mut said = results("1", vec![igm("1", "F1", 5, "")]);
    said.patients[0].associations.push(AssociationSeen {
        code: Phi::new("C90.0".to_owned()),
        system: "I10".to_owned(),
        text: Phi::new(String::new()),
        field: "DG1-3".to_owned(),
        at: at(1),
        removed: false,
        position: JournalPosition::START,
    });
    said.patients[0].group_withdrawals.push(GroupWithdrawal {
        order: OrderNumber::Filler(Phi::new("F1".to_owned())),
        version_at: at(2),
        position: JournalPosition::START,
    });
    let (state, _) = fold(vec![said.clone(), said]);
    let record = timeless(&state, "1");
    assert_eq!(
        (record.associations.len(), record.group_withdrawals.len()),
        (1, 1)
    );
}

#[test]
fn refusals_are_quarantined_with_place_and_sender() {
    let mut said = results("1", Vec::new());
    said.refusals = vec![
        refusal(Reason::AmbiguousNumber, true),
        refusal(Reason::NoPatientId, false),
    ];
    let (state, effects) = fold(vec![said]);
    assert_eq!(outcome(&effects, "quarantined"), 1);
    assert_eq!(effects.refusals[&Reason::AmbiguousNumber], 1);
    let entries = views::quarantine(&state, JournalPosition::START, 9).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].refusal.place.field, 5);
    assert_eq!(entries[0].control_id, "C0");
    assert_eq!(
        (entries[1].number, entries[1].refusal.reason),
        (1, Reason::NoPatientId)
    );
}

#[test]
fn frames_that_are_no_messages_are_quarantined_too() {
    let state = Plain::default();
    let fact = |reason| {
        Fact::Refused(Refused {
            origin: origin(),
            received_at: at(4),
            reason,
            total_len: 3,
            raw: Bytes::from_static(b"MSH"),
        })
    };
    let effects = Script::default().fold_onto(
        &state,
        &[
            (JournalPosition(1), fact(Reason::Truncated)),
            (JournalPosition(2), fact(Reason::TooLarge)),
        ],
    );
    assert_eq!(effects.refusals.len(), 2);
    assert!(effects.messages.is_empty());
    let entries = views::quarantine(&state, JournalPosition::START, 9).unwrap();
    let reasons: Vec<Reason> = entries.iter().map(|entry| entry.refusal.reason).collect();
    assert_eq!(reasons, [Reason::Truncated, Reason::TooLarge]);
}

#[test]
fn foreign_messages_are_ignored_and_copies_count_nothing() {
    let ignored = Said {
        understood: Some(Understood::Ignored),
        ..Said::default()
    };
    let script = Script(vec![ignored]);
    let mut facts = script.facts();
    facts.push((
        JournalPosition(2),
        Fact::SeenAgain {
            first: JournalPosition(1),
            origin: Origin {
                listener: "main".to_owned(),
                peer: String::new(),
            },
            received_at: at(2),
        },
    ));
    let effects = script.fold_onto(&Plain::default(), &facts);
    assert_eq!(outcome(&effects, "ignored"), 1);
    assert_eq!(effects.messages.len(), 1);
}

#[test]
fn a_feed_is_heard_with_the_skew_of_its_clock() {
    let (state, effects) = fold(vec![Said::default(), Said::default()]);
    let heard = effects.feeds[&("main".to_owned(), "LAB/HOSP".to_owned())];
    assert_eq!(heard, (at(2), Some(-2.0)));
    let feeds = views::feeds(&state).unwrap();
    assert_eq!(feeds[0].name, "LAB/HOSP");
    assert_eq!(feeds[0].mark.messages, 2);
}

#[test]
fn the_state_says_with_which_policy_it_was_folded() {
    let (state, _) = fold(vec![Said::default()]);
    assert_eq!(
        views::policy(&state).unwrap(),
        Some(Policy::built_in().hash())
    );
    assert_eq!(views::policy(&Plain::default()).unwrap(), None);
}

#[test]
fn every_entry_of_a_state_passes_verification() {
    let mut said = vec![
        results("1", vec![igm("1", "F1", 5, "")]),
        merge("1", "2", 3),
        named("1", demographics(1, Given::Value("DOE"), Given::Absent)),
    ];
    said[0].refusals = vec![refusal(Reason::TextValue, true)];
    let (state, _) = fold(said);
    let facts = [
        (
            JournalPosition(4),
            decided(1, vec![transition("1", "F1", 1)]),
        ),
        (
            JournalPosition(5),
            Fact::Started {
                version: "0.1.0".to_owned(),
                at: at(1),
            },
        ),
        (
            JournalPosition(6),
            Fact::PolicyChanged {
                policy: "p".to_owned(),
                at: at(2),
            },
        ),
        (
            JournalPosition(7),
            Fact::Attempted {
                sink: "log".to_owned(),
                alert_id: "1-F1-1".to_owned(),
                at: at(3),
            },
        ),
    ];
    Script::default().fold_onto(&state, &facts);
    let entries = views::dump(&state).unwrap();
    assert!(entries.len() >= 14, "{}", entries.len());
    for (key, value) in &entries {
        tables::verify(key, value).unwrap();
    }
    assert_eq!(views::start_mark(&state).unwrap().unwrap().version, "0.1.0");
    assert_eq!(views::policy_mark(&state).unwrap().unwrap().policy, "p");
}

mod identity {
    use super::*;

    #[test]
    fn results_for_a_prior_id_are_pooled_whatever_comes_first() {
        let result = || results("1234", vec![igm("1234", "F1", 5, "")]);
        let edge = || merge("1234", "9999", 50);
        let (before, _) = fold(vec![edge(), result()]);
        let (after, _) = fold(vec![result(), edge()]);
        assert_eq!(pooled(&before, "1234"), pooled(&after, "9999"));
        let (survivor, members, found) = pooled(&before, "9999");
        assert_eq!(survivor, key("9999"));
        assert_eq!(members, ["HOSP:1234", "HOSP:9999"]);
        assert_eq!(found[0].id.patient, key("1234"));
    }

    /// WIRE W74, in both orders.
    #[test]
    fn a_cycle_is_counted_once_by_the_event_that_completes_it() {
        for swapped in [false, true] {
            let mut said = vec![merge("1234", "9999", 50), merge("9999", "1234", 51)];
            if swapped {
                said.reverse();
            }
            said.push(results("1234", vec![igm("1234", "F1", 5, "")]));
            let (state, effects) = fold(said);
            assert_eq!(count(&effects, "merge_cycle"), 1);
            assert_eq!(pooled(&state, "9999").0, key("1234"));
        }
    }

    #[test]
    fn a_merge_sent_again_counts_nothing() {
        let (_, effects) = fold(vec![
            merge("A", "B", 1),
            merge("B", "A", 2),
            merge("B", "A", 2),
            merge("A", "B", 1),
        ]);
        assert_eq!(count(&effects, "merge_cycle"), 1);
        assert_eq!(count(&effects, "merge_conflict"), 0);
    }

    #[test]
    fn two_survivors_are_a_conflict() {
        let (state, effects) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "")]),
            merge("A", "C", 2),
            merge("A", "B", 1),
        ]);
        assert_eq!(count(&effects, "merge_conflict"), 1);
        assert_eq!(pooled(&state, "A").0, key("C"));
        assert_eq!(views::inactive_merges(&state, &key("B")).unwrap().len(), 1);
        assert!(pooled(&state, "B").2.is_empty());
    }

    #[test]
    fn a_merge_of_an_id_with_itself_is_none() {
        let (state, effects) = fold(vec![merge("A", "A", 1)]);
        assert_eq!(count(&effects, "self_merge"), 1);
        assert!(views::patient(&state, &key("A")).unwrap().is_none());
    }

    #[test]
    fn links_are_recorded_and_pool_nobody() {
        let kind = IdentityKind::Link { linked: true };
        let (state, effects) = fold(vec![super::super::super::testing::identity(
            kind, "A", "B", 1,
        )]);
        assert_eq!(effects.patients_touched, 0);
        assert_eq!(timeless(&state, "A").identity.len(), 1);
        assert_eq!(pooled(&state, "A").1, ["HOSP:A"]);
    }

    #[test]
    fn a_moved_account_takes_its_results_along() {
        let (state, effects) = fold(vec![
            results(
                "A",
                vec![
                    igm("A", "F1", 5, "X"),
                    igm("A", "F2", 5, "Y"),
                    igm("A", "F3", 5, ""),
                ],
            ),
            move_account("X", "A", "B", 9),
        ]);
        assert_eq!(count(&effects, "move_unattributable"), 1);
        Script::default().fold_onto(
            &state,
            &[(
                JournalPosition(3),
                decided(2, vec![transition("A", "F1", 1)]),
            )],
        );
        let moved = views::patient(&state, &key("B")).unwrap().unwrap();
        assert_eq!(moved.observations.len(), 1);
        assert_eq!(moved.observations[0].id, igm("A", "F1", 5, "X").id);
        assert_eq!(moved.transitions.len(), 1);
        let left = views::patient(&state, &key("A")).unwrap().unwrap();
        assert_eq!(left.observations.len(), 2);
        // It was told about A: A must still be able to take it back.
        assert_eq!(left.transitions.len(), 1);
    }

    #[test]
    fn all_versions_of_a_result_move_together() {
        let (state, _) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "X"), igm("A", "F1", 6, "")]),
            move_account("X", "A", "B", 9),
        ]);
        assert_eq!(pooled(&state, "B").2.len(), 2);
        assert!(pooled(&state, "A").2.is_empty());
    }

    #[test]
    fn a_moved_order_can_still_be_withdrawn_where_it_was_reported() {
        let mut cancel = results("A", Vec::new());
        cancel.patients[0].group_withdrawals.push(GroupWithdrawal {
            order: OrderNumber::Filler(Phi::new("F1".to_owned())),
            version_at: at(12),
            position: JournalPosition::START,
        });
        let (state, _) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "X")]),
            move_account("X", "A", "B", 9),
            cancel,
        ]);
        let view = views::patient(&state, &key("B")).unwrap().unwrap();
        assert_eq!(view.group_withdrawals.len(), 1);
        assert_eq!(view.group_withdrawals[0].0, key("A"));
    }
}

mod withdrawal {
    use super::*;

    fn quarantined(effects: &Effects) -> u64 {
        effects
            .refusals
            .get(&Reason::WithdrawalOtherPatient)
            .copied()
            .unwrap_or_default()
    }

    #[test]
    fn of_an_order_stored_only_under_another_patient_goes_to_a_person() {
        let (state, effects) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "")]),
            results("B", vec![withdrawn(igm("B", "F1", 6, ""))]),
        ]);
        assert_eq!(quarantined(&effects), 1);
        assert_eq!(count(&effects, "withdrawal_pending"), 0);
        // Not applied: the other patient's result is as it was.
        assert_eq!(pooled(&state, "A").2.len(), 1);
    }

    #[test]
    fn of_an_own_result_is_no_news_to_anyone() {
        let (state, effects) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "")]),
            results("A", vec![withdrawn(igm("A", "F1", 6, ""))]),
        ]);
        assert_eq!(quarantined(&effects), 0);
        assert_eq!(count(&effects, "withdrawal_pending"), 0);
        assert_eq!(timeless(&state, "A").observations.len(), 2);
    }

    #[test]
    fn without_any_result_waits_for_it() {
        let (state, effects) = fold(vec![results("A", vec![withdrawn(igm("A", "F1", 6, ""))])]);
        assert_eq!(count(&effects, "withdrawal_pending"), 1);
        assert_eq!(quarantined(&effects), 0);
        assert_eq!(timeless(&state, "A").observations.len(), 1);
    }

    #[test]
    fn under_the_surviving_id_is_the_same_patient() {
        let (_, effects) = fold(vec![
            results("A", vec![igm("A", "F1", 5, "")]),
            merge("A", "B", 1),
            results("B", vec![withdrawn(igm("B", "F1", 6, ""))]),
        ]);
        assert_eq!(quarantined(&effects), 0);
    }

    #[test]
    fn of_a_whole_order_is_looked_at_too() {
        let mut cancel = results("B", Vec::new());
        cancel.patients[0].group_withdrawals.push(GroupWithdrawal {
            order: OrderNumber::Filler(Phi::new("F1".to_owned())),
            version_at: at(6),
            position: JournalPosition::START,
        });
        let (_, effects) = fold(vec![results("A", vec![igm("A", "F1", 5, "")]), cancel]);
        assert_eq!(quarantined(&effects), 1);
    }

    #[test]
    fn sees_what_came_in_the_same_message() {
        let said = results(
            "A",
            vec![withdrawn(igm("A", "F1", 6, "")), igm("A", "F1", 5, "")],
        );
        let (_, effects) = fold(vec![said]);
        assert_eq!(count(&effects, "withdrawal_pending"), 0);
    }
}

mod decisions {
    use super::*;

    #[test]
    fn are_filed_once_and_clear_what_they_took_into_account() {
        let script = Script(vec![
            results("A", vec![igm("A", "F1", 5, "")]),
            results("B", vec![igm("B", "F2", 5, "")]),
        ]);
        let state = script.fold(&script.facts());
        let effects = script.fold_onto(
            &state,
            &[(
                JournalPosition(3),
                decided(1, vec![transition("A", "F1", 1)]),
            )],
        );
        assert_eq!(effects.new_alerts.len(), 1);
        assert_eq!(effects.new_alerts[0].place, 1);
        assert_eq!(views::dirty_count(&state).unwrap(), 1);
        let again = script.fold_onto(
            &state,
            &[(
                JournalPosition(4),
                decided(2, vec![transition("A", "F1", 1), transition("A", "F1", 2)]),
            )],
        );
        assert_eq!(again.new_alerts.len(), 1);
        assert_eq!(views::dirty_count(&state).unwrap(), 0);
        let numbers: Vec<u32> = timeless(&state, "A")
            .transitions
            .iter()
            .map(|transition| transition.number)
            .collect();
        assert_eq!(numbers, [1, 2]);
    }
}

fn said() -> impl Strategy<Value = Said> {
    let id = || prop_oneof![Just("A"), Just("B"), Just("C")];
    let sex = prop_oneof![Just(Given::Absent), Just(Given::Value(Sex::Female))];
    let name = prop_oneof![
        Just(Given::Absent),
        Just(Given::Cleared),
        Just(Given::Value("DOE"))
    ];
    prop_oneof![
        4 => (id(), 0_u8..3, 0_i64..3, prop_oneof![Just(""), Just("X")], any::<bool>()).prop_map(
            |(patient, order, version, account, is_withdrawn)| {
                let one = igm(patient, &format!("{patient}{order}"), version, account);
                results(patient, vec![if is_withdrawn { withdrawn(one) } else { one }])
            }
        ),
        2 => (id(), 0_i64..3, name, sex).prop_map(|(patient, seconds, name, sex)| {
            named(patient, demographics(seconds, name, sex))
        }),
        2 => (id(), id(), 0_i64..3).prop_map(|(prior, survivor, at)| merge(prior, survivor, at)),
        1 => (id(), id(), 0_i64..3).prop_map(|(p, s, at)| move_account("X", p, s, at)),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    proptest::collection::vec(said(), 1..14).prop_map(Script)
}

/// Messages with decisions and deliveries among them.
fn story() -> impl Strategy<Value = (Script, Vec<(JournalPosition, Fact)>)> {
    let others = proptest::collection::vec((0_u8..4, 0_u8..3, 1_u32..3), 0..8);
    (script(), others).prop_map(|(script, others)| {
        let mut facts: Vec<Fact> = script.facts().into_iter().map(|(_, fact)| fact).collect();
        for (kind, order, number) in others {
            let alert = transition("A", &format!("A{order}"), number);
            let (sink, alert_id) = ("log".to_owned(), alert.alert_id.0.clone());
            let place = usize::from(order) * facts.len() / 3;
            let fact = match kind {
                0 | 1 => decided(u64::try_from(place).unwrap(), vec![alert]),
                2 => Fact::Attempted {
                    sink,
                    alert_id,
                    at: at(1),
                },
                _ => Fact::Delivered {
                    sink,
                    alert_id,
                    at: at(2),
                },
            };
            facts.insert(place, fact);
        }
        let facts = facts.into_iter().zip(1..);
        (
            script,
            facts.map(|(fact, n)| (JournalPosition(n), fact)).collect(),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn folding_twice_is_folding_once((script, facts) in story()) {
        let state = script.fold(&facts);
        let once = views::dump(&state).unwrap();
        let effects = script.fold_onto(&state, &facts);
        prop_assert_eq!(effects, Effects::default());
        prop_assert_eq!(views::dump(&state).unwrap(), once);
    }

    /// fold(a ++ b) = fold(fold(a), b): a rebuild in one go equals what was folded live.
    #[test]
    fn a_list_may_be_split_anywhere((script, facts) in story(), cuts in proptest::collection::vec(0_usize..24, 0..4)) {
        let whole = script.fold(&facts);
        let parts = Plain::default();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(facts.len())).collect();
        cuts.extend([0, facts.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            script.fold_onto(&parts, &facts[pair[0]..pair[1]]);
        }
        prop_assert_eq!(views::dump(&whole).unwrap(), views::dump(&parts).unwrap());
        prop_assert_eq!(whole.position().unwrap(), parts.position().unwrap());
    }

    /// Law (a): in any order, and with any message twice, records and pools say the same.
    #[test]
    fn the_order_of_messages_does_not_matter(
        (script, order) in script().prop_flat_map(|script| {
            let twice: Vec<usize> = (0..script.0.len()).chain(0..script.0.len() / 2).collect();
            (Just(script), Just(twice).prop_shuffle())
        })
    ) {
        let told = script.fold(&script.facts());
        let shuffled = script.fold(&script.facts_in_order(&order));
        for patient in ["A", "B", "C"] {
            prop_assert_eq!(timeless(&told, patient), timeless(&shuffled, patient));
            prop_assert_eq!(pooled(&told, patient), pooled(&shuffled, patient));
        }
    }

    /// Every result counts for exactly one person.
    #[test]
    fn pools_share_nothing_and_lose_nothing(script in script()) {
        let state = script.fold(&script.facts());
        let mut survivors = std::collections::BTreeMap::new();
        let mut stored = 0;
        for patient in ["A", "B", "C"] {
            stored += timeless(&state, patient).observations.len();
            let (survivor, _, found) = pooled(&state, patient);
            survivors.insert(survivor, found.len());
        }
        prop_assert_eq!(survivors.values().sum::<usize>(), stored);
    }
}
