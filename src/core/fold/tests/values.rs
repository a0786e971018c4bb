//! Stored values: what does not decode is an error, never a guess.

use super::*;
use crate::core::fold::codec;

fn why(found: Result<impl std::fmt::Debug, StateError>) -> String {
    found.expect_err("damaged").to_string()
}

#[test]
fn a_value_comes_back_as_it_was() {
    let bytes = codec::encode("t", &("text".to_owned(), 7_u64)).expect("encoded");
    let back: (String, u64) = codec::decode("t", &bytes).expect("decoded");
    assert_eq!(back, ("text".to_owned(), 7));
}

#[test]
fn another_version_a_wrong_checksum_and_a_short_value_are_errors() {
    let bytes = codec::encode("t", &7_u64).expect("encoded");
    let mut other = bytes.clone();
    other[0] += 1;
    assert!(why(codec::decode::<u64>("t", &other)).contains("another version"));
    for at in 1..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        let said = why(codec::decode::<u64>("t", &wrong));
        assert!(said.contains("`t`") && said.contains("checksum"), "{said}");
    }
    assert!(why(codec::decode::<u64>("t", &[])).contains("empty"));
    for length in 1..bytes.len() {
        let said = why(codec::decode::<u64>("t", &bytes[..length]));
        assert!(said.contains("too short") || said.contains("checksum"), "{said}");
    }
}

#[test]
fn a_whole_value_of_another_type_is_an_error() {
    let bytes = codec::encode("t", &7_u64).expect("encoded");
    assert!(codec::decode::<(String, String)>("t", &bytes).is_err());
}

#[test]
fn verify_sees_one_damaged_value_among_many_and_the_fold_stops_at_it() {
    let mut bench = Bench::default();
    for n in 1..=3 {
        bench.message(&panel(&n.to_string(), &format!("F{n}"), 1, "0.21", "F"));
    }
    let all = dump(&bench.state).len();
    assert_eq!(views::verify(&bench.state).expect("whole"), all);
    let place = keys::patient(&key("2"));
    let mut value = bench.state.get(&place).expect("readable").expect("there");
    let last = value.last_mut().expect("not empty");
    *last ^= 1;
    let batch = Batch {
        changes: [(place, Some(value))].into(),
    };
    let at = bench.state.position().expect("readable");
    bench.state.commit(batch, at).expect("committed");
    assert!(views::verify(&bench.state).is_err());
    assert!(decide(&bench.state, &POLICY).is_err());
    let fact = (JournalPosition(4), received(&panel("2", "F7", 1, "0.9", "F"), 1));
    let folded = apply(&[fact], &bench.state, &POLICY, &|r, p, policy| extract(r, p, policy));
    assert!(folded.is_err());
}

#[test]
fn verify_counts_beyond_one_page() {
    let state = Table::default();
    let value = codec::encode("t", &1_u64).expect("encoded");
    let changes = (0..2_500_u32).map(|n| (n.to_be_bytes().to_vec(), Some(value.clone())));
    let batch = Batch {
        changes: changes.collect(),
    };
    state.commit(batch, JournalPosition(1)).expect("committed");
    assert_eq!(views::verify(&state).expect("whole"), 2_500);
}

#[test]
fn the_policy_is_noted_beside_the_state_and_no_part_of_its_dump() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.9", "F"));
    let before = dump(&bench.state);
    assert_eq!(views::policy(&bench.state).expect("readable"), None);
    views::note_policy(&bench.state, "abc").expect("noted");
    assert_eq!(views::policy(&bench.state).expect("readable").as_deref(), Some("abc"));
    assert_eq!(dump(&bench.state), before);
    assert_eq!(bench.state.position().expect("readable"), JournalPosition(1));
}

#[test]
fn no_two_patients_share_a_key() {
    let authority = |authority: &str, id: &str| PatientKey {
        authority: authority.to_owned(),
        id: Phi::new(id.to_owned()),
    };
    assert_ne!(keys::patient(&authority("A", "BC")), keys::patient(&authority("AB", "C")));
}
