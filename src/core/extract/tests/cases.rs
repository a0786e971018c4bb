//! Cases of WIRE 8, by number, as far as extraction decides them.

use super::*;
use crate::core::clinical::Unit;
use crate::core::clinical::observation::{
    Given, OrderNumber, ReportedRange, Sex, Specimen, StatusClass, TimeSource,
};
use crate::core::extract::Understood;

fn name(extraction: &Extraction) -> String {
    let part = only_patient(extraction);
    match part.demographics.as_ref().map(|d| &d.name) {
        Some(Given::Value(name)) => name.expose().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn w01_the_base_message() {
    let m1 = read(&m1());
    assert_eq!(m1.understood, Understood::Results);
    assert_eq!(m1.message_type, "ORU^R01");
    assert_eq!(m1.control_id, "42");
    assert_eq!(m1.feed, "LAB/HOSP");
    assert_eq!(m1.sent_at, Some(at("2026-03-01T10:15:00Z")));
    assert!(m1.refusals.is_empty() && m1.counts.is_empty(), "{m1:?}");
    let part = only_patient(&m1);
    assert_eq!(part.key.exposed(), "HOSP:1234");
    assert_eq!(part.observations.len(), 3);
    let igm = igm(&m1);
    assert_eq!(value(igm), "0.21");
    assert_eq!(igm.unit, Unit::GramPerLitre);
    assert_eq!(igm.id.order, OrderNumber::Filler("F1".to_owned().into()));
    assert_eq!(igm.id.specimen, Specimen::Serum);
    assert_eq!(igm.id.sub_id, None);
    assert_eq!(igm.status.class, StatusClass::Final);
    assert_eq!(igm.version_at, at("2026-03-01T10:10:00Z"));
    let observed = igm.observed.as_ref().expect("a time");
    assert_eq!(observed.at, at("2026-03-01T09:00:00Z"));
    assert_eq!(observed.source, TimeSource::Obr7);
    assert_eq!(observed.text, "20260301090000+0000");
    assert_eq!(igm.shown.reported.expose(), "0.21 g/L");
    assert_eq!(igm.shown.code, "2472-9");
    assert_eq!(igm.shown.specimen, "SER");
    assert_eq!(igm.position, JournalPosition(7));
    let demographics = part.demographics.as_ref().expect("given");
    assert_eq!(demographics.sex, Given::Value(Sex::Female.into()));
    assert_eq!(name(&m1), "DOE, JANE");
}

#[test]
fn w12_w13_w17_w46_w47_say_the_same_as_w01() {
    let base = read(&m1());
    let lf = m1().replace('\r', "\n");
    for text in [
        lf.trim_end().to_owned(),
        m1().replace('\r', "\r\n"),
        format!("\u{FEFF}{}", m1()),
        m1().replace('^', "$"),
        m1().replace('|', "#"),
    ] {
        let other = read(&text);
        assert!(
            other.counts.is_empty() && other.refusals.is_empty(),
            "{text}"
        );
        same_results(&base, &other);
    }
}

#[test]
fn w14_a_bare_cr_in_a_note() {
    let read = read(&(m1() + "NTE|1|L|line one\rline two\r"));
    assert_eq!(count(&read, "bare_cr_in_text"), 1);
    let part = only_patient(&read);
    let iga = part.observations.last().expect("IgA");
    assert_eq!(*iga.shown.notes.expose(), vec!["line one\nline two"]);
}

#[test]
fn w18_nul_in_a_field() {
    let read = read(&m1().replace("JANE", "JA\0NE"));
    assert_eq!(count(&read, "nul_in_body"), 1);
    assert_eq!(name(&read), "DOE, JANE");
}

#[test]
fn w43_w44_training_and_no_control_id() {
    let training = read(&m1().replace("|42|P|", "|42|T|"));
    assert_eq!(training.understood, Understood::NotProduction);
    assert!(training.patients.is_empty() && training.refusals.is_empty());
    let unnamed = read(&m1().replace("|42|P|", "||P|"));
    assert_eq!(unnamed.control_id, "");
    same_results(&read(&m1()), &unnamed);
    let other = read(&m1().replace("|42|P|", "|42||"));
    assert_eq!(other.understood, Understood::Results);
}

#[test]
fn w43_a_test_listener_reads_test_messages() {
    let mut policy = Policy::built_in();
    policy.listeners.insert(
        "lab".to_owned(),
        crate::core::policy::ListenerReading {
            processing: "T".to_owned(),
            ..Default::default()
        },
    );
    let training = read_bytes(m1().replace("|42|P|", "|42|T|").as_bytes(), &policy);
    assert_eq!(training.understood, Understood::Results);
    let production = read_bytes(m1().as_bytes(), &policy);
    assert_eq!(production.understood, Understood::NotProduction);
}

#[test]
fn w53_w54_w55_character_sets() {
    let policy = Policy::built_in();
    let declare = |set: &str| m1().replace("|P|2.5.1\r", &format!("|P|2.5.1||||||{set}\r"));
    let replace = |text: String, from: &str, to: &[u8]| {
        let (before, after) = text.split_once(from).expect("there");
        [before.as_bytes(), to, after.as_bytes()].concat()
    };
    let latin = replace(declare("8859/1"), "JANE", b"JOS\xE9E");
    assert_eq!(name(&read_bytes(&latin, &policy)), "DOE, JOSéE");
    let undeclared = replace(m1(), "JANE", "JOSé".as_bytes());
    assert_eq!(name(&read_bytes(&undeclared, &policy)), "DOE, JOSé");
    let chinese = read_bytes(&replace(declare("GB 18030-2000"), "DOE", b"\x81|"), &policy);
    let part = only_patient(&chinese);
    let birth = &part.demographics.as_ref().expect("given").birth;
    assert!(
        matches!(birth, Given::Value(date) if date.expose().earliest == jiff::civil::date(1980, 1, 1)),
        "{birth:?}"
    );
    let wide = read(&declare("UNICODE UTF-16"));
    assert_eq!(
        refused(&wide),
        (Reason::CharsetUtf16, "MSH[1]-18 character set".to_owned())
    );
    assert_eq!(wide.control_id, "42");
}

#[test]
fn w56_escapes_in_a_note() {
    let note = r"NTE|1|L|a\F\b\S\c\T\d\R\e\E\f\.br\g\X0D\h\H\i\N\j\Zxx\k\X000d\l";
    let read = read(&(m1() + note + "\r"));
    assert!(read.counts.is_empty(), "{:?}", read.counts);
    let part = only_patient(&read);
    let iga = part.observations.last().expect("IgA");
    assert_eq!(*iga.shown.notes.expose(), vec!["a|b^c&d~e\\f\ng\nhijk\nl"]);
}

#[test]
fn w57_empty_obx_2() {
    let read = read(&m1_with("OBX|1||2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r"));
    assert_eq!(count(&read, "obx2_guess"), 1);
    assert_eq!(value(igm(&read)), "0.21");
}

#[test]
fn obx2_guess_is_only_for_our_analytes() {
    let read = read(&(m1() + "OBX|4||718-7^Hb^LN||12.1|g/dL||||||F\r"));
    assert_eq!(count(&read, "obx2_guess"), 0);
}

#[test]
fn w58_w59_sn_less_than() {
    let read = read(&m1_with("OBX|1|SN|2472-9^IgM^LN||<^0.2|g/L|0.4-2.3||||F\r"));
    assert_eq!(value(igm(&read)), "<0.2");
    assert_eq!(igm(&read).shown.reported.expose(), "<0.2 g/L");
}

#[test]
fn w60_st_with_unit_and_flag() {
    use crate::core::clinical::observation::Flag;
    let read = read(&m1_with(
        "OBX|1|ST|2472-9^IgM^LN||0.21 g/L L||0.4-2.3||||F\r",
    ));
    let igm = igm(&read);
    assert_eq!(
        (value(igm).as_str(), &igm.unit),
        ("0.21", &Unit::GramPerLitre)
    );
    assert_eq!(igm.flag, Some(Flag::Low));
    assert!(read.refusals.is_empty());
}

#[test]
fn w62_ambiguous_number() {
    let read = read(&m1_with(
        "OBX|1|NM|2472-9^IgM^LN||1,200|mg/L|400-2300|L|||F\r",
    ));
    assert_eq!(
        refused(&read),
        (
            Reason::AmbiguousNumber,
            "OBX[1]-5 observation value".to_owned()
        )
    );
    assert!(only_refusal(&read).result);
    assert_eq!(count(&read, "quarantined_results"), 1);
    assert_eq!(
        *igm(&read).value.expose(),
        ReportedValue::Unreadable(Reason::AmbiguousNumber),
        "an unreadable correction must not leave the old value standing"
    );
    assert_eq!(only_patient(&read).observations.len(), 3);
}

#[test]
fn w63_en_dash_range() {
    let read = read(&m1_with(
        "OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.40–2.30|L|||F\r",
    ));
    assert!(matches!(igm(&read).range, ReportedRange::Plain(_)));
    assert_eq!(igm(&read).shown.range, "0.40–2.30");
}

#[test]
fn w66_loinc_in_the_alternate_triplet() {
    let read = read(&m1_with(
        "OBX|1|NM|IGM^IgM^L^2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r",
    ));
    assert_eq!(value(igm(&read)), "0.21");
    assert_eq!(igm(&read).shown.code, "2472-9");
}

#[test]
fn w69_w_status() {
    let read = read(&[MSH, PID, ORC, OBR, "OBX|1|NM|2472-9^IgM^LN||||||||W\r"].concat());
    let igm = igm(&read);
    assert_eq!(igm.status.class, StatusClass::Withdrawal);
    assert_eq!(igm.status.letter, "W");
    assert_eq!(*igm.value.expose(), ReportedValue::Absent);
    assert!(read.refusals.is_empty());
    assert!(only_patient(&read).group_withdrawals.is_empty());
}

#[test]
fn w70_order_cancelled() {
    let obr = "OBR|1|P1|F1|IG^Immunoglobulins^L|||20260301090000+0000\
        |||||||||||||||20260301113000+0000|||X\r";
    let read = read(&[MSH, PID, "ORC|CA|P1|F1\r", obr].concat());
    let part = only_patient(&read);
    let withdrawal = part.group_withdrawals.first().expect("withdrawn");
    assert_eq!(
        withdrawal.order,
        OrderNumber::Filler("F1".to_owned().into())
    );
    assert_eq!(withdrawal.version_at, at("2026-03-01T11:30:00Z"));
    assert!(read.refusals.is_empty(), "no OBX is no fault here (S-5)");
}

#[test]
fn w71_two_patients() {
    let second = "PID|1||5678^^^HOSP^MR||DOE^JANE||19800101|F\rORC|RE|P2|F2\r\
        OBR|1|P2|F2|IG|||20260301090000+0000\rOBX|1|NM|2472-9^IgM^LN||1.2|g/L|0.4-2.3|N|||F\r";
    let read = read(&(m1() + second));
    let keys: Vec<_> = read.patients.iter().map(|p| p.key.exposed()).collect();
    assert_eq!(keys, vec!["HOSP:1234", "HOSP:5678"]);
    let other = read.patients.last().expect("two");
    assert_eq!(other.observations.len(), 1);
    let only = other.observations.first().expect("one");
    assert_eq!(value(only), "1.2");
    assert_eq!(only.id.order, OrderNumber::Filler("F2".to_owned().into()));
    assert_eq!(
        only.version_at,
        at("2026-03-01T10:15:00Z"),
        "no OBR-22: MSH-7, and nothing of the first patient's order"
    );
}

#[test]
fn w72_csf_by_the_spm_after_the_obx() {
    let read = read(&(m1() + "SPM|1|||CSF^Cerebral spinal fluid^HL70487\r"));
    assert!(only_patient(&read).observations.is_empty());
    assert!(read.refusals.is_empty());
}

#[test]
fn w77_w78_birth_dates() {
    let birth = |text: &str| {
        let read = read(&m1().replace("19800101", text));
        assert!(read.counts.is_empty(), "{text}: {:?}", read.counts);
        only_patient(&read)
            .demographics
            .as_ref()
            .expect("given")
            .birth
            .clone()
    };
    let Given::Value(year) = birth("1980") else {
        panic!("a year")
    };
    assert_eq!(year.expose().earliest, jiff::civil::date(1980, 1, 1));
    assert_eq!(year.expose().latest, jiff::civil::date(1980, 12, 31));
    assert_eq!(birth("00000000"), Given::Absent);
    assert_eq!(birth("\"\""), Given::Cleared);
}

#[test]
fn w79_no_pid_3_but_pid_2() {
    let read = read(
        &m1()
            .replace("ORU^R01^ORU_R01|42|P|2.5.1", "ORU^R01|42|P|2.3")
            .replace("PID|1||1234^^^HOSP^MR|", "PID|1|1234||"),
    );
    assert_eq!(only_patient(&read).key.exposed(), "HOSP:1234");
}

#[test]
fn w80_no_id_at_all() {
    let read = read(&m1().replace("1234^^^HOSP^MR", ""));
    assert_eq!(
        refused(&read),
        (
            Reason::NoPatientId,
            "PID[1]-3 patient identifier list".to_owned()
        )
    );
    assert!(!only_refusal(&read).result);
    assert!(read.patients.is_empty());
}

#[test]
fn w81_value_in_a_note_only() {
    let igm_line = "OBX|1|ST|2472-9^IgM^LN||SEE NOTE||0.4-2.3||||F\rNTE|1|L|IgM < 0.2 g/L\r";
    let read = read(&m1_with(igm_line));
    assert_eq!(
        refused(&read),
        (Reason::ValueInNote, "OBX[1]-5 observation value".to_owned())
    );
    assert_eq!(count(&read, "quarantined_results"), 1);
    let igm = igm(&read);
    assert_eq!(
        *igm.value.expose(),
        ReportedValue::Unreadable(Reason::ValueInNote)
    );
    assert_eq!(*igm.shown.notes.expose(), vec!["IgM < 0.2 g/L"]);
    let plain = super::read(&m1_with(
        "OBX|1|ST|2472-9^IgM^LN||QNS||0.4-2.3||||F\rNTE|1|L|please repeat\r",
    ));
    assert!(plain.refusals.is_empty());
    assert_eq!(*super::igm(&plain).value.expose(), ReportedValue::Absent);
}
