//! WIRE 4.8: identity events.

use super::*;
use crate::core::clinical::observation::Given;
use crate::core::extract::{IdentityKind, Understood};

fn adt(event: &str, body: &str) -> Extraction {
    let head = MSH.replace("ORU^R01^ORU_R01", &format!("ADT^{event}"));
    read(&(head + "EVN||20260301125000+0000\r" + body))
}

/// `prior -> survivor`, in order.
fn edges(extraction: &Extraction) -> Vec<String> {
    extraction
        .identity
        .iter()
        .map(|event| format!("{} -> {}", event.prior.exposed(), event.survivor.exposed()))
        .collect()
}

const MERGE: &str = "PID|1||9999^^^HOSP^MR||DOE^JANE||19800101|F\rMRG|1234^^^HOSP^MR\r";

#[test]
fn w73_merge() {
    for event in [
        "A18", "A30", "A34", "A36", "A39", "A40", "A43", "A46", "A47",
    ] {
        let read = adt(event, MERGE);
        assert_eq!(read.understood, Understood::Identity);
        assert_eq!(edges(&read), vec!["HOSP:1234 -> HOSP:9999"], "{event}");
        let merge = read.identity.first().expect("one");
        assert_eq!(merge.kind, IdentityKind::Merge);
        assert_eq!(merge.at, at("2026-03-01T12:50:00Z"));
        assert_eq!(merge.position, JournalPosition(7));
        assert_eq!(only_patient(&read).key.exposed(), "HOSP:9999");
        assert!(only_patient(&read).demographics.is_some());
        assert!(read.refusals.is_empty());
    }
}

#[test]
fn w74_event_times_evn_6_first() {
    let head = MSH.replace("ORU^R01^ORU_R01", "ADT^A40");
    let timed = |evn: &str| {
        let read = read(&(head.clone() + evn + MERGE));
        read.identity.first().expect("one").at
    };
    assert_eq!(
        timed("EVN||20260301125000||||20260301124000\r"),
        at("2026-03-01T12:40:00Z")
    );
    assert_eq!(timed("EVN||20260301125000\r"), at("2026-03-01T12:50:00Z"));
    assert_eq!(timed(""), at("2026-03-01T10:15:00Z"));
    assert_eq!(timed("EVN||20990101\r"), at("2026-03-01T13:00:00Z"));
}

#[test]
fn w75_self_merge() {
    let read = adt("A40", &MERGE.replace("9999", "1234"));
    assert!(read.identity.is_empty());
    assert_eq!(count(&read, "self_merge"), 1);
    assert!(read.refusals.is_empty());
}

#[test]
fn w76_link_and_unlink() {
    let two = format!("{PID}{}", PID.replace("1234", "9999"));
    for (event, linked) in [("A24", true), ("A37", false)] {
        let read = adt(event, &two);
        assert_eq!(edges(&read), vec!["HOSP:9999 -> HOSP:1234"]);
        assert_eq!(
            read.identity.first().expect("one").kind,
            IdentityKind::Link { linked }
        );
        assert_eq!(read.patients.len(), 2);
    }
}

#[test]
fn repeated_groups_each_merge() {
    let read = adt(
        "A40",
        &format!(
            "{MERGE}PID|2||8888^^^HOSP^MR\rPD1|1\rMRG|5678^^^HOSP^MR\rPV1|1\rMRG|5679^^^HOSP^MR\r"
        ),
    );
    assert_eq!(
        edges(&read),
        vec![
            "HOSP:1234 -> HOSP:9999",
            "HOSP:5678 -> HOSP:8888",
            "HOSP:5679 -> HOSP:8888"
        ]
    );
}

#[test]
fn i1_pairs_by_authority_and_type() {
    let pairs = |pid3: &str, mrg1: &str| {
        let read = adt("A40", &format!("PID|1||{pid3}\rMRG|{mrg1}\r"));
        assert_eq!(count(&read, "self_merge"), 0);
        edges(&read)
    };
    assert_eq!(
        pairs("9^^^A^MR~8^^^B^MR", "1^^^B^MR~2^^^A^MR"),
        vec!["B:1 -> B:8", "A:2 -> A:9"]
    );
    assert_eq!(
        pairs("9^^^A^MR~7^^^ENT^PI", "1^^^A^MR~7^^^ENT^PI"),
        vec!["A:1 -> A:9"],
        "what stays the same is no self merge"
    );
    assert_eq!(pairs("9^^^A^PI~8^^^A^MR", "1^^^A^MR"), vec!["A:1 -> A:8"]);
    assert_eq!(
        pairs("9^^^A^MR", "1^^^A"),
        vec!["A:1 -> A:9"],
        "one side names no type"
    );
    assert_eq!(
        pairs("9^^^A^MR", "1"),
        vec!["HOSP:1 -> A:9"],
        "no common authority"
    );
    assert_eq!(
        pairs("9^^^A^MR~123^^^US^SS", "1^^^B^MR~123^^^US^SS"),
        vec!["B:1 -> A:9"],
        "numbers that are never taken pair nothing"
    );
}

#[test]
fn a39_pairs_the_external_ids_as_well() {
    let body = "PID|1|E9|9^^^A^MR\rMRG|1^^^A^MR|||E1\r";
    assert_eq!(
        edges(&adt("A39", body)),
        vec!["A:1 -> A:9", "HOSP:E1 -> HOSP:E9"]
    );
    assert_eq!(edges(&adt("A40", body)), vec!["A:1 -> A:9"]);
}

#[test]
fn a44_a45_moves() {
    let body = "PID|1||9999^^^HOSP^MR\rMRG|1234^^^HOSP^MR||ACC7^^^HOSP||VIS3^^^HOSP\r";
    let account = adt("A44", body);
    assert_eq!(edges(&account), vec!["HOSP:1234 -> HOSP:9999"]);
    assert_eq!(
        account.identity.first().expect("one").kind,
        IdentityKind::MoveAccount("ACC7".to_owned().into())
    );
    assert_eq!(
        adt("A45", body).identity.first().expect("one").kind,
        IdentityKind::MoveVisit("VIS3".to_owned().into())
    );
    let without = adt("A44", MERGE);
    assert!(without.identity.is_empty());
    assert_eq!(count(&without, "move_unattributable"), 1);
}

#[test]
fn events_without_effect_on_results() {
    for event in ["A23", "A35", "A41", "A42", "A48", "A49", "A50", "A51"] {
        let read = adt(event, MERGE);
        assert!(
            read.identity.is_empty() && read.refusals.is_empty(),
            "{event}"
        );
        assert_eq!(read.understood, Understood::Identity);
    }
    for event in ["A11", "A13", "A27"] {
        let read = adt(event, PID);
        assert!(
            read.identity.is_empty() && read.refusals.is_empty(),
            "{event}"
        );
    }
}

#[test]
fn a29_deletes_the_person() {
    let read = adt("A29", PID);
    let report = only_patient(&read).demographics.as_ref().expect("given");
    assert_eq!(report.deleted, Given::Value(true));
    let update = adt("A31", PID);
    let report = only_patient(&update).demographics.as_ref().expect("given");
    assert_eq!(report.deleted, Given::Absent);
}

#[test]
fn what_is_missing_is_refused_in_its_place() {
    let no_mrg = adt("A40", PID);
    assert_eq!(
        refused(&no_mrg),
        (
            Reason::MissingSegment,
            "MRG[1] merge patient information".to_owned()
        )
    );
    let no_prior = adt("A40", &format!("{PID}MRG|\r"));
    assert_eq!(
        refused(&no_prior),
        (
            Reason::NoPatientId,
            "MRG[1]-1 prior patient identifier list".to_owned()
        )
    );
    let no_survivor = adt("A40", "PID|1\rMRG|1234^^^HOSP^MR\r");
    assert_eq!(
        refused(&no_survivor),
        (
            Reason::NoPatientId,
            "PID[1]-3 patient identifier list".to_owned()
        )
    );
    let no_pid = adt("A40", "MRG|1234^^^HOSP^MR\r");
    assert_eq!(refused(&no_pid).0, Reason::MissingSegment);
}

#[test]
fn i4_the_hash_is_of_the_content() {
    let hash = |body: &str| adt("A40", body).identity.first().expect("one").content_hash;
    assert_eq!(hash(MERGE), hash(&MERGE.replace("JANE", "JOAN")));
    assert_ne!(hash(MERGE), hash(&MERGE.replace("1234", "1235")));
}
