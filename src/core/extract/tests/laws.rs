//! Laws: reading is total, linear, and a function of the content alone.

use super::*;
use proptest::prelude::*;

#[test]
fn a_copy_under_another_control_id_is_the_same_version() {
    let copy = read(
        &m1()
            .replace("|42|P|", "|43|P|")
            .replace("LAB|HOSP|PENT", "LAB2|HOSP|PENT"),
    );
    same_results(&read(&m1()), &copy);
    let mut later = received(m1().as_bytes());
    later.received_at = at("2026-03-02T13:00:00Z");
    later.origin.listener = "other".to_owned();
    let again = extract(&later, JournalPosition(99), &Policy::built_in());
    assert_eq!(igm(&again).content_hash, igm(&copy).content_hash);
}

#[test]
fn the_hash_changes_with_value_status_time_and_note() {
    let base = igm(&read(&m1())).content_hash;
    for text in [
        m1().replace("0.21", "0.22"),
        m1().replace("0.4-2.3|L|||F", "0.4-2.3|L|||C"),
        m1().replace("20260301101000", "20260301101001"),
        m1().replace("20260301090000", "20260301090001"),
        m1().replace(IGM, &format!("{IGM}NTE|1|L|lipaemic\r")),
    ] {
        assert_ne!(igm(&read(&text)).content_hash, base, "{text}");
    }
}

/// 100,000 segments: the work is counted in what is kept, not timed.
#[test]
fn f63_a_hundred_thousand_segments() {
    let other = "OBX|1|NM|718-7^Hb^LN||12.1|g/dL|12-16|N|||F\r".repeat(100_000);
    let read_all = read(&(m1() + &other));
    assert_eq!(only_patient(&read_all).observations.len(), 3);
    let orders = format!("{OBR}{IGM}NTE|1|L|x\r").repeat(1_500);
    let many = read(&[MSH, PID, &orders].concat());
    assert_eq!(only_patient(&many).observations.len(), 1_500);
    let one_order = IGM.repeat(1_500);
    let repeated = read(&[MSH, PID, OBR, &one_order].concat());
    assert_eq!(only_patient(&repeated).observations.len(), 1_500);
    let patients = format!("{PID}{OBR}{IGM}").repeat(1_500);
    assert_eq!(read(&[MSH, &patients].concat()).patients.len(), 1_500);
    let refused = "OBX|1|NM|2472-9^IgM^LN||many|g/L||||||F\r".repeat(1_500);
    assert_eq!(
        read(&[MSH, PID, OBR, &refused].concat()).refusals.len(),
        1_500
    );
}

#[test]
fn one_segment_of_many_parts() {
    for separator in ["|", "^", "~", "&", "\\", "\\X\\"] {
        let long = separator.repeat(50_000);
        read(&m1_with(&format!("OBX|1|NM|2472-9^IgM^LN||{long}\r")));
        read(&m1_with(&format!("OBX|1|NM|2472-9^IgM^LN{long}\r")));
        read(&m1().replace("1234", &long));
    }
    let folded = "\rx".repeat(50_000);
    read(&(m1() + "NTE|1|L|" + &folded));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_read(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_bytes(&raw, &Policy::built_in());
    }

    #[test]
    fn any_bytes_after_a_header_are_read(
        raw in proptest::collection::vec(any::<u8>(), 0..300),
        event in prop_oneof!["ORU\\^R01", "OUL\\^R22", "ADT\\^A40", "ADT\\^A24", "ORM\\^O01"],
    ) {
        let mut all = MSH.replace("ORU^R01^ORU_R01", &event).into_bytes();
        all.extend_from_slice(&raw);
        read_bytes(&all, &Policy::built_in());
    }

    #[test]
    fn mutated_messages_are_read(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0u8..3), 1..12),
        charset in prop_oneof!["", "UTF-8", "8859/1", "GB 18030-2000", "ISO IR87", "BIG-5"],
    ) {
        let text = (m1() + "NTE|1|L|x\rSPM|1|S1||SER|||||||P||||||20260301\rDG1|1||C90.0^^I10\r")
            .replace("|P|2.5.1\r", &format!("|P|2.7||||||{charset}\r"));
        let mut raw = text.into_bytes();
        for (place, byte, kind) in edits {
            let place = place.index(raw.len().max(1));
            match kind {
                0 => raw[place] = byte,
                1 => raw.insert(place, byte),
                _ => {
                    raw.remove(place);
                }
            }
        }
        let read = read_bytes(&raw, &Policy::built_in());
        for part in &read.patients {
            prop_assert!(!part.key.id.expose().is_empty());
        }
    }

    #[test]
    fn structure_in_any_order_is_read(
        lines in proptest::collection::vec(0usize..12, 0..30),
        event in prop_oneof!["ORU\\^R01", "OUL\\^R22", "OUL\\^R24", "ADT\\^A40", "ADT\\^A44", "ORM\\^O01"],
    ) {
        let all = [
            PID, ORC, OBR, IGM, IGG, "SPM|1|||SER\r", "NTE|1|L|x\r", "ORC|CA|P1|F1\r",
            "MRG|1^^^HOSP^MR||A1||V1\r", "DG1|1||D80.4^^I10\r", "ZZZ|1\r", "OBX|9|NM|718-7^Hb^LN||1\r",
        ];
        let body: String = lines.iter().map(|line| all[*line]).collect();
        let read = read(&(MSH.replace("ORU^R01^ORU_R01", &event) + &body));
        let results: usize = read.patients.iter().map(|p| p.observations.len()).sum();
        let sent = lines.iter().filter(|line| matches!(**line, 3 | 4)).count();
        prop_assert!(results <= sent);
    }
}
