//! WIRE 4.1 and 4.2: what a message is taken for, and whose it is.

use super::*;
use crate::core::clinical::observation::{DemographicsReport, Given, Sex};
use crate::core::extract::Understood;
use crate::core::policy::IdentifierChoice;

fn key_of(pid3: &str) -> Result<String, Reason> {
    key_with(pid3, &Policy::built_in())
}

fn key_with(pid3: &str, policy: &Policy) -> Result<String, Reason> {
    let read = read_bytes(m1().replace("1234^^^HOSP^MR", pid3).as_bytes(), policy);
    match read.patients.first() {
        Some(part) => Ok(part.key.exposed()),
        None => Err(only_refusal(&read).reason),
    }
}

fn demographics(pid: &str) -> (DemographicsReport, Extraction) {
    let read = read(&m1().replace(PID, &format!("{pid}\r")));
    let report = only_patient(&read).demographics.clone().expect("given");
    (report, read)
}

#[test]
fn x11_default_choice() {
    for (pid3, want) in [
        ("1^^^A^PI~2^^^B^MR", "B:2"),
        ("1^^^A~2^^^B^PI", "B:2"),
        ("1^^^A^SS~2^^^B", "B:2"),
        ("1^^^A^MRT~2^^^B^EPI", "B:2"),
        ("1^^^A^XX~2^^^B", "B:2"),
        ("1^^^A^MR^^20000101^20200101~2^^^B", "B:2"),
        ("1^^^A^MR^^20000101^20200101", "A:1"),
        ("1^^^A^MR^^^20991231", "A:1"),
        ("\"\"~2^^^B^MR", "B:2"),
    ] {
        assert_eq!(key_of(pid3), Ok(want.to_owned()), "{pid3}");
    }
    for kind in [
        "SS", "NH", "NI", "NNUSA", "DL", "PPN", "AN", "VN", "ANON", "MRT", "mrt",
    ] {
        assert_eq!(
            key_of(&format!("1^^^A^{kind}")),
            Err(Reason::NoPatientId),
            "{kind}"
        );
    }
}

#[test]
fn x11_the_sites_own_choice() {
    let mut policy = Policy::built_in();
    let choice = |authority: &str, kind: &str| IdentifierChoice {
        authority: authority.to_owned(),
        kind: kind.to_owned(),
    };
    policy.site.patient_id = vec![choice("NAT", "NI"), choice("", "PI")];
    let key = |pid3: &str| key_with(pid3, &policy);
    assert_eq!(key("1^^^A^PI~2^^^NAT^NI"), Ok("NAT:2".to_owned()));
    assert_eq!(key("1^^^A^PI~2^^^X^NI"), Ok("A:1".to_owned()));
    assert_eq!(key("1^^^A^MR"), Err(Reason::NoPatientId));
    policy.site.patient_id = vec![choice("1.2.3", "")];
    assert_eq!(
        key_with("1^^^A^MR~2^^^B&1.2.3&ISO", &policy),
        Ok("1.2.3:2".to_owned())
    );
}

#[test]
fn x12_the_key() {
    assert_eq!(key_of("1^^^H&1.2.3&ISO^MR"), Ok("1.2.3:1".to_owned()));
    assert_eq!(key_of("  aB1 ^^^H^MR"), Ok("H:aB1".to_owned()));
    assert_eq!(key_of("0012"), Ok("HOSP:0012".to_owned()));
    let mut policy = Policy::built_in();
    policy.site.strip_leading_zeros = true;
    assert_eq!(key_with("0012", &policy), Ok("HOSP:12".to_owned()));
    assert_eq!(key_with("000", &policy), Ok("HOSP:0".to_owned()));
    let fallback = read(&m1().replace("1234^^^HOSP^MR||", "||77"));
    assert_eq!(
        refused(&fallback).0,
        Reason::NoPatientId,
        "PID-5 is no identifier"
    );
    let alternate = read(&m1().replace("1234^^^HOSP^MR||", "|77|"));
    assert_eq!(only_patient(&alternate).key.exposed(), "HOSP:77");
}

#[test]
fn x14_control_material() {
    let mut policy = Policy::built_in();
    policy.site.control_ids = vec!["QC*".to_owned(), "999".to_owned()];
    for id in ["QC17", "999"] {
        let read = read_bytes(m1().replace("1234", id).as_bytes(), &policy);
        assert!(read.patients.is_empty() && read.refusals.is_empty());
        assert_eq!(count(&read, "control_material"), 1);
    }
    assert!(key_with("9990", &policy).is_ok());
    for role in ["Q", "C", "B", "E", "L", "O", "V"] {
        let spm = format!("SPM|1|||SER|||||||{role}^^HL70369\r");
        let read = read(&(m1().replace("1234^^^HOSP^MR", "") + &spm));
        assert!(
            read.patients.is_empty() && read.refusals.is_empty(),
            "{role}"
        );
        assert_eq!(count(&read, "control_material"), 1);
    }
    let patient = read(&(m1() + "SPM|1|||SER|||||||P^^HL70369\r"));
    assert_eq!(only_patient(&patient).observations.len(), 3);
}

#[test]
fn x14_oul_without_pid() {
    let text = [MSH, "SPM|1|||SER\r", OBR, IGM]
        .concat()
        .replace("ORU^R01^ORU_R01", "OUL^R22");
    let read = read(&text);
    assert!(read.patients.is_empty() && read.refusals.is_empty());
    assert_eq!(count(&read, "control_material"), 1);
}

#[test]
fn x15_x16_x18_demographics() {
    let (full, _) = demographics(
        "PID|1||1^^^A^MR||ALIAS^X^^^^^A~DOE^JANE^ANN^^^^L||19800101|f|||||||||||||||||||||20260201|Y|Y",
    );
    assert_eq!(full.name, Given::Value("DOE, JANE ANN".to_owned().into()));
    assert_eq!(full.sex, Given::Value(Sex::Female.into()));
    assert_eq!(full.dead, Given::Value(true));
    assert_eq!(full.unreliable, Given::Value(true));
    assert_eq!(full.at, at("2026-03-01T10:15:00Z"));
    let (empty, _) = demographics("PID|1||1^^^A^MR");
    assert_eq!((&empty.sex, &empty.name), (&Given::Absent, &Given::Absent));
    assert_eq!(
        (&empty.dead, &empty.unreliable),
        (&Given::Absent, &Given::Absent)
    );
    let (nulls, _) = demographics("PID|1||1^^^A^MR||\"\"||\"\"|\"\"");
    assert_eq!(
        (&nulls.name, &nulls.birth, &nulls.sex),
        (&Given::Cleared, &Given::Cleared, &Given::Cleared)
    );
    let (other, _) = demographics("PID|1||1^^^A^MR||||19801332|O");
    assert_eq!(
        (&other.birth, &other.sex),
        (&Given::Absent, &Given::Cleared)
    );
    let (unknown, _) = demographics("PID|1||1^^^A^MR||||19000101|U");
    assert_eq!(
        (&unknown.birth, &unknown.sex),
        (&Given::Absent, &Given::Absent)
    );
}

#[test]
fn t10_impossible_birth_dates_are_counted() {
    for text in ["20991231", "18900101", "19801332"] {
        let (report, read) = demographics(&format!("PID|1||1^^^A^MR||||{text}"));
        assert_eq!(report.birth, Given::Absent);
        assert_eq!(count(&read, "time_invalid"), 1, "{text}");
    }
}

#[test]
fn x18_evn_2_outranks_msh_7() {
    let text = MSH.replace("ORU^R01^ORU_R01", "ADT^A08") + "EVN||20260228080000+0000\r" + PID;
    let read = read(&text);
    assert_eq!(read.understood, Understood::Demographics);
    let report = only_patient(&read).demographics.as_ref().expect("given");
    assert_eq!(report.at, at("2026-02-28T08:00:00Z"));
}

#[test]
fn c4_c7_a_damaged_patient_id() {
    let raw = m1()
        .replace("1234", "12?34")
        .replace("|P|2.5.1\r", "|P|2.5.1||||||UTF-8\r")
        .replace('?', "\u{1}");
    let raw: Vec<u8> = raw.bytes().map(|b| if b == 1 { 0xFF } else { b }).collect();
    let read = read_bytes(&raw, &Policy::built_in());
    assert_eq!(refused(&read).0, Reason::CharsetDamage);
    assert_eq!(count(&read, "charset_invalid"), 1);
    let cut = m1()
        .replace("MSH|^~\\&|", "MSH|^~\\&#|")
        .replace("2.5.1", "2.7")
        .replace("1234", "1234#");
    assert_eq!(refused(&super::read(&cut)).0, Reason::TruncatedValue);
    let old = cut.replace("|2.7", "|2.5");
    assert_eq!(
        only_patient(&super::read(&old)).key.exposed(),
        "HOSP:1234#",
        "before 2.7 it is a plain character"
    );
}

#[test]
fn a40_what_a_message_is_taken_for() {
    use Understood::*;
    for (msh9, want) in [
        ("ORU^R01", Results),
        ("ORU", Results),
        ("oru^r01", Results),
        ("ORU^R32", Results),
        ("ORU^R40", Results),
        ("OUL^R21", Results),
        ("OUL^R24", Results),
        ("ADT^A01", Demographics),
        ("ADT^A99", Demographics),
        ("ADT^A41", Identity),
        ("ORM^O01", Order),
        ("OML^O21", Order),
        ("ORL^O22", Ignored),
        ("SIU^S12", Ignored),
        ("BAR^P01", Ignored),
        ("ACK^R01", Acknowledgement),
        ("MCF", Acknowledgement),
    ] {
        let read = read(&m1().replace("ORU^R01^ORU_R01", msh9));
        assert_eq!(read.understood, want, "{msh9}");
        assert!(read.refusals.is_empty(), "{msh9}: {:?}", read.refusals);
    }
}

#[test]
fn a40_c_d_event_and_type() {
    for msh9 in ["ORU^R99", "OUL^R01", "OUL"] {
        let read = read(&m1().replace("ORU^R01^ORU_R01", msh9));
        assert_eq!(
            refused(&read),
            (Reason::Event, "MSH[1]-9 message type".to_owned())
        );
        assert!(read.patients.is_empty());
    }
    let read = read(&m1().replace("ORU^R01^ORU_R01", ""));
    assert_eq!(refused(&read).0, Reason::NoType);
}

#[test]
fn a40_h_missing_segments() {
    let no_pid = read(&[MSH, ORC, OBR, IGM].concat());
    assert_eq!(
        refused(&no_pid),
        (
            Reason::MissingSegment,
            "PID[1] patient identification".to_owned()
        )
    );
    let no_obx = read(&[MSH, PID, ORC, OBR].concat());
    assert_eq!(
        refused(&no_obx),
        (
            Reason::MissingSegment,
            "OBX[1] observation/result".to_owned()
        )
    );
    let adt = MSH.replace("ORU^R01^ORU_R01", "ADT^A01");
    assert_eq!(refused(&read(&adt)).0, Reason::MissingSegment);
    let bed = read(&MSH.replace("ORU^R01^ORU_R01", "ADT^A20"));
    assert_eq!(bed.understood, Understood::Ignored);
    assert!(bed.refusals.is_empty());
    let bare = read(MSH);
    assert_eq!(refused(&bare).0, Reason::MissingSegment);
}

#[test]
fn a40_l_and_c1_unreadable_headers() {
    for text in ["", "M", "MSH", "MSH|", "PID|1|", "<?xml", "MSH||||"] {
        assert_eq!(refused(&read(text)).0, Reason::UnreadableMsh, "{text}");
    }
    let bad = read("MSH|&&&&|LAB|HOSP|||||ORU^R01|42|P\rPID|1\r");
    assert_eq!(
        refused(&bad),
        (
            Reason::Delimiters,
            "MSH[1]-2 encoding characters".to_owned()
        )
    );
    assert_eq!(bad.control_id, "42");
    assert_eq!(bad.feed, "LAB/HOSP");
}

#[test]
fn a31_the_header_may_come_late() {
    let late = read(&format!("noise\r{}", m1()));
    same_results(&read(&m1()), &late);
    let spaced = read(&format!("\r\n  {}", m1()));
    same_results(&read(&m1()), &spaced);
}

#[test]
fn a54_parts_of_a_message_are_not_read() {
    let dsc = read(&(m1() + "DSC|X1|I\r"));
    assert_eq!(
        refused(&dsc),
        (
            Reason::Continuation,
            "DSC[1]-1 continuation pointer".to_owned()
        )
    );
    assert!(dsc.patients.is_empty());
    let rest = read(&m1().replace("|P|2.5.1", "|P|2.5.1||X1"));
    assert_eq!(refused(&rest).0, Reason::Continuation);
    assert!(read(&(m1() + "DSC||\r")).refusals.is_empty());
}

#[test]
fn refusals_hold_no_patient_data() {
    let marked = m1()
        .replace("1234^^^HOSP^MR", "ZZMARKERZZ^^^ZZMARKERZZ^SS")
        .replace("DOE", "ZZMARKERZZ");
    let no_id = read(&marked);
    assert!(!format!("{:?}", no_id.refusals).contains("ZZMARKERZZ"));
    let text = read(&m1_with("OBX|1|NM|2472-9^IgM^LN||ZZMARKERZZ|g/L|||||F\r"));
    assert_eq!(text.refusals.len(), 1);
    assert!(!format!("{:?} {:?}", text.refusals, text.patients).contains("ZZMARKERZZ"));
}
