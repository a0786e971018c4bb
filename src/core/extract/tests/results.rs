//! WIRE 4.4 and 4.7: single results.

use super::*;
use crate::core::clinical::Unit;
use crate::core::clinical::observation::{Flag, Specimen, StatusClass};

fn obx(fields: &str) -> Extraction {
    read(&m1_with(&format!("OBX|1|{fields}\r")))
}

#[test]
fn field_3_conflict_and_mismatch() {
    let conflict = obx("NM|2472-9^IgM^LN^2465-3^IgG^LN||0.21|g/L|0.4-2.3|L|||F");
    assert_eq!(
        refused(&conflict),
        (
            Reason::CodeConflict,
            "OBX[1]-3 observation identifier".to_owned()
        )
    );
    assert_eq!(only_patient(&conflict).observations.len(), 2);
    let mismatch = obx("NM|2472-9^IgA^LN||0.21|g/L|0.4-2.3|L|||F");
    assert_eq!(refused(&mismatch).0, Reason::CodeTextMismatch);
    assert_eq!(
        *igm(&mismatch).value.expose(),
        ReportedValue::Unreadable(Reason::CodeTextMismatch)
    );
}

#[test]
fn field_3_loinc_without_system_is_counted() {
    let guessed = obx("NM|2472-9^IgM||0.21|g/L|0.4-2.3|L|||F");
    assert_eq!(count(&guessed, "ln_guess"), 1);
    assert_eq!(value(igm(&guessed)), "0.21");
}

#[test]
fn field_3_a_code_behind_an_escape_is_seen() {
    for escape in ["\\", "!"] {
        let text = m1_with(&format!(
            "OBX|1|NM|24{escape}X3732{escape}-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r"
        ));
        let read = read(&text.replace("^~\\&", &format!("^~{escape}&")));
        assert_eq!(value(igm(&read)), "0.21", "{escape}");
    }
}

#[test]
fn field_3_a_code_that_is_not_mapped_is_told_of() {
    let unknown = obx("NM|IMMM^Immunoglobulin M^L||0.21|g/L|0.4-2.3|L|||F");
    assert_eq!(
        refused(&unknown),
        (
            Reason::UnknownCode,
            "OBX[1]-3 observation identifier".to_owned()
        )
    );
    let igm = |read: &Extraction| {
        (only_patient(read).observations.iter()).any(|one| one.id.analyte == Analyte::IgM)
    };
    assert!(!igm(&unknown), "nothing is taken from it");
    for quiet in [
        "NM|IMMM^Immunoglobulin M^L||12|U/mL|0-9|H|||F",
        "ST|IMMM^Immunoglobulin M^L||NEGATIVE|g/L||||F",
        "NM|IMMM^Immunoglobulin M^L|||g/L||||F",
        "NM|IMMM^Immunoglobulin M^L||0.21|||||F",
    ] {
        assert!(obx(quiet).refusals.is_empty(), "{quiet}");
    }
    let urine = m1_with("OBX|1|NM|IMMM^IgM^L||0.21|g/L||||F\rSPM|1|||UR\r");
    assert!(read(&urine).refusals.is_empty());
}

#[test]
fn field_3_a_mnemonic_needs_a_mass_unit() {
    let ours = |fields: &str| {
        let read = obx(fields);
        assert!(read.refusals.is_empty(), "{fields}: {:?}", read.refusals);
        only_patient(&read)
            .observations
            .iter()
            .any(|o| o.id.analyte == Analyte::IgM)
    };
    assert!(ours("NM|IGM^IgM^L||0.21|g/L|0.4-2.3|L|||F"));
    assert!(!ours("NM|IGM^IgM^L||12|U/mL|0-9|H|||F"));
    assert!(!ours("ST|IGM^IgM^L||NEGATIVE||||||F"));
    assert!(ours("NM|IGM^IgM^L||||||||D"), "a withdrawal needs no unit");
    assert!(
        ours("ST|IGM^IgM^L||QNS||||||C"),
        "nor does the loss of a value"
    );
}

#[test]
fn x27_documents_are_skipped() {
    let long = "x".repeat(5000);
    for fields in [
        "ED|2472-9^IgM^LN||^AP^PDF^Base64^SWdN||||||F".to_owned(),
        "RP|2472-9^IgM^LN||http://x||||||F".to_owned(),
        "CF|2472-9^IgM^LN||A^B||||||F".to_owned(),
        format!("TX|2472-9^IgM^LN||{long}||||||F"),
    ] {
        let read = obx(&fields);
        assert!(read.refusals.is_empty());
        assert_eq!(only_patient(&read).observations.len(), 2);
    }
}

#[test]
fn field_6_units() {
    let none = obx("NM|2472-9^IgM^LN||0.21||||||F");
    assert_eq!(
        refused(&none),
        (Reason::NoUnit, "OBX[1]-6 units".to_owned())
    );
    let unknown = obx("NM|2472-9^IgM^LN||21|IU/mL||||||F");
    assert_eq!(
        refused(&unknown),
        (Reason::UnknownUnit, "OBX[1]-6 units".to_owned())
    );
    for served in [
        "NM|2472-9^IgM^LN||0.21||0.4-2.3||||F",
        "NM|2472-9^IgM^LN||0.21|||L|||F",
        "NM|2472-9^IgM^LN||21|IU/mL|40-230||||F",
        "NM|2472-9^IgM^LN||21|IU/mL||L|||F",
    ] {
        assert!(obx(served).refusals.is_empty(), "{served}");
    }
    let differs = obx("ST|2472-9^IgM^LN||21 mg/dL|g/L|0.4-2.3|L|||F");
    assert_eq!(refused(&differs).0, Reason::UnknownUnit);
    let agrees = obx("ST|2472-9^IgM^LN||0.21 g/L|g/L|0.4-2.3|L|||F");
    assert_eq!(value(igm(&agrees)), "0.21");
    assert_eq!(igm(&agrees).shown.reported.expose(), "0.21 g/L");
}

#[test]
fn v8_implausible() {
    for fields in [
        "NM|2472-9^IgM^LN||-0.21|g/L|0.4-2.3|L|||F",
        "NM|2472-9^IgM^LN||2000000|g/L|0.4-2.3|H|||F",
    ] {
        assert_eq!(refused(&obx(fields)).0, Reason::Implausible, "{fields}");
    }
}

#[test]
fn field_8_flags() {
    for (flags, want) in [
        ("L", Some(Flag::Low)),
        ("LL", Some(Flag::VeryLow)),
        ("<", Some(Flag::Low)),
        ("H", Some(Flag::High)),
        ("HH", Some(Flag::VeryHigh)),
        (">", Some(Flag::High)),
        ("N", Some(Flag::Normal)),
        ("L~A", Some(Flag::Low)),
        ("A~L", Some(Flag::Low)),
        ("^L", Some(Flag::Low)),
        ("LOW", Some(Flag::Low)),
        ("l", Some(Flag::Low)),
        ("L^Below low normal^HL70078", Some(Flag::Low)),
        ("A", None),
        ("*", None),
        ("\"\"", None),
        ("", None),
    ] {
        let read = obx(&format!("NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|{flags}|||F"));
        assert_eq!(igm(&read).flag, want, "{flags}");
    }
    let below = obx("NM|2472-9^IgM^LN|||g/L|0.4-2.3|<|||F");
    assert_eq!(*igm(&below).value.expose(), ReportedValue::BelowScale);
}

#[test]
fn field_11_letters() {
    for (letter, class) in [
        ("F", StatusClass::Final),
        ("C", StatusClass::Final),
        ("A", StatusClass::Final),
        ("B", StatusClass::Final),
        ("V", StatusClass::Final),
        ("U", StatusClass::Promotion),
        ("P", StatusClass::Preliminary),
        ("S", StatusClass::Preliminary),
        ("R", StatusClass::Preliminary),
        ("I", StatusClass::NoResult),
        ("O", StatusClass::NoResult),
        ("N", StatusClass::NoResult),
        ("X", StatusClass::Withdrawal),
        ("D", StatusClass::Withdrawal),
        ("W", StatusClass::Withdrawal),
        ("Z", StatusClass::Preliminary),
        ("unknown", StatusClass::Preliminary),
        ("f", StatusClass::Final),
        ("C^Results cannot be obtained^HL70085", StatusClass::Final),
    ] {
        let read = obx(&format!("NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||{letter}"));
        assert_eq!(igm(&read).status.class, class, "{letter}");
        assert!(!igm(&read).status.assumed);
        assert_eq!(count(&read, "no_status"), 0);
    }
}

#[test]
fn x22_status_by_the_order() {
    let with = |obr25: &str, policy: &Policy| {
        let text = m1_with("OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L\r")
            .replace("+0000|||F\r", &format!("+0000|||{obr25}\r"));
        read_bytes(text.as_bytes(), policy)
    };
    let policy = Policy::built_in();
    for (obr25, class, assumed) in [
        ("P", StatusClass::Preliminary, false),
        ("R", StatusClass::Preliminary, false),
        ("A", StatusClass::Preliminary, false),
        ("C", StatusClass::Final, false),
        ("F", StatusClass::Final, false),
        ("f", StatusClass::Final, false),
        ("F^Final results^HL70123", StatusClass::Final, false),
        ("X", StatusClass::Withdrawal, false),
        ("O", StatusClass::NoResult, false),
        ("S", StatusClass::NoResult, false),
        ("I", StatusClass::NoResult, false),
        ("Y", StatusClass::Final, true),
        ("HM", StatusClass::Final, true),
        ("", StatusClass::Final, true),
    ] {
        let read = with(obr25, &policy);
        let status = &igm(&read).status;
        assert_eq!((status.class, status.assumed), (class, assumed), "{obr25}");
        assert_eq!(count(&read, "no_status"), u64::from(assumed), "{obr25}");
    }
    let mut doubting = Policy::built_in();
    doubting.detection.assume_final = false;
    let read = with("", &doubting);
    assert_eq!(igm(&read).status.class, StatusClass::Preliminary);
    assert_eq!(count(&read, "no_status"), 0);
}

#[test]
fn s6_the_action_code_of_2_8() {
    let line = format!(
        "OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F{}D\r",
        "|".repeat(20)
    );
    let new = read(&m1_with(&line).replace("|2.5.1", "|2.8"));
    assert_eq!(igm(&new).status.class, StatusClass::Withdrawal);
    let old = read(&m1_with(&line));
    assert_eq!(igm(&old).status.class, StatusClass::Final);
}

#[test]
fn withdrawals_and_promotions_are_never_refused() {
    for letter in ["X", "D", "W", "U", "I"] {
        let read = obx(&format!("ST|2472-9^IgM^LN||!!Storno||||||{letter}"));
        assert!(read.refusals.is_empty(), "{letter}");
        assert_eq!(
            *igm(&read).value.expose(),
            ReportedValue::Absent,
            "{letter}"
        );
    }
}

#[test]
fn x23_specimens() {
    let with = |spm: &str| read(&(m1() + spm));
    let serum = with("SPM|1|S77||SER^Serum^HL70487|||||||||||||20260301083000+0000\r");
    assert_eq!(igm(&serum).shown.specimen, "SER");
    assert_eq!(igm(&serum).shown.specimen_id.expose(), "S77");
    assert_eq!(
        igm(&serum).observed.as_ref().expect("a time").at,
        at("2026-03-01T08:30:00Z"),
        "SPM-17 outranks OBR-7"
    );
    let cord = with("SPM|1|||BLDCO\r");
    assert_eq!(igm(&cord).id.specimen, Specimen::Cord);
    let local = with("SPM|1|||TUBE4\r");
    assert_eq!(igm(&local).id.specimen, Specimen::Serum, "LOINC says serum");
    let by_obr = |source: &str| {
        let obr = format!("OBR|1|P1|F1|IG|||20260301090000+0000||||||||{source}\r");
        read(&m1().replace(OBR, &obr))
    };
    assert!(only_patient(&by_obr("CSF&Liquor")).observations.is_empty());
    assert_eq!(igm(&by_obr("PLAS")).shown.specimen, "PLAS");
    assert_eq!(igm(&by_obr("")).shown.specimen, "SER");
}

#[test]
fn x23_x4_a_specimen_that_cannot_be_told() {
    let two = read(&(m1() + "SPM|1|||SER\rSPM|2|||CSF\r"));
    let reasons: Vec<_> = two.refusals.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, vec![Reason::SpecimenAmbiguous; 3]);
    assert_eq!(count(&two, "quarantined_results"), 3);
    assert_eq!(
        two.refusals.first().map(|r| r.place.to_string()),
        Some("SPM[1]-4 specimen type".to_owned())
    );
    assert_eq!(
        *igm(&two).value.expose(),
        ReportedValue::Unreadable(Reason::SpecimenAmbiguous)
    );
    let agree = read(&(m1() + "SPM|1|||SER\rSPM|2|||PLAS\r"));
    assert_eq!(value(igm(&agree)), "0.21");
    let named = m1().replace(OBR, "OBR|1|P1|F1|IG|||20260301090000+0000||||||||SER\r");
    let named = read(&(named + "SPM|1|||CSF\rSPM|2|||SER\r"));
    assert_eq!(value(igm(&named)), "0.21");
    let mnemonic =
        read(&(m1_with("OBX|1|NM|IGM^IgM^L||0.21|g/L|0.4-2.3|L|||F\r") + "SPM|1|||TUBE4\r"));
    assert!(
        mnemonic.refusals.len() <= 1,
        "a local code may or may not imply serum"
    );
}

#[test]
fn c4_c7_damage_in_fields_that_decide() {
    let cut = |line: &str| {
        read(
            &m1_with(line)
                .replace("MSH|^~\\&|", "MSH|^~\\&#|")
                .replace("|2.5.1", "|2.7"),
        )
    };
    for (line, place) in [
        (
            "OBX|1|NM|2472-9^Ig#^LN||0.21|g/L|0.4-2.3|L|||F\r",
            "OBX[1]-3 observation identifier",
        ),
        (
            "OBX|1|NM|2472-9^IgM^LN||0.2#|g/L|0.4-2.3|L|||F\r",
            "OBX[1]-5 observation value",
        ),
        (
            "OBX|1|NM|2472-9^IgM^LN||0.21|g#|0.4-2.3|L|||F\r",
            "OBX[1]-6 units",
        ),
        (
            "OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-#|L|||F\r",
            "OBX[1]-7 references range",
        ),
    ] {
        let read = cut(line);
        assert_eq!(refused(&read), (Reason::TruncatedValue, place.to_owned()));
        assert_eq!(
            *igm(&read).value.expose(),
            ReportedValue::Unreadable(Reason::TruncatedValue)
        );
    }
    let damaged = |line: &str| {
        let text = m1_with(line).replace("|P|2.5.1\r", "|P|2.5.1||||||UTF-8\r");
        let raw: Vec<u8> = text
            .bytes()
            .map(|b| if b == b'?' { 0xFF } else { b })
            .collect();
        read_bytes(&raw, &Policy::built_in())
    };
    let read = damaged("OBX|1|NM|2472-9^IgM^LN||0?21|g/L|0.4-2.3|L|||F\r");
    assert_eq!(refused(&read).0, Reason::CharsetDamage);
    let elsewhere = damaged("OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F||||||?\r");
    assert!(elsewhere.refusals.is_empty());
}

#[test]
fn one_order_one_analyte_twice() {
    let twice = |second: &str| read(&m1_with(&format!("{IGM}{second}\r")));
    let analyzer = twice("OBX|2|CE|2472-9^IgM^LN||^^99ROC|||N|||F");
    assert_eq!(value(igm(&analyzer)), "0.21", "the empty copy is dropped");
    assert!(analyzer.refusals.is_empty());
    let same = twice("OBX|2|NM|2472-9^IgM^LN||21|mg/dL|40-230|L|||F");
    assert!(same.refusals.is_empty(), "0.21 g/L is 21 mg/dL");
    let differ = twice("OBX|2|NM|2472-9^IgM^LN||0.5|g/L|0.4-2.3|N|||F");
    assert_eq!(refused(&differ).0, Reason::RepeatedValue);
    assert!(
        only_patient(&differ)
            .observations
            .iter()
            .filter(|o| o.id.analyte == Analyte::IgM)
            .all(|o| *o.value.expose() == ReportedValue::Unreadable(Reason::RepeatedValue))
    );
    let corrected = twice("OBX|2|NM|2472-9^IgM^LN||0.5|g/L|0.4-2.3|N|||P");
    assert!(
        corrected.refusals.is_empty(),
        "another class is another version"
    );
    let numbered = read(&m1_with(
        "OBX|1|NM|2472-9^IgM^LN|1|0.21|g/L|0.4-2.3|L|||F\r\
         OBX|2|NM|2472-9^IgM^LN|2|0.5|g/L|0.4-2.3|N|||F\r",
    ));
    let sub_ids: Vec<_> = only_patient(&numbered)
        .observations
        .iter()
        .map(|o| o.id.sub_id.clone())
        .collect();
    assert_eq!(
        sub_ids,
        vec![Some("1".to_owned()), Some("2".to_owned()), None, None]
    );
    let alone = read(&m1_with(
        "OBX|1|NM|2472-9^IgM^LN|1|0.21|g/L|0.4-2.3|L|||F\r",
    ));
    assert_eq!(igm(&alone).id.sub_id, None);
}

#[test]
fn the_evidence_is_kept_as_sent() {
    let line = "OBX|1|NM|2472-9^IgM^LN||21|mg/dL^^UCUM|40-230|L|||F|||20260301080000+0000|LAB1^Main\
        ||NEPH^Nephelometry^L|BN2^^X|20260301100000+0000||||CENTRAL^L\rNTE|1|L|first~second\rNTE|2|L|third\r";
    let text = m1_with(line).replace(
        PID,
        &format!(
            "{}||||||||||A77^^^HOSP\rPV1|1||||||||||||||||||V88\r",
            PID.trim_end()
        ),
    );
    let read = read(&text);
    let igm = igm(&read);
    assert_eq!(igm.shown.reported.expose(), "21 mg/dL");
    assert_eq!(igm.shown.range, "40-230");
    assert_eq!(igm.shown.flag, "L");
    assert_eq!(igm.shown.laboratory, "CENTRAL");
    assert_eq!(igm.shown.method, "Nephelometry / NEPH / BN2");
    assert_eq!(igm.shown.account.expose(), "A77");
    assert_eq!(igm.shown.visit.expose(), "V88");
    assert_eq!(*igm.shown.notes.expose(), vec!["first\nsecond", "third"]);
    assert_eq!(igm.unit, Unit::MilligramPerDecilitre);
    assert_eq!(
        igm.observed.as_ref().expect("a time").at,
        at("2026-03-01T08:00:00Z")
    );
    assert_eq!(
        igm.version_at,
        at("2026-03-01T10:10:00Z"),
        "OBR-22 before OBX-19"
    );
}

/// `!!Storno` as D, then the value that stands, in one message (CLINICAL 6.8, example 37).
#[test]
fn a_value_after_its_cancelled_line_stands() {
    const D: &str = "OBX|1|ST|2472-9^IgM^LN||!!Storno|g/L|||||D\r";
    const F: &str = "OBX|2|NM|2472-9^IgM^LN||0.35|g/L|0.4-2.3|L|||F\r";
    let versions = |lines: &str| -> Vec<(StatusClass, Timestamp)> {
        only_patient(&read(&m1_with(lines)))
            .observations
            .iter()
            .filter(|o| o.id.analyte == Analyte::IgM)
            .map(|o| (o.status.class, o.version_at))
            .collect()
    };
    let sent = at("2026-03-01T10:10:00Z");
    let before = Timestamp::from_micros(sent.as_micros() - 1);
    let (gone, made) = (StatusClass::Withdrawal, StatusClass::Final);
    assert_eq!(versions(&[D, F].concat()), [(gone, before), (made, sent)]);
    assert_eq!(
        versions(&[D, D, F].concat()),
        [(gone, before), (gone, before), (made, sent)]
    );
    // With OBX-4, of the value only or of both.
    let second = F.replace("^LN||0.35", "^LN|2|0.35");
    assert_eq!(
        versions(&[D, &second].concat()),
        [(gone, before), (made, sent)]
    );
    let first = D.replace("^LN||", "^LN|1|");
    assert_eq!(
        versions(&[&*first, &second].concat()),
        [(gone, sent), (made, sent)]
    );
    // The value came first, or another analyte's follows, or one that is not final: S-1 as it is.
    assert_eq!(versions(&[F, D].concat()), [(made, sent), (gone, sent)]);
    assert_eq!(versions(D), [(gone, sent)]);
    let preliminary = F.replace("|||F", "|||P");
    assert_eq!(
        versions(&[D, &preliminary].concat()),
        [(gone, sent), (StatusClass::Preliminary, sent)]
    );
    // A withdrawal that was made later, by its own time, stays later.
    let late = D.replace("|D\r", "|D||||||||20260301103000+0000\r");
    let text = m1_with(&[&*late, F].concat()).replace("20260301101000+0000", "");
    let read = read(&text);
    let times: Vec<_> = only_patient(&read)
        .observations
        .iter()
        .map(|o| o.version_at)
        .take(2)
        .collect();
    assert_eq!(
        times,
        [at("2026-03-01T10:30:00Z"), at("2026-03-01T10:15:00Z")]
    );
}
