use super::*;
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use proptest::prelude::*;

fn key(id: &str) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(id.to_owned()),
    }
}

fn event(kind: IdentityKind, prior: &str, survivor: &str, at: i64) -> IdentityEvent {
    IdentityEvent {
        kind,
        prior: key(prior),
        survivor: key(survivor),
        at: Timestamp::from_micros(at),
        content_hash: [0; 8],
        position: JournalPosition(1),
    }
}

fn merge(prior: &str, survivor: &str, at: i64) -> IdentityEvent {
    event(IdentityKind::Merge, prior, survivor, at)
}

fn account(name: &str) -> IdentityKind {
    IdentityKind::MoveAccount(Phi::new(name.to_owned()))
}

fn keys(ids: &[&str]) -> BTreeSet<PatientKey> {
    ids.iter().map(|id| key(id)).collect()
}

#[test]
fn chains_resolve_to_their_end_in_any_order_of_time() {
    for (first, second) in [(1, 2), (2, 1)] {
        let aliases = Aliases::resolve(&[merge("A", "B", first), merge("B", "C", second)]);
        assert_eq!(aliases.survivor(&key("A")), &key("C"));
        assert_eq!(aliases.pool(&key("B")), keys(&["A", "B", "C"]));
        assert!(aliases.inactive().is_empty());
    }
}

#[test]
fn an_unknown_id_is_its_own_survivor() {
    let aliases = Aliases::resolve(&[]);
    assert_eq!(aliases.survivor(&key("A")), &key("A"));
    assert_eq!(aliases.pool(&key("A")), keys(&["A"]));
}

/// WIRE W74: 1234 into 9999 at 12:50, back at 12:51.
#[test]
fn of_a_cycle_the_earliest_merge_is_inactive() {
    let aliases = Aliases::resolve(&[merge("1234", "9999", 50), merge("9999", "1234", 51)]);
    assert_eq!(aliases.survivor(&key("9999")), &key("1234"));
    assert_eq!(aliases.pool(&key("1234")), keys(&["1234", "9999"]));
    assert_eq!(
        aliases.inactive(),
        [(merge("1234", "9999", 50), Inactive::Cycle)]
    );
}

#[test]
fn of_a_cycle_at_one_time_the_smaller_hash_is_inactive() {
    let (mut there, mut back) = (merge("A", "B", 5), merge("B", "A", 5));
    there.content_hash = [2; 8];
    back.content_hash = [1; 8];
    let aliases = Aliases::resolve(&[there, back]);
    assert_eq!(aliases.survivor(&key("A")), &key("B"));
}

#[test]
fn a_long_cycle_loses_only_its_earliest_merge() {
    let aliases = Aliases::resolve(&[merge("A", "B", 3), merge("B", "C", 1), merge("C", "A", 2)]);
    assert_eq!(aliases.pool(&key("C")), keys(&["A", "B", "C"]));
    assert_eq!(aliases.survivor(&key("C")), &key("B"));
}

#[test]
fn of_two_survivors_the_latest_stands() {
    let aliases = Aliases::resolve(&[merge("A", "C", 2), merge("A", "B", 1)]);
    assert_eq!(aliases.survivor(&key("A")), &key("C"));
    assert_eq!(aliases.pool(&key("B")), keys(&["B"]));
    assert_eq!(
        aliases.inactive(),
        [(merge("A", "B", 1), Inactive::Conflict)]
    );
}

#[test]
fn a_merge_said_again_counts_as_of_the_last_time() {
    let aliases = Aliases::resolve(&[merge("A", "B", 1), merge("B", "A", 2), merge("A", "B", 3)]);
    assert_eq!(aliases.survivor(&key("A")), &key("B"));
}

#[test]
fn links_moves_and_self_merges_pool_nobody() {
    let aliases = Aliases::resolve(&[
        event(IdentityKind::Link { linked: true }, "A", "B", 1),
        event(account("X"), "A", "B", 1),
        merge("A", "A", 1),
    ]);
    assert_eq!(aliases.pool(&key("A")), keys(&["A"]));
    assert!(aliases.inactive().is_empty());
}

#[test]
fn moves_take_only_their_account_or_visit() {
    let visit = IdentityKind::MoveVisit(Phi::new("V".to_owned()));
    let events = [event(account("X"), "A", "B", 1), event(visit, "A", "C", 1)];
    let moves = Moves::among(&events);
    assert_eq!(moves.attribute(&key("A"), "X", ""), key("B"));
    assert_eq!(moves.attribute(&key("A"), "", "V"), key("C"));
    assert_eq!(moves.attribute(&key("A"), "Y", "X"), key("A"));
    assert_eq!(moves.attribute(&key("A"), "", ""), key("A"));
    assert_eq!(moves.attribute(&key("Z"), "X", "V"), key("Z"));
}

#[test]
fn moves_follow_one_another_in_their_own_time() {
    let events = [
        event(account("X"), "B", "A", 3),
        event(account("X"), "A", "B", 1),
        event(account("X"), "B", "C", 2),
    ];
    assert_eq!(
        Moves::among(&events).attribute(&key("A"), "X", ""),
        key("C")
    );
    assert_eq!(
        Moves::among(&events[..2]).attribute(&key("A"), "X", ""),
        key("A")
    );
}

#[test]
fn an_empty_account_is_never_moved() {
    let events = [event(account(""), "A", "B", 1)];
    assert_eq!(Moves::among(&events).attribute(&key("A"), "", ""), key("A"));
}

/// Ten thousand ids merged one into the next, told backwards: no recursion, no quadratic walk.
#[test]
fn long_chains_are_resolved_in_linear_time() {
    let ids: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
    let events: Vec<_> = ids
        .windows(2)
        .zip(0..)
        .map(|(pair, at)| merge(&pair[0], &pair[1], 20_000 - at))
        .collect();
    let aliases = Aliases::resolve(&events);
    assert_eq!(aliases.survivor(&key("00000")), &key("09999"));
    assert_eq!(aliases.pool(&key("05000")).len(), 10_000);
}

fn events() -> impl Strategy<Value = Vec<IdentityEvent>> {
    let one = (0_u8..6, 0_u8..6, 0_i64..4, 0_u8..3).prop_map(|(prior, survivor, at, hash)| {
        let mut made = merge(&prior.to_string(), &survivor.to_string(), at);
        made.content_hash = [hash; 8];
        made
    });
    proptest::collection::vec(one, 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn order_repetition_and_position_do_not_matter(
        (told, shuffled) in events().prop_flat_map(|told| {
            let twice: Vec<_> = told.iter().chain(&told).cloned().collect();
            (Just(told), Just(twice).prop_shuffle())
        })
    ) {
        let mut moved = shuffled;
        for (event, position) in moved.iter_mut().zip(7..) {
            event.position = JournalPosition(position);
        }
        let (one, two) = (Aliases::resolve(&told), Aliases::resolve(&moved));
        prop_assert_eq!(one.survivors, two.survivors);
    }

    /// Every id has one survivor, which survives; pools do not overlap.
    #[test]
    fn pools_are_a_partition(told in events()) {
        let aliases = Aliases::resolve(&told);
        for n in 0..6_u8 {
            let this = key(&n.to_string());
            let survivor = aliases.survivor(&this);
            prop_assert_eq!(aliases.survivor(survivor), survivor);
            let pool = aliases.pool(&this);
            prop_assert!(pool.contains(&this));
            for member in &pool {
                prop_assert_eq!(aliases.survivor(member), survivor);
            }
        }
    }
}
